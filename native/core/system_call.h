// The system calls of every message without glibc's wrappers. In a process with threads, and Node
// has some, recv(2) and send(2) are cancellation points: glibc puts two atomic exchanges around
// each, 3 % of an echo, for a pthread_cancel that never comes. Whoever stands in front of libc by
// purpose (LD_PRELOAD, a sanitizer, the linker's --wrap in our tests) still gets every call.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace sluice {

/** True when the calls below go straight to the kernel; decided once, when the addon is loaded. */
[[nodiscard]] bool CallsKernelDirectly();

/** recv(2). @returns bytes, 0 at the end, or a negative errno. `errno` is undefined after it. */
[[nodiscard]] int64_t CallReceive(int fd, void* into, size_t capacity, int flags);

/** send(2). @returns bytes, or a negative errno. `errno` is undefined after it. */
[[nodiscard]] int64_t CallSend(int fd, const void* from, size_t length, int flags);

/** sendmsg(2). @returns bytes, or a negative errno. `errno` is undefined after it. */
[[nodiscard]] int64_t CallSendMessage(int fd, const msghdr& message, int flags);

}  // namespace sluice
