// See sha256.h.
#include "sha256.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace sluice {

namespace {

alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t LoadBigEndian(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return __builtin_bswap32(value);
}

void StoreBigEndian(uint8_t* into, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(into, &value, sizeof(value));
}

void ExpandBlock(const uint8_t* block, uint32_t (&words)[64]) {
  for (int i = 0; i < 16; ++i) words[i] = LoadBigEndian(block + i * 4);
  for (int i = 16; i < 64; ++i) {
    const uint32_t a = words[i - 15];
    const uint32_t b = words[i - 2];
    const uint32_t s0 = std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3);
    const uint32_t s1 = std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10);
    words[i] = words[i - 16] + s0 + words[i - 7] + s1;
  }
}

#if defined(__x86_64__)

bool ProcessorHasSha() {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & (1U << 29)) == 0) return false;
  return __builtin_cpu_supports("sse4.1") != 0 && __builtin_cpu_supports("ssse3") != 0;
}

/** Two vectors in the order of the SHA instructions: ABEF and CDGH. */
struct ShaVectors {
  __m128i abef;
  __m128i cdgh;
};

__attribute__((target("sha,sse4.1,ssse3"))) ShaVectors PackState(const Sha256State& state) {
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data()));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.data() + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

__attribute__((target("sha,sse4.1,ssse3"))) void UnpackState(const ShaVectors& vectors,
                                                             Sha256State* state) {
  const __m128i feba = _mm_shuffle_epi32(vectors.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(vectors.cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state->data()), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state->data() + 4), _mm_alignr_epi8(dchg, feba, 8));
}

__attribute__((target("sha,sse4.1,ssse3"))) void BlocksWithSha(Sha256State* state,
                                                               const uint8_t* bytes,
                                                               size_t block_count) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  ShaVectors now = PackState(*state);
  for (; block_count > 0; --block_count, bytes += kSha256BlockBytes) {
    const ShaVectors before = now;
    __m128i words[4];
    for (int i = 0; i < 4; ++i) {
      const auto* from = reinterpret_cast<const __m128i*>(bytes + i * 16);
      words[i] = _mm_shuffle_epi8(_mm_loadu_si128(from), swap);
    }
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      __m128i& current = words[group % 4];
      if (group >= 4) {
        // w[i-16] + s0(w[i-15]) + w[i-7] + s1(w[i-2]) for four words at once.
        const __m128i last = words[(group + 3) % 4];
        const __m128i seven_back = _mm_alignr_epi8(last, words[(group + 2) % 4], 4);
        current = _mm_sha256msg1_epu32(current, words[(group + 1) % 4]);
        current = _mm_sha256msg2_epu32(_mm_add_epi32(current, seven_back), last);
      }
      const auto* constants = reinterpret_cast<const __m128i*>(kRound + group * 4);
      __m128i input = _mm_add_epi32(current, _mm_load_si128(constants));
      now.cdgh = _mm_sha256rnds2_epu32(now.cdgh, now.abef, input);
      input = _mm_shuffle_epi32(input, 0x0e);
      now.abef = _mm_sha256rnds2_epu32(now.abef, now.cdgh, input);
    }
    now.abef = _mm_add_epi32(now.abef, before.abef);
    now.cdgh = _mm_add_epi32(now.cdgh, before.cdgh);
  }
  UnpackState(now, state);
}

#endif

}  // namespace

Sha256State Sha256Start() {
  return {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
}

void Sha256BlocksPortable(Sha256State* state, const uint8_t* blocks, size_t block_count) {
  for (size_t n = 0; n < block_count; ++n) {
    uint32_t words[64];
    ExpandBlock(blocks + n * kSha256BlockBytes, words);
    auto [a, b, c, d, e, f, g, h] = *state;
    for (int i = 0; i < 64; ++i) {
      const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + words[i];
      const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    const Sha256State added = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < added.size(); ++i) (*state)[i] += added[i];
  }
}

bool Sha256IsAccelerated() {
#if defined(__x86_64__)
  static const bool accelerated = ProcessorHasSha();
  return accelerated;
#else
  return false;
#endif
}

void Sha256Blocks(Sha256State* state, const uint8_t* blocks, size_t block_count) {
#if defined(__x86_64__)
  if (Sha256IsAccelerated()) {
    BlocksWithSha(state, blocks, block_count);
    return;
  }
#endif
  Sha256BlocksPortable(state, blocks, block_count);
}

Sha256Digest Sha256Finish(Sha256State state, uint64_t absorbed, const uint8_t* bytes,
                          size_t length) {
  const size_t whole = length / kSha256BlockBytes;
  const size_t rest = length % kSha256BlockBytes;
  Sha256Blocks(&state, bytes, whole);
  uint8_t tail[2 * kSha256BlockBytes] = {};
  if (rest > 0) std::memcpy(tail, bytes + whole * kSha256BlockBytes, rest);
  tail[rest] = 0x80;
  const size_t tail_blocks = rest + 9 > kSha256BlockBytes ? 2 : 1;
  const uint64_t bits = (absorbed + length) * 8;
  uint8_t* end = tail + tail_blocks * kSha256BlockBytes;
  StoreBigEndian(end - 8, static_cast<uint32_t>(bits >> 32));
  StoreBigEndian(end - 4, static_cast<uint32_t>(bits));
  Sha256Blocks(&state, tail, tail_blocks);
  Sha256Digest digest;
  for (size_t i = 0; i < state.size(); ++i) StoreBigEndian(digest.data() + i * 4, state[i]);
  return digest;
}

HmacKey::HmacKey(const uint8_t* secret, size_t length)
    : inner_(Sha256Start()), outer_(Sha256Start()) {
  uint8_t key[kSha256BlockBytes] = {};
  if (length > kSha256BlockBytes) {
    const Sha256Digest digest = Sha256Finish(Sha256Start(), 0, secret, length);
    std::memcpy(key, digest.data(), digest.size());
  } else if (length > 0) {
    std::memcpy(key, secret, length);
  }
  uint8_t pad[kSha256BlockBytes];
  for (size_t i = 0; i < sizeof(pad); ++i) pad[i] = key[i] ^ 0x36;
  Sha256Blocks(&inner_, pad, 1);
  for (size_t i = 0; i < sizeof(pad); ++i) pad[i] = key[i] ^ 0x5c;
  Sha256Blocks(&outer_, pad, 1);
}

Sha256Digest HmacKey::Sign(const uint8_t* bytes, size_t length) const {
  const Sha256Digest inner = Sha256Finish(inner_, kSha256BlockBytes, bytes, length);
  return Sha256Finish(outer_, kSha256BlockBytes, inner.data(), inner.size());
}

namespace {
/** 0..15, or -1. The claimed signature is no secret, so this may branch on it. */
int HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}
}  // namespace

bool HmacKey::Verify(const uint8_t* bytes, size_t length, const char* hex,
                     size_t hex_length) const {
  if (hex_length != 2 * kSha256Bytes) return false;
  const Sha256Digest digest = Sign(bytes, length);
  uint32_t difference = 0;
  for (size_t i = 0; i < kSha256Bytes; ++i) {
    const int high = HexDigit(hex[2 * i]);
    const int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    difference |= digest[i] ^ static_cast<uint32_t>((high << 4) | low);
  }
  return difference == 0;
}

}  // namespace sluice
