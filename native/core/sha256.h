// SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104) over whole messages. The pads of a secret are
// absorbed once, so that a verification costs the blocks of the message plus one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr size_t kSha256Bytes = 32;
inline constexpr size_t kSha256BlockBytes = 64;

using Sha256State = std::array<uint32_t, 8>;
using Sha256Digest = std::array<uint8_t, kSha256Bytes>;

/** The state before the first block. */
[[nodiscard]] Sha256State Sha256Start();

/** Absorbs whole blocks. Uses the processor's SHA instructions where they exist. */
void Sha256Blocks(Sha256State* state, const uint8_t* blocks, size_t block_count);
/** The same without special instructions; for comparison in tests. */
void Sha256BlocksPortable(Sha256State* state, const uint8_t* blocks, size_t block_count);
/** True when Sha256Blocks uses special instructions on this machine. */
[[nodiscard]] bool Sha256IsAccelerated();

/**
 * Absorbs the rest of a message and the padding.
 * @param absorbed bytes that `state` has seen before, a multiple of kSha256BlockBytes
 */
[[nodiscard]] Sha256Digest Sha256Finish(Sha256State state, uint64_t absorbed, const uint8_t* bytes,
                                        size_t length);

/** A secret's two pads. Copyable, holds no pointer. */
class HmacKey {
 public:
  /** @param secret any length, also 0 */
  HmacKey(const uint8_t* secret, size_t length);

  [[nodiscard]] Sha256Digest Sign(const uint8_t* bytes, size_t length) const;
  /**
   * Compares in constant time.
   * @param hex 64 hexadecimal digits of either case; anything else is false
   */
  [[nodiscard]] bool Verify(const uint8_t* bytes, size_t length, const char* hex,
                            size_t hex_length) const;

 private:
  Sha256State inner_;
  Sha256State outer_;
};

}  // namespace sluice
