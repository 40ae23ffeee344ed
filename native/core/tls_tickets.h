// The keys that session tickets are sealed with (RFC 5077 4, RFC 8446 4.6.1). They outlive a change
// of certificates, are replaced by age, and are never stored: a ticket tells who has a key
// everything that was said under it.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace sluice {

/** The newest seals; older ones still open what they sealed. */
inline constexpr uint32_t kTicketKeysMax = 2;
inline constexpr uint32_t kTicketNameBytes = 16;

class TlsTicketKeys {
 public:
  /** With one owner. @param lifetime_s how long a ticket is good for; keys are replaced at that age
   */
  [[nodiscard]] static TlsTicketKeys* Create(uint32_t lifetime_s);
  void Acquire() { ++owners_; }
  void Release();

  /** What OpenSSL's callback has to do; see SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
  int Seal(uint8_t* name, uint8_t* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  int Open(const uint8_t* name, const uint8_t* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);

  /** @param now_s monotonic. Replaces the key that seals when it is old enough. */
  void Rotate(uint64_t now_s);

 private:
  struct Key {
    uint8_t name[kTicketNameBytes];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
    uint64_t made_at_s;
    bool valid;
  };

  explicit TlsTicketKeys(uint32_t lifetime_s) : lifetime_s_(lifetime_s) {}
  ~TlsTicketKeys();

  [[nodiscard]] bool Expired(const Key& key, uint64_t now_s) const;

  /** The newest first. */
  std::array<Key, kTicketKeysMax> keys_{};
  uint32_t lifetime_s_;
  uint32_t owners_ = 1;
};

}  // namespace sluice
