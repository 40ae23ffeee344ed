// Reading a regular file from the event loop's thread without ever waiting for a disk.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

/**
 * Copies what the page cache has of [position, position + length): preadv2(2) with RWF_NOWAIT.
 * @returns bytes, fewer when only a part is there, 0 at the end of the file; or a negative errno:
 *   -EAGAIN when the first byte would have to come from the disk, -EOPNOTSUPP when the file system
 *   cannot tell
 */
[[nodiscard]] int64_t ReadCached(int fd, uint8_t* into, size_t length, uint64_t position);

}  // namespace sluice
