// See tls_tickets.h.
#include "tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <time.h>

#include <cstring>

namespace sluice {

namespace {

constexpr int kRefused = 0;  // A full handshake follows.
constexpr int kAccepted = 1;
constexpr int kRenewed = 2;  // Accepted, and the client gets a ticket under the newest key.
constexpr int kFailed = -1;

uint64_t MonotonicSeconds() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec);
}

bool SetMacKey(EVP_MAC_CTX* mac, const uint8_t* key, size_t length) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<uint8_t*>(key), length),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

}  // namespace

TlsTicketKeys* TlsTicketKeys::Create(uint32_t lifetime_s) {
  return new TlsTicketKeys(lifetime_s);
}

TlsTicketKeys::~TlsTicketKeys() {
  OPENSSL_cleanse(keys_.data(), sizeof(keys_));
}

void TlsTicketKeys::Release() {
  if (--owners_ == 0) delete this;
}

bool TlsTicketKeys::Expired(const Key& key, uint64_t now_s) const {
  // The last ticket under a key was sealed up to one lifetime after the key was made.
  return !key.valid || now_s - key.made_at_s >= uint64_t{2} * lifetime_s_;
}

void TlsTicketKeys::Rotate(uint64_t now_s) {
  if (keys_[0].valid && now_s - keys_[0].made_at_s < lifetime_s_) return;
  Key fresh{};
  if (RAND_bytes(fresh.name, sizeof(fresh.name)) != 1 ||
      RAND_priv_bytes(fresh.cipher_key, sizeof(fresh.cipher_key)) != 1 ||
      RAND_priv_bytes(fresh.mac_key, sizeof(fresh.mac_key)) != 1) {
    // Without randomness the old key must not live on for ever: no tickets until there is some.
    if (Expired(keys_[0], now_s)) keys_[0].valid = false;
    return;
  }
  fresh.made_at_s = now_s;
  fresh.valid = true;
  OPENSSL_cleanse(&keys_[kTicketKeysMax - 1], sizeof(Key));
  for (uint32_t i = kTicketKeysMax - 1; i > 0; --i) keys_[i] = keys_[i - 1];
  keys_[0] = fresh;
  OPENSSL_cleanse(&fresh, sizeof(fresh));
}

int TlsTicketKeys::Seal(uint8_t* name, uint8_t* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  Rotate(MonotonicSeconds());
  const Key& key = keys_[0];
  if (!key.valid) return kRefused;
  const EVP_CIPHER* algorithm = EVP_aes_256_cbc();
  if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(algorithm)) != 1) return kFailed;
  std::memcpy(name, key.name, sizeof(key.name));
  if (EVP_EncryptInit_ex(cipher, algorithm, nullptr, key.cipher_key, vector) != 1) return kFailed;
  return SetMacKey(mac, key.mac_key, sizeof(key.mac_key)) ? kAccepted : kFailed;
}

int TlsTicketKeys::Open(const uint8_t* name, const uint8_t* vector, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac) {
  const uint64_t now_s = MonotonicSeconds();
  Rotate(now_s);
  for (uint32_t i = 0; i < kTicketKeysMax; ++i) {
    const Key& key = keys_[i];
    if (Expired(key, now_s) || std::memcmp(name, key.name, sizeof(key.name)) != 0) continue;
    if (!SetMacKey(mac, key.mac_key, sizeof(key.mac_key)) ||
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher_key, vector) != 1) {
      return kFailed;
    }
    return i == 0 ? kAccepted : kRenewed;
  }
  return kRefused;
}

}  // namespace sluice
