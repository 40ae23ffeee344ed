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

/** What the call is to get, from its queue of plans or as the call of that number. */
Planned PlanFor(Call call, std::deque<Planned>* plans) {
  FakeKernel& kernel = TheKernel();
  Planned plan;
  if (plans != nullptr && !plans->empty()) {
    plan = plans->front();
    plans->pop_front();
  }
  if (kernel.notes) {
    if (kernel.calls.size() == kernel.fault_at) plan = kernel.fault;
    kernel.calls.push_back(call);
  }
  return plan;
}

/** @returns true if the call is to fail with errno set */
bool Fails(Call call, std::deque<Planned>* plans, size_t* bytes_max) {
  const Planned plan = PlanFor(call, plans);
  *bytes_max = plan.bytes_max;
  if (plan.error == 0) return false;
  errno = plan.error;
  return true;
}

bool Fails(Call call) {
  size_t bytes_max = 0;
  return Fails(call, nullptr, &bytes_max);
}

}  // namespace
}  // namespace sluice::test

using sluice::test::Call;
using sluice::test::TheKernel;

extern "C" {

int __real_accept4(int fd, sockaddr* address, socklen_t* length, int flags);
ssize_t __real_recv(int fd, void* into, size_t length, int flags);
ssize_t __real_send(int fd, const void* from, size_t length, int flags);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
int __real_epoll_ctl(int fd, int operation, int target, epoll_event* event);
int __real_shutdown(int fd, int how);
int __real_getsockopt(int fd, int level, int name, void* value, socklen_t* length);
int __real_close(int fd);
int __real_clock_gettime(clockid_t clock, timespec* now);
int __real_epoll_wait(int fd, epoll_event* events, int count, int timeout);

int __wrap_accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  size_t bytes_max = 0;
  TheKernel().accept_calls++;
  if (sluice::test::Fails(Call::kAccept, &TheKernel().accept4, &bytes_max)) return -1;
  return __real_accept4(fd, address, length, flags);
}

ssize_t __wrap_recv(int fd, void* into, size_t length, int flags) {
  size_t bytes_max = SIZE_MAX;
  if (sluice::test::Fails(Call::kRecv, &TheKernel().recv, &bytes_max)) return -1;
  return __real_recv(fd, into, std::min(length, bytes_max), flags);
}

ssize_t __wrap_send(int fd, const void* from, size_t length, int flags) {
  size_t bytes_max = SIZE_MAX;
  TheKernel().send_calls++;
  if (sluice::test::Fails(Call::kSend, &TheKernel().send, &bytes_max)) return -1;
  return __real_send(fd, from, std::min(length, bytes_max), flags);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  size_t bytes_max = SIZE_MAX;
  TheKernel().send_calls++;
  if (sluice::test::Fails(Call::kSend, &TheKernel().send, &bytes_max)) return -1;
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
  if (sluice::test::Fails(Call::kWait, &TheKernel().epoll_wait, &bytes_max)) return -1;
  return __real_epoll_wait(fd, events, count, timeout);
}

int __wrap_epoll_ctl(int fd, int operation, int target, epoll_event* event) {
  if (sluice::test::Fails(Call::kControl)) return -1;
  return __real_epoll_ctl(fd, operation, target, event);
}

int __wrap_shutdown(int fd, int how) {
  if (sluice::test::Fails(Call::kShutdown)) return -1;
  return __real_shutdown(fd, how);
}

int __wrap_getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  if (sluice::test::Fails(Call::kGetOption)) return -1;
  return __real_getsockopt(fd, level, name, value, length);
}

/** On Linux the descriptor is gone, whatever close(2) says. */
int __wrap_close(int fd) {
  const bool fails = sluice::test::Fails(Call::kClose);
  const int error = errno;
  const int result = __real_close(fd);
  if (!fails) return result;
  errno = error;
  return -1;
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
