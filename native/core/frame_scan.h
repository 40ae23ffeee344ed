// Finds the simple client frames that a chunk begins with, so that JavaScript need not look at each
// byte. It judges nothing: whatever is not plainly simple is left for the parser, untouched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

/**
 * Unmasks, in place, the whole final text and binary frames with a length of up to 16 bits that
 * `bytes` begins with. The first byte of each one's mask, which is used up, then says what was in
 * it: 0 if every byte of the payload is below 0x80, else 1.
 * @returns bytes from the start to the end of the last such frame, 0 without one
 */
size_t ScanFrames(uint8_t* bytes, size_t length);

}  // namespace sluice
