// See file_read.h. By syscall(2), since older C libraries have no preadv2.
#include "file_read.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif

namespace sluice {

int64_t ReadCached(int fd, uint8_t* into, size_t length, uint64_t position) {
  const iovec piece{into, length};
  // The kernel takes the position in two halves of a word; a word of 64 bits has it all in the
  // first.
  constexpr int kHalfBits = 32;
  const auto low = static_cast<unsigned long>(position);
  const auto high =
      sizeof(low) == sizeof(position) ? 0UL : static_cast<unsigned long>(position >> kHalfBits);
  while (true) {
    const long count = ::syscall(SYS_preadv2, fd, &piece, 1UL, low, high, RWF_NOWAIT);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace sluice
