// See unmask.h. The vectors are the compiler's own (vector_size): the same source is SSE2, AVX2 or
// NEON, and plain words where there are none of them.
#include "unmask.h"

#include <cstring>

namespace sluice {

namespace {

/** Below it the plain loop, which the compiler makes vectors of, too, is done first (measured). */
constexpr size_t kVectorBytesMin = 512;
constexpr size_t kVectorsPerRound = 4;
constexpr uint64_t kHighBits = 0x8080808080808080ULL;

using Vector16 __attribute__((vector_size(16))) = uint64_t;
using Vector32 __attribute__((vector_size(32))) = uint64_t;

#if defined(__x86_64__)
#define SLUICE_WITH_AVX2 __attribute__((target("avx2")))
/** Static initialization: __builtin_cpu_supports may not be asked earlier without cpu_init. */
bool HasVector32() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0;
}
#else
#define SLUICE_WITH_AVX2
bool HasVector32() {
  return false;
}
#endif

const UnmaskPath kWidest = HasVector32() ? UnmaskPath::kVector32 : UnmaskPath::kVector16;

/** @returns all resulting bytes, joined by OR */
uint64_t UnmaskWords(uint8_t* bytes, size_t length, uint32_t mask) {
  const uint64_t wide = (static_cast<uint64_t>(mask) << 32) | mask;
  uint64_t seen = 0;
  size_t i = 0;
  for (; i + 32 <= length; i += 32) {
    uint64_t words[4];
    std::memcpy(words, bytes + i, sizeof(words));
    for (uint64_t& word : words) word ^= wide;
    seen |= words[0] | words[1] | words[2] | words[3];
    std::memcpy(bytes + i, words, sizeof(words));
  }
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof(word));
    word ^= wide;
    seen |= word;
    std::memcpy(bytes + i, &word, sizeof(word));
  }
  for (; i < length; ++i) {
    bytes[i] ^= static_cast<uint8_t>(mask >> (8 * (i % 4)));
    seen |= bytes[i];
  }
  return seen;
}

uint32_t RotateMask(uint32_t mask, size_t position) {
  const size_t bits = position % 4 * 8;
  return bits == 0 ? mask : (mask >> bits) | (mask << (32 - bits));
}

/**
 * Whole rounds of vectors, from an aligned address: a store that crosses a cache line costs double.
 * Always inlined, so that it becomes code of its caller's target.
 */
template <typename Vector>
[[gnu::always_inline]] inline uint64_t UnmaskVectors(uint8_t* bytes, size_t length, uint32_t mask) {
  const auto address = reinterpret_cast<uintptr_t>(bytes);
  const size_t before = static_cast<size_t>(-address & (sizeof(Vector) - 1));
  uint64_t seen = UnmaskWords(bytes, before, mask);
  mask = RotateMask(mask, before);
  Vector wide;
  for (size_t lane = 0; lane < sizeof(Vector) / 8; ++lane) {
    wide[lane] = (static_cast<uint64_t>(mask) << 32) | mask;
  }
  constexpr size_t kRoundBytes = sizeof(Vector) * kVectorsPerRound;
  Vector joined = wide ^ wide;
  size_t i = before;
  for (; i + kRoundBytes <= length; i += kRoundBytes) {
    Vector round[kVectorsPerRound];
    std::memcpy(round, __builtin_assume_aligned(bytes + i, sizeof(Vector)), kRoundBytes);
    for (Vector& each : round) each ^= wide;
    joined |= (round[0] | round[1]) | (round[2] | round[3]);
    std::memcpy(__builtin_assume_aligned(bytes + i, sizeof(Vector)), round, kRoundBytes);
  }
  for (size_t lane = 0; lane < sizeof(Vector) / 8; ++lane) seen |= joined[lane];
  // The rounds are a multiple of four bytes: the mask stands as it did.
  return seen | UnmaskWords(bytes + i, length - i, mask);
}

uint64_t UnmaskVector16(uint8_t* bytes, size_t length, uint32_t mask) {
  return UnmaskVectors<Vector16>(bytes, length, mask);
}

SLUICE_WITH_AVX2 uint64_t UnmaskVector32(uint8_t* bytes, size_t length, uint32_t mask) {
  return UnmaskVectors<Vector32>(bytes, length, mask);
}

uint64_t Joined(UnmaskPath path, uint8_t* bytes, size_t length, uint32_t mask) {
  if (length < kVectorBytesMin || path == UnmaskPath::kWords) {
    return UnmaskWords(bytes, length, mask);
  }
  return path == UnmaskPath::kVector32 ? UnmaskVector32(bytes, length, mask)
                                       : UnmaskVector16(bytes, length, mask);
}

}  // namespace

bool Unmask(uint8_t* bytes, size_t length, uint32_t mask) {
  return (Joined(kWidest, bytes, length, mask) & kHighBits) == 0;
}

UnmaskPath WidestUnmaskPath() {
  return kWidest;
}

bool UnmaskBy(UnmaskPath path, uint8_t* bytes, size_t length, uint32_t mask) {
  return (Joined(path, bytes, length, mask) & kHighBits) == 0;
}

}  // namespace sluice
