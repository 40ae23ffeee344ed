// See tls_context.h. What the settings mean in OpenSSL's terms, and its callbacks.
#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "tls_channel.h"
#include "tls_live.h"

namespace sluice {

namespace {

/** 112 bits: refuses RSA below 2048, SHA-1 signatures (SSL_CTX_set_security_level(3)). */
constexpr int kSecurityLevel = 2;
/** Tickets per TLS 1.3 handshake: a client that comes back uses each once. */
constexpr size_t kTicketsPerHandshake = 2;
constexpr uint64_t kOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                              SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
/** The chain is what the file says, never guessed from the clients' authorities. */
constexpr long kModes = SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN;

std::string LowerCase(const char* text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return lower;
}

int ChooseByServerName(SSL* ssl, int*, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  TlsChannel* channel = TlsChannel::Of(ssl);
  if (name == nullptr || channel == nullptr) return SSL_TLSEXT_ERR_NOACK;
  channel->set_server_name(name);
  SSL_CTX* found = channel->context().Find(name);
  if (found == nullptr) return SSL_TLSEXT_ERR_NOACK;
  return SSL_set_SSL_CTX(ssl, found) != nullptr ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/** RFC 7301 3.2: a client that speaks none of our protocols is refused (also against ALPACA). */
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_length,
                   const unsigned char* offered, unsigned int length, void*) {
  constexpr size_t kLength = sizeof(kApplicationProtocol) - 1;
  for (unsigned int at = 0; at < length; at += 1U + offered[at]) {
    if (offered[at] != kLength || at + 1 + kLength > length) continue;
    if (std::memcmp(offered + at + 1, kApplicationProtocol, kLength) != 0) continue;
    *out = offered + at + 1;
    *out_length = kLength;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int UseTicketKey(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher,
                 EVP_MAC_CTX* mac, int seals) {
  const TlsChannel* channel = TlsChannel::Of(ssl);
  if (channel == nullptr) return 0;
  TlsTicketKeys* keys = channel->context().tickets();
  return seals != 0 ? keys->Seal(name, vector, cipher, mac) : keys->Open(name, vector, cipher, mac);
}

/** With kRequest: whatever the client shows, the handshake goes on, and the result is kept. */
int NoteOnly(int, X509_STORE_CTX*) {
  return 1;
}

}  // namespace

TlsContext* TlsContext::Create(const TlsSettings& settings, const TlsContext* before) {
  auto* context = new TlsContext(settings);
  tls_live.contexts++;
  if (before != nullptr &&
      before->settings_.ticket_lifetime_s == context->settings_.ticket_lifetime_s) {
    context->tickets_ = before->tickets_;
    context->tickets_->Acquire();
  } else {
    context->tickets_ = TlsTicketKeys::Create(settings.ticket_lifetime_s);
  }
  return context;
}

TlsContext::~TlsContext() {
  for (const auto& [name, context] : named_) SSL_CTX_free(context);
  SSL_CTX_free(default_);
  X509_STORE_free(authorities_);
  sk_X509_NAME_pop_free(authority_names_, X509_NAME_free);
  BIO_meth_free(bio_method_);
  tickets_->Release();
  tls_live.contexts--;
}

void TlsContext::Release() {
  if (--owners_ == 0) delete this;
}

TlsFault TlsContext::Prepare(TlsBytes authorities) {
  ERR_clear_error();
  bio_method_ = TlsChannel::NewBioMethod();
  authorities_ = X509_STORE_new();
  authority_names_ = sk_X509_NAME_new_null();
  if (bio_method_ == nullptr || authorities_ == nullptr || authority_names_ == nullptr) {
    return MakeTlsFault(TlsFaultKind::kSetting, "cannot be set up");
  }
  if (settings_.client_certificate != ClientCertificate::kNone) {
    // An intermediate that is named as an authority is one.
    (void)X509_STORE_set_flags(authorities_, X509_V_FLAG_PARTIAL_CHAIN);
    const TlsFault fault = AddAuthorities(authorities_, authority_names_, authorities);
    if (fault.any()) return fault;
  } else {
    authorities = {};
  }
  std::string policy(1, static_cast<char>(settings_.client_certificate));
  policy.append(reinterpret_cast<const char*>(authorities.bytes), authorities.length);
  if (EVP_Digest(policy.data(), policy.size(), policy_digest_, nullptr, EVP_sha256(), nullptr) !=
      1) {
    return MakeTlsFault(TlsFaultKind::kSetting, "cannot be set up");
  }
  return {};
}

TlsFault TlsContext::AddIdentity(const std::string& name, TlsBytes chain, TlsBytes key,
                                 TlsBytes passphrase) {
  const std::string lower = LowerCase(name.c_str());
  const auto known = named_.find(lower);
  SSL_CTX* context = lower.empty() ? default_ : known != named_.end() ? known->second : nullptr;
  if (context == nullptr) {
    TlsFault fault;
    context = NewSslContext(&fault);
    if (context == nullptr) return fault;
    if (lower.empty()) {
      default_ = context;
    } else {
      named_[lower] = context;
    }
  }
  return UseIdentity(context, chain, key, passphrase);
}

SSL_CTX* TlsContext::NewSslContext(TlsFault* fault) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context != nullptr && ApplySettings(context) && ApplyClientPolicy(context)) return context;
  *fault = MakeTlsFault(TlsFaultKind::kSetting, "no protocol or cipher is left");
  SSL_CTX_free(context);
  return nullptr;
}

bool TlsContext::ApplySettings(SSL_CTX* context) const {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  (void)SSL_CTX_set_options(context, kOptions);
  (void)SSL_CTX_set_mode(context, kModes);
  (void)SSL_CTX_set_read_ahead(context, 1);
  (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  (void)SSL_CTX_set_max_early_data(context, 0);
  if (settings_.ticket_lifetime_s == 0) {
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(context, 0);
  } else {
    (void)SSL_CTX_set_num_tickets(context, kTicketsPerHandshake);
    (void)SSL_CTX_set_timeout(context, static_cast<long>(settings_.ticket_lifetime_s));
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, UseTicketKey);
  }
  (void)SSL_CTX_set_tlsext_servername_callback(context, ChooseByServerName);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  return SSL_CTX_set_min_proto_version(context, settings_.version_min) == 1 &&
         SSL_CTX_set_max_proto_version(context, settings_.version_max) == 1 &&
         (settings_.ciphers.empty() ||
          SSL_CTX_set_cipher_list(context, settings_.ciphers.c_str()) == 1) &&
         (settings_.suites.empty() ||
          SSL_CTX_set_ciphersuites(context, settings_.suites.c_str()) == 1);
}

bool TlsContext::ApplyClientPolicy(SSL_CTX* context) const {
  if (SSL_CTX_set_session_id_context(context, policy_digest_, sizeof(policy_digest_)) != 1) {
    return false;
  }
  if (settings_.client_certificate == ClientCertificate::kNone) return true;
  STACK_OF(X509_NAME)* names = SSL_dup_CA_list(authority_names_);
  if (names == nullptr) return false;
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set1_cert_store(context, authorities_);
  SSL_CTX_set_verify_depth(context, kClientChainDepthMax);
  if (settings_.client_certificate == ClientCertificate::kRequire) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NoteOnly);
  }
  return true;
}

SSL_CTX* TlsContext::Find(const char* server_name) const {
  if (named_.empty()) return nullptr;
  const std::string name = LowerCase(server_name);
  auto found = named_.find(name);
  if (found != named_.end()) return found->second;
  // A wildcard stands for exactly one label (RFC 6125 6.4.3).
  const size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return nullptr;
  std::string wildcard(1, '*');
  wildcard.append(name, dot);
  found = named_.find(wildcard);
  return found != named_.end() ? found->second : nullptr;
}

SecureChannel* TlsContext::Accept() {
  return default_ == nullptr ? nullptr : TlsChannel::Create(default_, this);
}

}  // namespace sluice
