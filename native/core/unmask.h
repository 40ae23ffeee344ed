// The mask of RFC 6455 5.3, in place and eight bytes at a time. Knows nothing of frames.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

/**
 * XORs `bytes` with the mask.
 * @param mask the four mask bytes in wire order, read as a little-endian integer
 * @returns true if every resulting byte is below 0x80
 */
bool Unmask(uint8_t* bytes, size_t length, uint32_t mask);

}  // namespace sluice
