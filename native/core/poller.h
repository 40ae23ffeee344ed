// One epoll instance: add, modify, remove, wait. No policy. Tokens, not pointers, go into the
// kernel, so that an event of a dead connection is recognised by its generation.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "unique_fd.h"

namespace sluice {

class Poller {
 public:
  /** @returns 0, or a negative errno (EMFILE, ENFILE, ENOMEM). */
  [[nodiscard]] int Open();
  void Close() { fd_.Reset(); }

  /** The epoll descriptor; readable while a registered descriptor is ready. Borrowed. */
  [[nodiscard]] int fd() const { return fd_.get(); }

  /** Level-triggered. @param events EPOLLIN, EPOLLOUT or 0; EPOLLHUP and EPOLLERR always come. */
  [[nodiscard]] int Add(int fd, uint32_t events, uint64_t token);
  [[nodiscard]] int Modify(int fd, uint32_t events, uint64_t token);
  /** To be called before close(2), always: a duplicate of the descriptor elsewhere keeps it armed.
   */
  void Remove(int fd);

  /** Never blocks. @returns the number of events written, or a negative errno. */
  [[nodiscard]] int Wait(epoll_event* events, int events_max);

 private:
  [[nodiscard]] int Control(int operation, int fd, uint32_t events, uint64_t token);

  UniqueFd fd_;
};

}  // namespace sluice
