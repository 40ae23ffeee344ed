// The mask of RFC 6455 5.3, in place. Knows nothing of frames.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

/**
 * XORs `bytes` with the mask, by the widest path that this processor has.
 * @param mask the four mask bytes in wire order, read as a little-endian integer
 * @returns true if every resulting byte is below 0x80
 */
bool Unmask(uint8_t* bytes, size_t length, uint32_t mask);

/** Eight bytes at a time; 16 (SSE2 on x86-64, NEON on aarch64); 32 (AVX2). */
enum class UnmaskPath { kWords, kVector16, kVector32 };

/** What Unmask uses for long payloads; decided once, when the addon is loaded. */
[[nodiscard]] UnmaskPath WidestUnmaskPath();

/** The same by a given path, not wider than the widest: for tests and measurements. */
bool UnmaskBy(UnmaskPath path, uint8_t* bytes, size_t length, uint32_t mask);

}  // namespace sluice
