// See fake_kernel.h.
#include "fake_kernel.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace sluice::test {

FakeKernel& TheKernel() {
  static FakeKernel kernel;
  return kernel;
}

void ResetFakeKernel() {
  TheKernel() = FakeKernel{};
}

namespace {

/** Takes the next plan. @returns true if the call is to fail with errno set */
bool Fails(std::deque<Planned>* plans, size_t* bytes_max) {
  if (plans->empty()) return false;
  const Planned plan = plans->front();
  plans->pop_front();
  *bytes_max = plan.bytes_max;
  if (plan.error == 0) return false;
  errno = plan.error;
  return true;
}

}  // namespace
}  // namespace sluice::test

using sluice::test::TheKernel;

extern "C" {

int __real_accept4(int fd, sockaddr* address, socklen_t* length, int flags);
ssize_t __real_recv(int fd, void* into, size_t length, int flags);
ssize_t __real_send(int fd, const void* from, size_t length, int flags);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
int __real_clock_gettime(clockid_t clock, timespec* now);
int __real_epoll_wait(int fd, epoll_event* events, int count, int timeout);

int __wrap_accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  size_t bytes_max = 0;
  TheKernel().accept_calls++;
  if (sluice::test::Fails(&TheKernel().accept4, &bytes_max)) return -1;
  return __real_accept4(fd, address, length, flags);
}

ssize_t __wrap_recv(int fd, void* into, size_t length, int flags) {
  size_t bytes_max = SIZE_MAX;
  if (sluice::test::Fails(&TheKernel().recv, &bytes_max)) return -1;
  return __real_recv(fd, into, std::min(length, bytes_max), flags);
}

ssize_t __wrap_send(int fd, const void* from, size_t length, int flags) {
  size_t bytes_max = SIZE_MAX;
  TheKernel().send_calls++;
  if (sluice::test::Fails(&TheKernel().send, &bytes_max)) return -1;
  return __real_send(fd, from, std::min(length, bytes_max), flags);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  size_t bytes_max = SIZE_MAX;
  TheKernel().send_calls++;
  if (sluice::test::Fails(&TheKernel().send, &bytes_max)) return -1;
  if (bytes_max == SIZE_MAX) return __real_sendmsg(fd, message, flags);
  // A partial send: the first bytes of all pieces, one after the other.
  ssize_t sent = 0;
  for (size_t i = 0; i < message->msg_iovlen && bytes_max > 0; ++i) {
    const iovec& piece = message->msg_iov[i];
    const size_t length = std::min(piece.iov_len, bytes_max);
    const ssize_t count = __real_send(fd, piece.iov_base, length, flags);
    if (count < 0) return sent > 0 ? sent : count;
    sent += count;
    bytes_max -= static_cast<size_t>(count);
  }
  return sent;
}

int __wrap_epoll_wait(int fd, epoll_event* events, int count, int timeout) {
  size_t bytes_max = 0;
  if (sluice::test::Fails(&TheKernel().epoll_wait, &bytes_max)) return -1;
  return __real_epoll_wait(fd, events, count, timeout);
}

int __wrap_clock_gettime(clockid_t clock, timespec* now) {
  const int result = __real_clock_gettime(clock, now);
  const int64_t offset = TheKernel().clock_offset_ms;
  const int64_t nanoseconds = now->tv_nsec + offset % 1000 * 1000000;
  now->tv_sec += offset / 1000 + nanoseconds / 1000000000;
  now->tv_nsec = nanoseconds % 1000000000;
  return result;
}

}  // extern "C"
