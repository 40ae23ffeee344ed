// A listening socket and the policy for accept(2): which errno means "again", "later", "rest" and
// "give up". Running out of descriptors must not end the process nor spin it.
#pragma once

#include <cstdint>

#include "address_blocks.h"
#include "listen_ops.h"
#include "secure_link.h"
#include "unique_fd.h"

namespace sluice {

enum class AcceptAction {
  kRetry,  // The connection died in the queue: take the next one.
  kYield,  // The queue is empty.
  kPause,  // Out of descriptors or memory: rest for kAcceptPauseMs, clients wait in the backlog.
  kFail,   // This socket will never accept again.
};

/** @param error negative errno of accept4(2) */
[[nodiscard]] AcceptAction ClassifyAcceptError(int error);

struct Listener {
  UniqueFd fd;
  /** What a Unix socket left in the file system. */
  SocketFile file;
  /** EPOLLIN, and EPOLLEXCLUSIVE for a descriptor that siblings poll, too. */
  uint32_t events = 0;
  uint32_t generation = 0;
  /** Moment at which accepting starts again; 0 while it is not paused. */
  uint64_t resume_at_ms = 0;
  /** Every connection begins with a PROXY header; from others than `proxies` none is taken. */
  bool proxy_required = false;
  AddressBlocks proxies;
  AddressGate gate;
  /** Of a listener whose connections are encrypted. */
  ListenerSecurity security;
};

}  // namespace sluice
