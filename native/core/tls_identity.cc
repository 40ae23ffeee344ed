// See tls_identity.h.
#include "tls_identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstring>
#include <memory>

namespace sluice {

namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;

BioPtr Source(TlsBytes pem) {
  return BioPtr(pem.length > INT32_MAX ? nullptr
                                       : BIO_new_mem_buf(pem.bytes, static_cast<int>(pem.length)));
}

/** OpenSSL asks for a passphrase; without this it would ask at the terminal. */
int GivePassphrase(char* into, int capacity, int, void* data) {
  const auto* passphrase = static_cast<const TlsBytes*>(data);
  if (passphrase->length == 0 || passphrase->length > static_cast<size_t>(capacity)) return 0;
  std::memcpy(into, passphrase->bytes, passphrase->length);
  return static_cast<int>(passphrase->length);
}

/** Certificates must not be encrypted. */
int GiveNothing(char*, int, int, void*) {
  return 0;
}

/** Whether the last reading stopped because there was nothing more. Empties the error queue. */
bool AtEnd() {
  const unsigned long last = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

TlsFault UseChain(SSL_CTX* context, TlsBytes chain) {
  const BioPtr source = Source(chain);
  if (source == nullptr) return MakeTlsFault(TlsFaultKind::kCertificate, "is too long");
  const X509Ptr leaf(PEM_read_bio_X509_AUX(source.get(), nullptr, GiveNothing, nullptr));
  if (leaf == nullptr) {
    return MakeTlsFault(TlsFaultKind::kCertificate, "holds no certificate in PEM");
  }
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return MakeTlsFault(TlsFaultKind::kCertificate, "holds a certificate that cannot be used");
  }
  (void)SSL_CTX_clear_chain_certs(context);
  while (true) {
    X509Ptr link(PEM_read_bio_X509(source.get(), nullptr, GiveNothing, nullptr));
    if (link == nullptr) break;
    if (SSL_CTX_add0_chain_cert(context, link.get()) != 1) {
      return MakeTlsFault(TlsFaultKind::kCertificate, "holds a chain that cannot be used");
    }
    (void)link.release();
  }
  if (!AtEnd()) return MakeTlsFault(TlsFaultKind::kCertificate, "holds a damaged chain");
  return {};
}

TlsFault UseKey(SSL_CTX* context, TlsBytes key, TlsBytes passphrase) {
  const BioPtr source = Source(key);
  if (source == nullptr) return MakeTlsFault(TlsFaultKind::kKey, "is too long");
  const KeyPtr secret(PEM_read_bio_PrivateKey(source.get(), nullptr, GivePassphrase, &passphrase));
  if (secret == nullptr) {
    return MakeTlsFault(TlsFaultKind::kKey, passphrase.length == 0
                                                ? "holds no private key in PEM, or an encrypted one"
                                                : "holds no private key that the passphrase opens");
  }
  if (SSL_CTX_use_PrivateKey(context, secret.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return MakeTlsFault(TlsFaultKind::kKey, "does not belong to the certificate");
  }
  return {};
}

}  // namespace

TlsFault MakeTlsFault(TlsFaultKind kind, const char* text) {
  TlsFault fault;
  fault.kind = kind;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  if (reason == nullptr) {
    (void)std::snprintf(fault.reason, sizeof(fault.reason), "%s", text);
  } else {
    (void)std::snprintf(fault.reason, sizeof(fault.reason), "%s (%s)", text, reason);
  }
  ERR_clear_error();
  return fault;
}

TlsFault UseIdentity(SSL_CTX* context, TlsBytes chain, TlsBytes key, TlsBytes passphrase) {
  ERR_clear_error();
  TlsFault fault = UseChain(context, chain);
  if (!fault.any()) fault = UseKey(context, key, passphrase);
  return fault;
}

TlsFault AddAuthorities(X509_STORE* store, STACK_OF(X509_NAME) * names, TlsBytes pem) {
  ERR_clear_error();
  const BioPtr source = Source(pem);
  if (source == nullptr) return MakeTlsFault(TlsFaultKind::kCertificate, "is too long");
  uint32_t count = 0;
  while (true) {
    const X509Ptr authority(PEM_read_bio_X509_AUX(source.get(), nullptr, GiveNothing, nullptr));
    if (authority == nullptr) break;
    X509_NAME* name = X509_NAME_dup(X509_get_subject_name(authority.get()));
    if (name == nullptr || sk_X509_NAME_push(names, name) == 0 ||
        X509_STORE_add_cert(store, authority.get()) != 1) {
      return MakeTlsFault(TlsFaultKind::kCertificate, "holds an authority that cannot be used");
    }
    ++count;
  }
  if (!AtEnd()) return MakeTlsFault(TlsFaultKind::kCertificate, "holds a damaged certificate");
  if (count == 0) return MakeTlsFault(TlsFaultKind::kCertificate, "holds no certificate in PEM");
  return {};
}

}  // namespace sluice
