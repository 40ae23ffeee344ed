// Reads certificates, keys and authorities from PEM into an SSL_CTX, and says in words what is
// wrong with them. Never puts bytes of a key, or a passphrase, into a message.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>

namespace sluice {

/** Bytes that are borrowed for a call. */
struct TlsBytes {
  const uint8_t* bytes = nullptr;
  size_t length = 0;
};

enum class TlsFaultKind : int32_t {
  kNone = 0,
  kCertificate,  // The certificate, its chain or an authority cannot be used.
  kKey,          // The key cannot be read, or is another certificate's.
  kSetting,      // Protocol versions or ciphers leave nothing to speak with.
};

struct TlsFault {
  TlsFaultKind kind = TlsFaultKind::kNone;
  char reason[160] = "";

  [[nodiscard]] bool any() const { return kind != TlsFaultKind::kNone; }
};

/** A fault with OpenSSL's reason for it; empties the thread's error queue. */
[[nodiscard]] TlsFault MakeTlsFault(TlsFaultKind kind, const char* text);

/**
 * Adds a certificate (first in `chain`, then those that lead to the root, in order) and its key.
 * One per kind of key: RSA and ECDSA may stand side by side.
 * @param passphrase of an encrypted key; empty: none
 */
[[nodiscard]] TlsFault UseIdentity(SSL_CTX* context, TlsBytes chain, TlsBytes key,
                                   TlsBytes passphrase);

/** Adds every certificate of `pem` as an authority for client certificates. At least one. */
[[nodiscard]] TlsFault AddAuthorities(X509_STORE* store, STACK_OF(X509_NAME) * names, TlsBytes pem);

}  // namespace sluice
