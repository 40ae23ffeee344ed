// TLS for the connections of a listener, on the OpenSSL that Node exports: certificates by server
// name, settings, ticket keys. Lives in the second addon. Immutable once it is given to a listener:
// a change of certificates is a new context, and connections keep the one that they began with.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "secure_channel.h"
#include "tls_identity.h"
#include "tls_tickets.h"

namespace sluice {

/** Certificates between a client's and an authority's, messenger.md 2.2 wants three. */
inline constexpr int kClientChainDepthMax = 5;
/** Name of the only application protocol, RFC 7301 6. */
inline constexpr char kApplicationProtocol[] = "http/1.1";

enum class ClientCertificate : uint32_t {
  kNone = 0,
  kRequest = 1,  // Asked for; whoever has none, or a wrong one, is told apart, not refused.
  kRequire = 2,  // Without one that is in order there is no connection.
};

struct TlsSettings {
  ClientCertificate client_certificate = ClientCertificate::kNone;
  /** TLS1_2_VERSION or TLS1_3_VERSION. */
  int version_min = TLS1_2_VERSION;
  int version_max = TLS1_3_VERSION;
  /** OpenSSL's lists, the second for TLS 1.3; empty: OpenSSL's own default. */
  std::string ciphers;
  std::string suites;
  /** 0: no tickets. */
  uint32_t ticket_lifetime_s = 0;
};

class TlsContext final : public SecureContext {
 public:
  /** With one owner. @param before shares its ticket keys, if its lifetime is the same; or nullptr
   */
  [[nodiscard]] static TlsContext* Create(const TlsSettings& settings, const TlsContext* before);

  /** Checks the settings and reads the authorities. First of all calls. @param authorities PEM */
  [[nodiscard]] TlsFault Prepare(TlsBytes authorities);
  /**
   * Adds a certificate. @param name a host name, '*.' and one, or '' for the default, which comes
   * first
   */
  [[nodiscard]] TlsFault AddIdentity(const std::string& name, TlsBytes chain, TlsBytes key,
                                     TlsBytes passphrase);

  void Acquire() override { ++owners_; }
  void Release() override;
  [[nodiscard]] SecureChannel* Accept() override;

  /** The certificates for a server name in any case of letters; nullptr: the default ones. */
  [[nodiscard]] SSL_CTX* Find(const char* server_name) const;
  [[nodiscard]] TlsTicketKeys* tickets() const { return tickets_; }
  [[nodiscard]] const BIO_METHOD* bio_method() const { return bio_method_; }

 private:
  explicit TlsContext(const TlsSettings& settings) : settings_(settings) {}
  ~TlsContext();

  [[nodiscard]] SSL_CTX* NewSslContext(TlsFault* fault);
  [[nodiscard]] bool ApplySettings(SSL_CTX* context) const;
  [[nodiscard]] bool ApplyClientPolicy(SSL_CTX* context) const;

  TlsSettings settings_;
  SSL_CTX* default_ = nullptr;
  std::unordered_map<std::string, SSL_CTX*> named_;
  X509_STORE* authorities_ = nullptr;
  STACK_OF(X509_NAME) * authority_names_ = nullptr;
  /** What a ticket must have been issued under: another client policy voids it. */
  uint8_t policy_digest_[32] = {};
  TlsTicketKeys* tickets_ = nullptr;
  BIO_METHOD* bio_method_ = nullptr;
  uint32_t owners_ = 1;
};

}  // namespace sluice
