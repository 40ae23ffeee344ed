// One TLS connection (RFC 8446, RFC 5246) as a machine without a socket. OpenSSL reads the range
// that Receive is given and writes straight to the sink: no memory BIO, which would copy and grow.
//
//   Receive: handshake -> open -> SSL_read until the range is dry; what OpenSSL wants to say
//            meanwhile (flights, tickets, alerts, key updates) is with the sink when it returns
//   Encrypt: SSL_write -> records to the sink
//
// Node's own crypto shares the thread's error queue, so it is emptied before and after each call.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "secure_channel.h"
#include "tls_context.h"

namespace sluice {

class TlsChannel final : public SecureChannel {
 public:
  /** @returns nullptr without memory. Keeps an owner's share of the context. */
  [[nodiscard]] static TlsChannel* Create(SSL_CTX* ssl_context, TlsContext* context);
  /** How OpenSSL reaches a channel's range and sink; nullptr without memory. */
  [[nodiscard]] static BIO_METHOD* NewBioMethod();
  [[nodiscard]] static TlsChannel* Of(const SSL* ssl);

  void Destroy() override;
  [[nodiscard]] bool is_open() const override { return open_; }
  [[nodiscard]] SecureRead Receive(const uint8_t* cipher, uint32_t count, uint8_t* plain,
                                   uint32_t plain_max, CipherSink* sink) override;
  [[nodiscard]] bool Encrypt(const uint8_t* plain, uint32_t count, CipherSink* sink) override;
  void Shutdown(CipherSink* sink) override;
  void Describe(SecureDescription* description) const override;
  [[nodiscard]] uint32_t PeerCertificate(uint8_t* into, uint32_t capacity) const override;

  [[nodiscard]] const TlsContext& context() const { return *context_; }
  void set_server_name(const char* name) { server_name_ = name; }

 private:
  TlsChannel(SSL* ssl, TlsContext* context);
  ~TlsChannel();

  [[nodiscard]] SecureStatus Handshake();
  [[nodiscard]] SecureStatus ReadAll(uint8_t* plain, uint32_t plain_max, uint32_t* used);
  static int BioRead(BIO* bio, char* into, int capacity);
  static int BioWrite(BIO* bio, const char* from, int count);
  static long BioControl(BIO* bio, int command, long number, void* pointer);

  SSL* ssl_;
  TlsContext* context_;
  // Of the call that is being made; nothing outside of one.
  const uint8_t* cipher_ = nullptr;
  uint32_t cipher_left_ = 0;
  CipherSink* sink_ = nullptr;
  bool open_ = false;
  bool failed_ = false;
  bool shut_down_ = false;
  std::string server_name_;
};

}  // namespace sluice
