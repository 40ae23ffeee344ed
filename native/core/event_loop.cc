// The receiving half of the tick; see event_loop.h.
#include "event_loop.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "live_objects.h"
#include "socket_ops.h"

namespace sluice {

namespace {
/**
 * Whether a read that returned `count` bytes may have left something: it was full, or when `events`
 * were taken the end, an error, or an urgent byte (a read stops there) stood behind the data.
 * Whatever comes later is an edge of its own.
 */
constexpr bool MoreToRead(int64_t count, uint32_t events) {
  return count == kReadBytesPerConnectionMax ||
         (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
}
}  // namespace

EventLoop::EventLoop(const SharedMemory& memory, bool poison)
    : memory_(memory), poison_(poison), slots_(memory.slots_max), wheel_(NowMs()) {
  const auto address = reinterpret_cast<uintptr_t>(memory.receive_slab);
  receive_origin_ = static_cast<uint32_t>(-address & (kReceiveAlignment - 1));
  ++TheLiveObjects().loops;
}

EventLoop::~EventLoop() {
  Close();
  --TheLiveObjects().loops;
}

int EventLoop::Open() {
  return poller_.Open();
}

void EventLoop::Close() {
  for (uint32_t i = 0; i < kListenersMax; ++i) CloseListener(i);
  for (uint32_t slot = 0; slot < memory_.slots_max && slots_.live_count() > 0; ++slot) {
    Connection* connection = slots_.Live(slot);
    if (connection == nullptr) continue;
    if (connection->fd.valid()) poller_.Remove(connection->fd.get());
    slots_.Release(connection);
  }
  poller_.Close();
}

uint64_t EventLoop::NowMs() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

void EventLoop::Wait() {
  // An edge that is not collected yet would never be reported again.
  if (ready_next_ == ready_count_) {
    const int count = poller_.Wait(ready_.data(), kEventsPerWaitMax);
    ready_next_ = 0;
    ready_count_ = count > 0 ? static_cast<uint32_t>(count) : 0;
  }
  handshakes_left_ = kHandshakesPerTickMax;
  const uint64_t now = NowMs();
  expired_.clear();
  expired_next_ = 0;
  wheel_.Advance(now, &expired_);
  if (listeners_paused_ > 0) ResumeListeners(now);
}

uint64_t EventLoop::NextDeadlineMs() const {
  uint64_t next = wheel_.earliest_ms();
  if (listeners_paused_ == 0) return next;
  for (const Listener& listener : listeners_) {
    if (listener.resume_at_ms != 0) next = std::min(next, listener.resume_at_ms);
  }
  return next;
}

bool EventLoop::BatchHasRoom() const {
  return record_count_ < kEventsPerBatchMax &&
         memory_.receive_bytes - receive_cursor_ >= kReadBytesPerConnectionMax;
}

uint32_t EventLoop::Collect() {
  record_count_ = 0;
  receive_cursor_ = receive_origin_;
  for (uint32_t i = 0; i < kPrefetchAhead; ++i) PrefetchReady(ready_next_ + i);
  while (BatchHasRoom() && ready_next_ < ready_count_) {
    PrefetchReady(ready_next_ + kPrefetchAhead);
    CollectReady(ready_[ready_next_++]);
  }
  while (BatchHasRoom() && expired_next_ < expired_.size()) {
    CollectExpired(expired_[expired_next_++]);
  }
  if (BatchHasRoom() && !deferred_.empty()) {
    deferred_taken_.swap(deferred_);
    size_t next = 0;
    while (BatchHasRoom() && next < deferred_taken_.size()) {
      Connection* connection = slots_.Resolve(deferred_taken_[next++]);
      if (connection != nullptr) CollectDeferred(connection);
    }
    deferred_.insert(deferred_.end(), deferred_taken_.begin() + static_cast<int64_t>(next),
                     deferred_taken_.end());
    deferred_taken_.clear();
  }
  memory_.header[kHeaderReceiveCount] = static_cast<int32_t>(record_count_);
  return record_count_;
}

void EventLoop::Delivered() {
  if (poison_) std::memset(memory_.receive_slab, kPoisonByte, receive_cursor_);
  memory_.header[kHeaderReceiveCount] = 0;
  for (Connection* connection : delivered_closes_) slots_.Release(connection);
  delivered_closes_.clear();
}

void EventLoop::PushRecord(uint32_t slot, uint32_t generation, EventKind kind, uint32_t start,
                           uint32_t end, int32_t value, int32_t port) {
  int32_t* record = memory_.receive_records + record_count_ * kReceiveStride;
  record[0] = static_cast<int32_t>(slot);
  record[1] = static_cast<int32_t>(generation);
  record[2] = kind;
  record[3] = static_cast<int32_t>(start);
  record[4] = static_cast<int32_t>(end);
  record[5] = value;
  record[6] = port;
  ++record_count_;
}

void EventLoop::PushEvent(const Connection& connection, EventKind kind, int32_t value) {
  PushRecord(connection.slot, connection.generation, kind, 0, 0, value, 0);
}

/** Of thousands of connections hardly one is in the caches when its turn comes. */
void EventLoop::PrefetchReady(uint32_t index) {
  if (index < ready_count_) slots_.Prefetch(TokenSlot(ready_[index].data.u64));
}

void EventLoop::CollectReady(const epoll_event& event) {
  const uint64_t token = event.data.u64;
  const uint32_t slot = TokenSlot(token);
  if (slot >= kSlotsMax) {
    const uint32_t index = slot - kSlotsMax;
    if (listeners_[index].fd.valid() && listeners_[index].generation == TokenGeneration(token)) {
      Accept(index);
    }
    return;
  }
  Connection* connection = slots_.Resolve(token);
  if (connection == nullptr || connection->closed || connection->detached) return;
  if ((event.events & EPOLLOUT) != 0) SendQueue(connection);
  if (connection->closed || connection->broken != 0) return;
  if ((event.events & EPOLLOUT) != 0 && !connection->queue.empty()) Rearm(connection);
  const bool hung_up = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
  if (!hung_up && (event.events & EPOLLIN) == 0) return;
  if (connection->read_ended) {
    if (!hung_up) return;
    const int error = SocketError(connection->fd.get());
    CloseNow(connection, error != 0 ? error : -ECONNRESET, false);
  } else if (connection->close_requested) {
    Discard(connection, event.events);
  } else if (connection->paused || connection->has_head) {
    if (hung_up) HangUpPaused(connection);
  } else if (connection->unannounced && connection->secure == nullptr) {
    ReadProxyHeader(connection, event.events);
  } else {
    Read(connection, event.events);
  }
}

void EventLoop::CountReceived(Connection* connection, int64_t bytes) {
  connection->received_bytes += static_cast<uint64_t>(bytes);
  received_bytes_ += static_cast<uint64_t>(bytes);
  SetWideHeader(memory_.header, kHeaderReceivedBytes, received_bytes_);
}

bool EventLoop::ReadCounters(uint32_t slot, uint32_t generation) {
  const Connection* connection = slots_.Resolve(slot, generation);
  if (connection == nullptr) return false;
  SetWideHeader(memory_.header, kHeaderOneSentBytes, connection->sent_bytes);
  SetWideHeader(memory_.header, kHeaderOneReceivedBytes, connection->received_bytes);
  SetWideHeader(memory_.header, kHeaderOneTakenBytes, TakenBytes(*connection));
  return true;
}

/** The bytes are in the slab at the cursor. */
void EventLoop::PushData(Connection* connection, uint32_t count) {
  const uint32_t end = receive_cursor_ + count;
  CountReceived(connection, count);
  PushRecord(connection->slot, connection->generation, kEventData, receive_cursor_, end, 0, 0);
  receive_cursor_ =
      std::min(receive_origin_ + AlignReceive(end - receive_origin_), memory_.receive_bytes);
}

void EventLoop::Read(Connection* connection, uint32_t events) {
  if (connection->secure != nullptr) {
    ReadSecure(connection, events);
    return;
  }
  const int64_t count = ReceiveSome(connection->fd.get(), memory_.receive_slab + receive_cursor_,
                                    kReadBytesPerConnectionMax);
  if (count > 0) {
    PushData(connection, static_cast<uint32_t>(count));
    if (MoreToRead(count, events)) Rearm(connection);
  } else if (count == 0) {
    EndReading(connection);
  } else if (count == -EAGAIN) {
    RearmForEnd(connection, events);
  } else {
    CloseNow(connection, static_cast<int>(count), false);
  }
}

/** Nothing to read although the end, or an error, was told: no edge would come after that one. */
void EventLoop::RearmForEnd(Connection* connection, uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) Rearm(connection);
}

void EventLoop::EndReading(Connection* connection) {
  connection->read_ended = true;
  PushEvent(*connection, kEventEnd, 0);
  if (connection->fin_sent) {
    CloseNow(connection, 0, false);
  } else {
    UpdateInterest(connection);
  }
}

void EventLoop::Discard(Connection* connection, uint32_t events) {
  const int64_t count = ReceiveSome(connection->fd.get(), memory_.receive_slab + receive_cursor_,
                                    kReadBytesPerConnectionMax);
  if (count > 0) {
    connection->linger_bytes += static_cast<uint32_t>(count);
    if (poison_) {
      std::memset(memory_.receive_slab + receive_cursor_, kPoisonByte, static_cast<size_t>(count));
    }
    if (connection->linger_bytes > kLingerBytesMax) {
      CloseNow(connection, 0, false);
    } else if (MoreToRead(count, events)) {
      Rearm(connection);
    }
  } else if (count == 0) {
    connection->read_ended = true;
    if (connection->fin_sent) {
      CloseNow(connection, 0, false);
    } else {
      UpdateInterest(connection);
    }
  } else if (count == -EAGAIN) {
    RearmForEnd(connection, events);
  } else {
    CloseNow(connection, static_cast<int>(count), false);
  }
}

void EventLoop::CollectExpired(uint32_t slot) {
  Connection* connection = slots_.Live(slot);
  if (connection == nullptr || connection->closed) return;
  // Since it expired, this wake-up has brought something that gave it another deadline.
  if (wheel_.Has(slot)) return;
  if (connection->unannounced && connection->secure != nullptr) {
    ExpireHandshake(connection);
  } else if (connection->unannounced) {
    refusal_counters_.late++;
    CloseNow(connection, -ETIMEDOUT, true);
  } else if (!connection->close_requested) {
    PushEvent(*connection, kEventDeadline, 0);
  } else if (connection->fin_sent) {
    CloseNow(connection, 0, false);
  } else if (TakesItsRest(connection)) {
    wheel_.Set(connection->slot, NowMs() + kCloseFlushMs);
  } else {
    CloseNow(connection, -ETIMEDOUT, true);
  }
}

void EventLoop::CollectDeferred(Connection* connection) {
  connection->deferred = false;
  if (connection->has_head && !connection->paused && !connection->closed) {
    DeliverHead(connection);
    const bool owes_more = connection->has_head || connection->broken != 0 || connection->drain_due;
    if (owes_more) Defer(connection);
    return;
  }
  if (connection->broken != 0 && !connection->closed) {
    const bool reads =
        !connection->paused && !connection->read_ended && !connection->close_requested;
    if (reads) Read(connection, 0);
    if (!connection->closed) CloseNow(connection, connection->broken, false);
    return;
  }
  if (connection->closed && connection->unannounced) {
    slots_.Release(connection);
  } else if (connection->closed) {
    PushRecord(connection->slot, connection->generation, kEventClose, 0, 0, connection->close_error,
               static_cast<int32_t>(connection->unsent_bytes));
    delivered_closes_.push_back(connection);
  } else if (connection->drain_due) {
    connection->drain_due = false;
    // More may have been written since the flush that drained it.
    if (connection->queue.size() < connection->low_water) {
      PushEvent(*connection, kEventDrain, 0);
    } else {
      connection->was_high = true;
    }
  }
}

}  // namespace sluice
