// What the engine keeps per connection. Plain state: the rules that change it are in event_loop.h.
#pragma once

#include <cstdint>
#include <memory>

#include "limits.h"
#include "secure_link.h"
#include "unique_fd.h"
#include "write_queue.h"

namespace sluice {

inline constexpr uint64_t kNeverLooked = UINT64_MAX;

struct Connection {
  UniqueFd fd;
  WriteQueue queue;
  /** Of an encrypted connection, else nullptr. */
  std::unique_ptr<SecureLink> secure;
  uint32_t slot = 0;
  /** Never 0 for a slot that was ever used. */
  uint32_t generation = 0;
  /** What epoll was told last. */
  uint32_t armed_events = 0;
  /** The chain of this flush, indexes into EventLoop::chain_. */
  uint32_t chain_first = UINT32_MAX;
  uint32_t chain_last = UINT32_MAX;
  uint32_t chain_bytes = 0;
  uint32_t linger_bytes = 0;
  uint32_t high_water = kHighWaterBytes;
  uint32_t low_water = kLowWaterBytes;
  /** What of this connection is in the sum of all write queues. */
  uint32_t accounted_bytes = 0;
  /** Accepted and never taken by the kernel, told with `close`. */
  uint32_t unsent_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  /** What the peer had taken when the queue of a closing connection was last looked at. */
  uint64_t taken_at_look = kNeverLooked;
  /** Errno of a failed send; what was received before it is still delivered, then `close`. */
  int32_t broken = 0;
  int32_t close_error = 0;

  /** Index of the listener that accepted it. */
  uint8_t listener = 0;
  bool in_use : 1 = false;
  bool touched : 1 = false;
  bool deferred : 1 = false;
  bool closed : 1 = false;
  bool paused : 1 = false;
  /** Taken out of epoll, since EPOLLHUP cannot be masked while paused. */
  bool detached : 1 = false;
  /** Reading waits until EventLoop::heads_ has been delivered. */
  bool has_head : 1 = false;
  bool adopted : 1 = false;
  bool read_ended : 1 = false;
  bool end_requested : 1 = false;
  bool close_requested : 1 = false;
  bool reset_requested : 1 = false;
  bool drop_requested : 1 = false;
  bool fin_sent : 1 = false;
  bool was_high : 1 = false;
  bool drain_due : 1 = false;
  /** Its PROXY header or its handshake is awaited: JavaScript does not know of it yet. */
  bool unannounced : 1 = false;
};

}  // namespace sluice
