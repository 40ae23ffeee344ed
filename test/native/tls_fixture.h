// The other side of a TLS connection, and certificates made on the spot: nothing secret is kept.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "../../native/core/secure_channel.h"
#include "../../native/core/tls_context.h"

namespace sluice::test {

struct TestIdentity {
  std::string certificate;
  std::string key;
};

/**
 * A certificate for `name`, in PEM.
 * @param issuer who signs it; nullptr: it signs itself and is an authority
 * @param rsa else ECDSA on P-256
 */
[[nodiscard]] TestIdentity MakeIdentity(const std::string& name,
                                        const TestIdentity* issuer = nullptr, bool rsa = false);

[[nodiscard]] TlsBytes BytesOf(const std::string& text);

/** A context with one identity, checked. One owner. */
[[nodiscard]] TlsContext* MakeContext(const TestIdentity& identity, const TlsSettings& settings,
                                      const std::string& authorities = "",
                                      const TlsContext* before = nullptr);

/** Collects what a channel sends. */
class TestSink final : public CipherSink {
 public:
  void PutCipher(const uint8_t* bytes, uint32_t count) override {
    cipher.append(reinterpret_cast<const char*>(bytes), count);
    ++pieces;
  }
  std::string cipher;
  uint32_t pieces = 0;
};

struct ClientOptions {
  int version = 0;
  std::string server_name = "localhost";
  /** Wire format, each with its length in front. */
  std::string protocols = "\x08http/1.1";
  SSL_SESSION* session = nullptr;
  const TestIdentity* identity = nullptr;
};

/** OpenSSL's client on memory BIOs. */
class TlsClient {
 public:
  explicit TlsClient(const ClientOptions& options = {});
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /** Goes on with the handshake. @returns true when it is complete */
  bool Handshake();
  void Write(const std::string& text);
  /** Decrypts what there is. */
  std::string Read();
  void Feed(const std::string& cipher);
  /** What the client wants to send. */
  std::string Take();
  [[nodiscard]] SSL* ssl() const { return ssl_; }
  /** A session that can be resumed, or nullptr. The caller frees it. */
  [[nodiscard]] SSL_SESSION* TakeSession();
  [[nodiscard]] std::string PeerName() const;

 private:
  static int NoteSession(SSL* ssl, SSL_SESSION* session);

  SSL_CTX* context_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
  SSL_SESSION* session_ = nullptr;
};

/** A channel and the buffer it reads into. */
class TlsServer {
 public:
  explicit TlsServer(SecureContext* context) : channel(context->Accept()) {}
  ~TlsServer() { channel->Destroy(); }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  /** Gives it ciphertext in pieces of at most `piece` bytes; plaintext is added to `plain`. */
  SecureStatus Feed(const std::string& cipher, size_t piece = SIZE_MAX);
  std::string Take();

  SecureChannel* channel;
  TestSink sink;
  std::string plain;
};

/** Passes bytes to and fro until neither has anything to say. @returns whether both are open */
bool Shake(TlsClient* client, TlsServer* server, size_t piece = SIZE_MAX);

}  // namespace sluice::test
