// See utf8.h.
#include "utf8.h"

#include <cstring>

namespace sluice {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080ULL;

/** @returns how many bytes from the start on are ASCII, in steps of eight */
size_t AsciiWords(const uint8_t* bytes, size_t length) {
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + i, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  return i;
}

}  // namespace

bool Utf8Stream::Push(const uint8_t* bytes, size_t length) {
  size_t i = 0;
  while (i < length) {
    if (missing_ == 0) i += AsciiWords(bytes + i, length - i);
    // The word that stopped the look is taken byte by byte, and so is a text that is not ASCII.
    for (const size_t end = i + 8 < length ? i + 8 : length; i < end; ++i) {
      if (!Step(bytes[i])) return false;
    }
  }
  return true;
}

bool Utf8Stream::Step(uint8_t byte) {
  if (missing_ == 0) return byte < 0x80 || Begin(byte);
  if (byte < low_ || byte > high_) return false;
  low_ = 0x80;
  high_ = 0xbf;
  --missing_;
  return true;
}

bool Utf8Stream::Begin(uint8_t byte) {
  is_ascii_ = false;
  if (byte < 0xc2 || byte > 0xf4) return false;
  missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  if (byte == 0xe0) low_ = 0xa0;
  if (byte == 0xed) high_ = 0x9f;
  if (byte == 0xf0) low_ = 0x90;
  if (byte == 0xf4) high_ = 0x8f;
  return true;
}

}  // namespace sluice
