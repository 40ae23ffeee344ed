// See poller.h.
#include "poller.h"

#include <cerrno>

namespace sluice {

int Poller::Open() {
  fd_.Reset(::epoll_create1(EPOLL_CLOEXEC));
  return fd_.valid() ? 0 : -errno;
}

int Poller::Add(int fd, uint32_t events, uint64_t token) {
  return Control(EPOLL_CTL_ADD, fd, events, token);
}

int Poller::Modify(int fd, uint32_t events, uint64_t token) {
  return Control(EPOLL_CTL_MOD, fd, events, token);
}

void Poller::Remove(int fd) {
  // It can fail only if the descriptor was not registered, and then there is nothing to undo.
  (void)Control(EPOLL_CTL_DEL, fd, 0, 0);
}

int Poller::Control(int operation, int fd, uint32_t events, uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  return ::epoll_ctl(fd_.get(), operation, fd, &event) == 0 ? 0 : -errno;
}

int Poller::Wait(epoll_event* events, int events_max) {
  while (true) {
    const int count = ::epoll_wait(fd_.get(), events, events_max, 0);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace sluice
