// See unmask.h. The loops are written so that the compiler turns them into vector code.
#include "unmask.h"

#include <cstring>

namespace sluice {

bool Unmask(uint8_t* bytes, size_t length, uint32_t mask) {
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
  return (seen & 0x8080808080808080ULL) == 0;
}

}  // namespace sluice
