// How one connection ends, and what epoll is asked for meanwhile. See event_loop.h.
//
//   open --end()--> FIN after the queue; reading goes on; closed when the peer's FIN is there, too
//   open --close()--> queue, FIN, input discarded (bounded) until the peer's FIN --> closed
//                     '--> closed by a reset when the peer does not take enough of the queue
//   open --reset(), error--> closed
//   closed --Collect--> `close` record --Delivered--> slot free
#include <algorithm>
#include <cerrno>

#include "event_loop.h"
#include "socket_ops.h"

namespace sluice {

/** What the peer's side has, of what the kernel has taken from us. */
uint64_t EventLoop::TakenBytes(const Connection& connection) {
  if (!connection.fd.valid()) return 0;
  // What the kernel takes is no measure: it tells of room when a third of its buffer is free, which
  // on a slow line is minutes apart.
  const uint64_t waiting = NotTakenBytes(connection.fd.get());
  return connection.sent_bytes - std::min(connection.sent_bytes, waiting);
}

/** Whether the peer of a closing connection has taken enough of the queue since the last look. */
bool EventLoop::TakesItsRest(Connection* connection) {
  const uint64_t before = connection->taken_at_look;
  connection->taken_at_look = TakenBytes(*connection);
  return before != kNeverLooked && connection->taken_at_look >= before + kCloseProgressBytes;
}

void EventLoop::AfterSend(Connection* connection) {
  if (connection->closed) return;
  const uint32_t owed = connection->queue.size();
  SetPending(connection, owed);
  if (owed >= connection->high_water) connection->was_high = true;
  if (connection->was_high && owed < connection->low_water) {
    connection->was_high = false;
    connection->drain_due = true;
    Defer(connection);
  }
  if (connection->drop_requested) {
    if (connection->secure != nullptr && owed == 0) (void)SayGoodbye(connection);
    CloseNow(connection, 0, false);
    return;
  }
  if (owed == 0 && connection->broken == 0) {
    FinishWriting(connection);
  } else if (connection->close_requested && connection->taken_at_look == kNeverLooked) {
    (void)TakesItsRest(connection);
  }
  if (!connection->closed) UpdateInterest(connection);
}

/** Tells JavaScript what a connection owes, and keeps the sums. */
void EventLoop::SetPending(Connection* connection, uint32_t owed) {
  memory_.pending[connection->slot] = static_cast<int32_t>(owed);
  const uint32_t before = connection->accounted_bytes;
  if (owed == before) return;
  connection->accounted_bytes = owed;
  queued_bytes_ = queued_bytes_ - before + owed;
  SetWideHeader(memory_.header, kHeaderQueuedBytes, queued_bytes_);
  if (queued_bytes_ > queued_bytes_max_) {
    queued_bytes_max_ = queued_bytes_;
    SetWideHeader(memory_.header, kHeaderQueuedBytesMax, queued_bytes_max_);
  }
  if (before == 0) memory_.header[kHeaderQueuedConnections]++;
  if (owed == 0) memory_.header[kHeaderQueuedConnections]--;
}

void EventLoop::FinishWriting(Connection* connection) {
  if (!connection->end_requested && !connection->close_requested) return;
  if (!connection->fin_sent) {
    if (connection->secure != nullptr && !SayGoodbye(connection)) return;
    ShutdownWrite(connection->fd.get());
    connection->fin_sent = true;
    if (connection->close_requested) wheel_.Set(connection->slot, NowMs() + kLingerMs);
  }
  if (connection->read_ended) CloseNow(connection, 0, false);
}

void EventLoop::Break(Connection* connection, int error) {
  connection->broken = error;
  connection->unsent_bytes = static_cast<uint32_t>(memory_.pending[connection->slot]);
  connection->queue.Clear();
  SetPending(connection, 0);
  Defer(connection);
}

void EventLoop::CloseNow(Connection* connection, int error, bool reset) {
  if (connection->closed) return;
  if (reset) ResetOnClose(connection->fd.get());
  if (connection->secure != nullptr) EndSecure(connection);
  if (!connection->detached) poller_.Remove(connection->fd.get());
  if (connection->adopted) ForgetAdopted(connection);
  connection->fd.Reset();
  connection->queue.Clear();
  wheel_.Cancel(connection->slot);
  connection->unsent_bytes += static_cast<uint32_t>(memory_.pending[connection->slot]);
  SetPending(connection, 0);
  connection->closed = true;
  connection->close_error = error;
  Defer(connection);
}

void EventLoop::Defer(Connection* connection) {
  if (connection->deferred) return;
  connection->deferred = true;
  deferred_.push_back(MakeToken(connection->slot, connection->generation));
}

uint32_t EventLoop::WantedEvents(const Connection& connection) const {
  const bool holds = connection.paused || connection.has_head;
  const bool reads = !connection.read_ended && (connection.close_requested || !holds);
  return EPOLLET | (reads ? EPOLLIN | EPOLLRDHUP | EPOLLPRI : 0U) |
         (connection.queue.empty() ? 0U : EPOLLOUT);
}

void EventLoop::Rearm(Connection* connection) {
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  const int error = poller_.Modify(connection->fd.get(), connection->armed_events, token);
  if (error != 0) Break(connection, error);
}

void EventLoop::UpdateInterest(Connection* connection) {
  if (connection->detached) return;
  const uint32_t wanted = WantedEvents(*connection);
  if (wanted == connection->armed_events) return;
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  const int error = poller_.Modify(connection->fd.get(), wanted, token);
  connection->armed_events = wanted;
  if (error != 0) Break(connection, error);
}

/**
 * The peer is gone while nobody reads. What it has sent before waits for the reader; without that,
 * an error need not wait.
 */
void EventLoop::HangUpPaused(Connection* connection) {
  uint8_t byte;
  const int64_t count = PeekSome(connection->fd.get(), &byte, sizeof(byte));
  if (count < 0 && count != -EAGAIN) {
    CloseNow(connection, static_cast<int>(count), false);
  } else {
    Detach(connection);
  }
}

void EventLoop::Detach(Connection* connection) {
  if (!connection->queue.empty()) {
    SendQueue(connection);
    if (connection->closed || connection->broken != 0) return;
  }
  poller_.Remove(connection->fd.get());
  connection->detached = true;
}

void EventLoop::Reattach(Connection* connection) {
  const uint32_t wanted = WantedEvents(*connection);
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  const int error = poller_.Add(connection->fd.get(), wanted, token);
  if (error != 0) {
    Break(connection, error);
    return;
  }
  connection->detached = false;
  connection->armed_events = wanted;
}

void EventLoop::SetPaused(Connection* connection, bool paused) {
  if (connection->paused == paused || connection->broken != 0) return;
  connection->paused = paused;
  if (connection->has_head) {
    // The head comes first; what it brings about then looks at the socket.
    if (!paused) Defer(connection);
    return;
  }
  if (!paused && connection->detached) {
    Reattach(connection);
  } else {
    UpdateInterest(connection);
  }
}

}  // namespace sluice
