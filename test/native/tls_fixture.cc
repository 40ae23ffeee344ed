// See tls_fixture.h.
#include "tls_fixture.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace sluice::test {

namespace {

constexpr long kDaySeconds = 24L * 3600;

std::string TakeText(BIO* bio) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<size_t>(length));
  BIO_free(bio);
  return text;
}

BIO* OpenText(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

EVP_PKEY* ReadKey(const std::string& pem) {
  BIO* bio = OpenText(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return key;
}

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = OpenText(pem);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

void SetExtension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  ASSERT_NE(extension, nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void SetName(X509* certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
}

}  // namespace

TestIdentity MakeIdentity(const std::string& name, const TestIdentity* issuer, bool rsa) {
  static int serial = 1;
  EVP_PKEY* key = rsa ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kDaySeconds);
  X509_set_pubkey(certificate, key);
  SetName(certificate, name);
  X509* signer = issuer == nullptr ? certificate : ReadCertificate(issuer->certificate);
  EVP_PKEY* signer_key = issuer == nullptr ? key : ReadKey(issuer->key);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  SetExtension(certificate, signer, NID_basic_constraints,
               issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  SetExtension(certificate, signer, NID_subject_alt_name, ("DNS:" + name).c_str());
  X509_sign(certificate, signer_key, EVP_sha256());
  TestIdentity made;
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  made.certificate = TakeText(out);
  out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  made.key = TakeText(out);
  if (issuer != nullptr) {
    X509_free(signer);
    EVP_PKEY_free(signer_key);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return made;
}

TlsBytes BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TlsContext* MakeContext(const TestIdentity& identity, const TlsSettings& settings,
                        const std::string& authorities, const TlsContext* before) {
  TlsContext* context = TlsContext::Create(settings, before);
  TlsFault fault = context->Prepare(BytesOf(authorities));
  EXPECT_FALSE(fault.any()) << fault.reason;
  fault = context->AddIdentity("", BytesOf(identity.certificate), BytesOf(identity.key), {});
  EXPECT_FALSE(fault.any()) << fault.reason;
  return context;
}

TlsClient::TlsClient(const ClientOptions& options)
    : context_(SSL_CTX_new(TLS_client_method())),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())) {
  // What the context's own cache holds is void when the context is freed.
  SSL_CTX_set_session_cache_mode(context_,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context_, NoteSession);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context_, options.version);
    SSL_CTX_set_max_proto_version(context_, options.version);
  }
  if (options.identity != nullptr) {
    const TestIdentity& identity = *options.identity;
    EXPECT_FALSE(
        UseIdentity(context_, BytesOf(identity.certificate), BytesOf(identity.key), {}).any());
  }
  ssl_ = SSL_new(context_);
  SSL_set_app_data(ssl_, this);
  BIO_set_mem_eof_return(in_, -1);
  SSL_set_bio(ssl_, in_, out_);
  SSL_set_connect_state(ssl_);
  if (!options.server_name.empty()) SSL_set_tlsext_host_name(ssl_, options.server_name.c_str());
  if (!options.protocols.empty()) {
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const uint8_t*>(options.protocols.data()),
                        static_cast<unsigned>(options.protocols.size()));
  }
  if (options.session != nullptr) SSL_set_session(ssl_, options.session);
}

TlsClient::~TlsClient() {
  // OpenSSL voids the session of a connection that ended without a goodbye.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_SESSION_free(session_);
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

int TlsClient::NoteSession(SSL* ssl, SSL_SESSION* session) {
  auto* client = static_cast<TlsClient*>(SSL_get_app_data(ssl));
  SSL_SESSION_free(client->session_);
  client->session_ = session;
  return 1;
}

bool TlsClient::Handshake() {
  const int result = SSL_do_handshake(ssl_);
  ERR_clear_error();
  return result == 1;
}

void TlsClient::Write(const std::string& text) {
  EXPECT_EQ(SSL_write(ssl_, text.data(), static_cast<int>(text.size())),
            static_cast<int>(text.size()));
}

std::string TlsClient::Read() {
  std::string text;
  char piece[4096];
  int count;
  while ((count = SSL_read(ssl_, piece, sizeof(piece))) > 0) text.append(piece, count);
  ERR_clear_error();
  return text;
}

void TlsClient::Feed(const std::string& cipher) {
  if (!cipher.empty()) BIO_write(in_, cipher.data(), static_cast<int>(cipher.size()));
}

std::string TlsClient::Take() {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out_, &bytes);
  std::string text(bytes, static_cast<size_t>(length));
  (void)BIO_reset(out_);
  return text;
}

SSL_SESSION* TlsClient::TakeSession() {
  SSL_SESSION* session = session_;
  session_ = nullptr;
  return session;
}

std::string TlsClient::PeerName() const {
  char name[256] = "";
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof(name));
  }
  return name;
}

SecureStatus TlsServer::Feed(const std::string& cipher, size_t piece) {
  SecureStatus status = SecureStatus::kGoesOn;
  for (size_t at = 0; at < cipher.size() && status == SecureStatus::kGoesOn; at += piece) {
    const size_t count = std::min(piece, cipher.size() - at);
    std::vector<uint8_t> room(count + kRecordPlainBytesMax);
    // A copy of its own: a byte that is read beyond the range is found by the sanitizer.
    const std::vector<uint8_t> range(cipher.begin() + static_cast<long>(at),
                                     cipher.begin() + static_cast<long>(at + count));
    const SecureRead read =
        channel->Receive(range.data(), static_cast<uint32_t>(count), room.data(),
                         static_cast<uint32_t>(room.size()), &sink);
    plain.append(reinterpret_cast<const char*>(room.data()), read.plain_bytes);
    status = read.status;
    if (piece == SIZE_MAX) break;
  }
  return status;
}

std::string TlsServer::Take() {
  std::string cipher;
  cipher.swap(sink.cipher);
  return cipher;
}

bool Shake(TlsClient* client, TlsServer* server, size_t piece) {
  bool done = false;
  for (int round = 0; round < 8; ++round) {
    done = client->Handshake();
    const std::string up = client->Take();
    if (server->Feed(up, piece) == SecureStatus::kFailed) {
      client->Feed(server->Take());
      (void)client->Handshake();
      return false;
    }
    const std::string down = server->Take();
    if (up.empty() && down.empty()) break;
    client->Feed(down);
  }
  (void)client->Read();
  return done && server->channel->is_open();
}

}  // namespace sluice::test
