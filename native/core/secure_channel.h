// What the engine asks of an encrypted connection, and nothing of how: TLS itself lives in the
// second addon (tls_context.h), which is loaded on demand, and a loop without TLS needs none of it.
// Objects cross the two addons by pointer: pure virtual, no exceptions, no RTTI, and each is
// destroyed by the side that made it.
#pragma once

#include <cstdint>

namespace sluice {

/**
 * The type tag of the JavaScript object that wraps a SecureContext. Its last word is the version of
 * the classes below: it changes with every change of them, so that two addons that do not fit
 * refuse each other.
 */
inline constexpr uint64_t kSecureContextTagHigh = 0x5c1d1e0a4f7b4c11ULL;
inline constexpr uint64_t kSecureContextTagLow = 0x9a52c0de10ef1001ULL;

/** Longest plaintext of one record (RFC 8446 5.1). */
inline constexpr uint32_t kRecordPlainBytesMax = 16 * 1024;

/** Takes ciphertext for the peer, in order; called from within the calls of a channel only. */
class CipherSink {
 public:
  virtual void PutCipher(const uint8_t* bytes, uint32_t count) = 0;

 protected:
  ~CipherSink() = default;
};

enum class SecureStatus : int32_t {
  kGoesOn,
  kEnded,   // The peer sent close_notify: nothing more comes, writing is still possible.
  kFailed,  // A fault; the alert about it is with the sink. The channel is of no more use.
};

struct SecureRead {
  uint32_t plain_bytes;
  SecureStatus status;
};

/** What may be told about an open channel. Texts end in NUL. */
struct SecureDescription {
  char protocol[16];
  char cipher[64];
  char application_protocol[16];
  char server_name[256];
  bool resumed;
  /** The peer's certificate stands in a chain to a configured authority. */
  bool authorized;
  /** Why it does not; empty without a certificate, and with one that is authorized. */
  char reason[128];
};

/** One connection's encryption. Never blocks, knows no descriptor. */
class SecureChannel {
 public:
  /** Frees it. */
  virtual void Destroy() = 0;
  /** The handshake is complete. */
  [[nodiscard]] virtual bool is_open() const = 0;
  /**
   * Takes all of the ciphertext: at most an incomplete record stays inside. During the handshake,
   * goes on with it; what the peer needs to get goes to the sink.
   * @param plain room for the plaintext, at least count + kRecordPlainBytesMax: what came before
   *   may be the beginning of a record that ends here
   */
  [[nodiscard]] virtual SecureRead Receive(const uint8_t* cipher, uint32_t count, uint8_t* plain,
                                           uint32_t plain_max, CipherSink* sink) = 0;
  /** Encrypts into records of at most kRecordPlainBytesMax. @returns false if it cannot (any more)
   */
  [[nodiscard]] virtual bool Encrypt(const uint8_t* plain, uint32_t count, CipherSink* sink) = 0;
  /** Sends close_notify, once; does nothing before the handshake is complete. */
  virtual void Shutdown(CipherSink* sink) = 0;
  virtual void Describe(SecureDescription* description) const = 0;
  /** Copies the peer's certificate as DER. @returns its length, also when it does not fit; 0: none
   */
  [[nodiscard]] virtual uint32_t PeerCertificate(uint8_t* into, uint32_t capacity) const = 0;

 protected:
  ~SecureChannel() = default;
};

/** Certificates and settings that channels are made from. Counts its owners; one thread only. */
class SecureContext {
 public:
  virtual void Acquire() = 0;
  virtual void Release() = 0;
  /** A channel for an accepted connection, or nullptr without memory. It may outlive the context.
   */
  [[nodiscard]] virtual SecureChannel* Accept() = 0;

 protected:
  ~SecureContext() = default;
};

}  // namespace sluice
