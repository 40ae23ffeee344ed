// Encrypted connections of the loop; see event_loop.h and secure_channel.h. Whatever is read in a
// tick is decrypted in it, all of it, straight into the receive slab: the kernel can tell of bytes
// that it has, not of bytes that a channel has, so nothing may stay there. JavaScript hears of a
// connection when its handshake is complete.
//
//   accept -> handshake (budget per tick, bounds per listener and client, deadline)
//                  |-> kEventOpen -> data
//                  '-> fault: alert, FIN, input discarded (bounded) -> gone, counted, never
//                  announced
//   close_notify -> kEventEnd        FIN without it -> kEventClose with -EPROTO: the rest is
//   missing
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "event_loop.h"
#include "socket_ops.h"

namespace sluice {

namespace {
constexpr uint32_t kNone = UINT32_MAX;

/** What stands in front of the plaintext when a connection is announced in the same batch. */
constexpr uint32_t kNameRoomBytes = AlignReceive(sizeof(SocketName::text));
static_assert(kCipherReadBytesMax + kRecordPlainBytesMax + kNameRoomBytes <=
                  kReadBytesPerConnectionMax,
              "a record that began in an earlier read must fit, too");
}  // namespace

int EventLoop::SecureListener(uint32_t index, SecureContext* context, uint32_t handshake_timeout_ms,
                              uint32_t handshakes_max) {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return -EBADF;
  if (secure_ == nullptr) {
    secure_ = std::make_unique<SecureScratch>();
    secure_->cipher.resize(kCipherReadBytesMax);
    secure_->record.reserve(kRecordPlainBytesMax);
  }
  ListenerSecurity& security = listeners_[index].security;
  security.context = SecureContextRef(context);
  security.handshake_timeout_ms = handshake_timeout_ms;
  security.handshakes.Bound(handshakes_max);
  return 0;
}

const SecureChannel* EventLoop::ChannelOf(uint32_t slot, uint32_t generation) {
  const Connection* connection = slots_.Resolve(slot, generation);
  if (connection == nullptr || connection->secure == nullptr) return nullptr;
  return connection->secure->channel.get();
}

// ---- the handshake
// -------------------------------------------------------------------------------

/**
 * Whether there is a place for one more, if need be that of somebody who says nothing: he would
 * keep others out for as long as a handshake may take.
 */
bool EventLoop::HasHandshakeRoom(ListenerSecurity* security) {
  while (security->handshakes.is_full()) {
    Connection* oldest = security->handshakes.OldestSilent();
    if (oldest == nullptr) return false;
    Handshake* handshake = oldest->secure->handshake.get();
    if (NowMs() - handshake->began_ms < kSilentHandshakeMs) return false;
    uint8_t byte;
    if (PeekSome(oldest->fd.get(), &byte, sizeof(byte)) > 0) {
      // Its turn to be read has not come yet; that is not its fault.
      security->handshakes.Hear(handshake);
      continue;
    }
    EndHandshake(oldest, &secure_counts_.crowded);
    CloseNow(oldest, -ETIMEDOUT, true);
  }
  return true;
}

/** Whether the client has a place left in its share, which it gets then. */
bool EventLoop::TakesFrom(const Listener& listener, Handshake* handshake,
                          const sockaddr_storage& client) {
  AddressBytes address;
  // Many clients come through one proxy, and a local peer has no address.
  if (!AddressOf(client, &address) || listener.gate.exempt.Contains(address)) return true;
  handshake->client = ClientKey(address);
  return !listener.security.handshakes.HasShare(*handshake->client);
}

void EventLoop::BeginHandshake(Connection* connection, const sockaddr_storage& client) {
  Listener& listener = listeners_[connection->listener];
  ListenerSecurity& security = listener.security;
  connection->unannounced = true;
  auto handshake = std::make_unique<Handshake>();
  if (!TakesFrom(listener, handshake.get(), client)) {
    secure_counts_.crowded++;
    CloseNow(connection, -EACCES, true);
    return;
  }
  connection->secure = std::make_unique<SecureLink>();
  SecureLink& link = *connection->secure;
  link.channel.reset(security.context.get()->Accept());
  if (link.channel == nullptr) {
    CloseNow(connection, -ENOMEM, true);
    return;
  }
  FormatPeer(client, &handshake->peer);
  handshake->began_ms = NowMs();
  wheel_.Set(connection->slot, handshake->began_ms + security.handshake_timeout_ms);
  security.handshakes.Begin(connection, handshake.get());
  link.handshake = std::move(handshake);
}

/** @param outcome which counter it is one more of; a handshake ends once */
void EventLoop::EndHandshake(Connection* connection, uint64_t* outcome) {
  const std::unique_ptr<Handshake> handshake = std::move(connection->secure->handshake);
  if (handshake == nullptr) return;
  ++*outcome;
  Listener& listener = listeners_[connection->listener];
  const bool was_full = listener.security.handshakes.is_full();
  listener.security.handshakes.End(handshake.get());
  if (!listener.fd.valid() || !was_full || listener.resume_at_ms == 0) return;
  const uint64_t now = NowMs();
  listener.resume_at_ms = now;
  ResumeListeners(now);
}

void EventLoop::CompleteHandshake(Connection* connection) {
  const SocketName peer = connection->secure->handshake->peer;
  EndHandshake(connection, &secure_counts_.completed);
  wheel_.Cancel(connection->slot);
  Announce(connection, peer);
}

/** Ends what was never announced. An alert is on its way, and a reset must not overtake it. */
void EventLoop::Dismiss(Connection* connection) {
  EndSecure(connection);
  connection->close_requested = true;
  wheel_.Set(connection->slot, NowMs() + kLingerMs);
  AfterSend(connection);
}

void EventLoop::EndSecure(Connection* connection) {
  EndHandshake(connection, &secure_counts_.failed);
  connection->secure->channel.reset();
}

// ---- receiving
// -----------------------------------------------------------------------------------

void EventLoop::ReadSecure(Connection* connection, uint32_t events) {
  if (connection->unannounced) {
    Handshake* handshake = connection->secure->handshake.get();
    if (handshake != nullptr) listeners_[connection->listener].security.handshakes.Hear(handshake);
    if (handshakes_left_ == 0) {
      // A handshake costs as much as thousands of messages: the kernel brings us back next tick.
      Rearm(connection);
      return;
    }
    --handshakes_left_;
  }
  uint8_t* cipher = secure_->cipher.data();
  const int64_t count = ReceiveSome(connection->fd.get(), cipher, kCipherReadBytesMax);
  if (count > 0) {
    CountReceived(connection, count);
    TakeCipher(connection, static_cast<uint32_t>(count));
    const bool more = count == kCipherReadBytesMax ||
                      (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
    if (more && !connection->closed && connection->broken == 0) Rearm(connection);
  } else if (count == 0) {
    EndOfCipher(connection);
  } else if (count != -EAGAIN) {
    CloseNow(connection, static_cast<int>(count), false);
  }
}

void EventLoop::TakeCipher(Connection* connection, uint32_t count) {
  SecureLink& link = *connection->secure;
  const uint32_t start = receive_cursor_ + (connection->unannounced ? kNameRoomBytes : 0);
  const uint32_t room = kReadBytesPerConnectionMax - (start - receive_cursor_);
  const SecureRead read = link.channel->Receive(secure_->cipher.data(), count,
                                                memory_.receive_slab + start, room, &secure_->out);
  SendControl(connection);
  if (link.channel == nullptr) return;
  if (connection->unannounced && connection->broken == 0 && link.channel->is_open()) {
    CompleteHandshake(connection);
  }
  if (!connection->unannounced && read.plain_bytes > 0) {
    const uint32_t end = start + read.plain_bytes;
    PushRecord(connection->slot, connection->generation, kEventData, start, end, 0, 0);
    receive_cursor_ =
        std::min(receive_origin_ + AlignReceive(end - receive_origin_), memory_.receive_bytes);
  }
  if (connection->closed || link.channel == nullptr) return;
  if (read.status == SecureStatus::kEnded) {
    EndReading(connection);
  } else if (read.status == SecureStatus::kFailed) {
    FailSecure(connection);
  }
}

void EventLoop::FailSecure(Connection* connection) {
  if (connection->unannounced) {
    Dismiss(connection);
  } else {
    CloseNow(connection, -EPROTO, false);
  }
}

void EventLoop::EndOfCipher(Connection* connection) {
  if (connection->unannounced) {
    CloseNow(connection, -ECONNRESET, false);
  } else if (connection->fin_sent) {
    // We have said goodbye: many peers just leave then.
    EndReading(connection);
  } else {
    // RFC 8446 6.1: anybody on the way could have cut the stream here.
    CloseNow(connection, -EPROTO, false);
  }
}

void EventLoop::ExpireHandshake(Connection* connection) {
  if (connection->close_requested) {
    // It has failed before, and its end took long enough.
    CloseNow(connection, 0, !connection->fin_sent);
    return;
  }
  EndHandshake(connection, &secure_counts_.timed_out);
  CloseNow(connection, -ETIMEDOUT, true);
}

// ---- sending
// -------------------------------------------------------------------------------------

/** What a read brought about: flights, tickets, alerts, answers to key updates. */
void EventLoop::SendControl(Connection* connection) {
  const uint32_t count = secure_->out.size();
  if (count == 0) return;
  SecureLink& link = *connection->secure;
  link.control_bytes = connection->queue.empty() ? 0 : link.control_bytes + count;
  if (link.control_bytes > kControlBytesQueuedMax) {
    secure_->out.Clear();
    Break(connection, -ENOBUFS);
    return;
  }
  SendCipher(connection);
  AfterSend(connection);
}

void EventLoop::SendCipher(Connection* connection) {
  CipherBuffer& out = secure_->out;
  const uint32_t count = out.size();
  uint32_t sent = 0;
  if (count > 0 && connection->broken == 0 && connection->queue.empty()) {
    const iovec piece{out.bytes(), count};
    memory_.header[kHeaderSendCalls]++;
    const int64_t taken = SendSome(connection->fd.get(), &piece, 1);
    if (taken > 0) {
      CountSent(connection, taken);
      sent = static_cast<uint32_t>(taken);
    } else if (taken != -EAGAIN) {
      Break(connection, static_cast<int>(taken));
    }
  }
  if (sent < count && connection->broken == 0) {
    connection->queue.Append(out.bytes() + sent, count - sent);
    if (connection->queue.size() > kPendingBytesMax) Break(connection, -ENOBUFS);
  }
  out.Clear();
}

/** A chain becomes records that are as long as they may be, and one send. */
void EventLoop::SendSecureChain(Connection* connection) {
  SecureChannel* channel = connection->secure->channel.get();
  std::vector<uint8_t>& record = secure_->record;
  record.clear();
  bool goes_on = channel != nullptr;
  for (uint32_t entry = connection->chain_first; goes_on && entry != kNone;) {
    const ChainEntry& piece = chain_[entry];
    entry = piece.next;
    const uint8_t* from = memory_.send_slab + piece.start;
    for (uint32_t left = piece.length; goes_on && left > 0;) {
      const auto room = kRecordPlainBytesMax - static_cast<uint32_t>(record.size());
      const uint32_t count = std::min(left, room);
      const bool alone = record.empty() && (count == kRecordPlainBytesMax || entry == kNone);
      if (alone) {
        goes_on = channel->Encrypt(from, count, &secure_->out);
      } else {
        record.insert(record.end(), from, from + count);
        if (count == room) goes_on = SendRecord(channel);
      }
      from += count;
      left -= count;
      if (secure_->out.size() >= kCipherOutBytes) SendCipher(connection);
      goes_on = goes_on && connection->broken == 0;
    }
  }
  if (goes_on) goes_on = SendRecord(channel);
  SendCipher(connection);
  if (!goes_on && connection->broken == 0) Break(connection, -EPROTO);
}

bool EventLoop::SendRecord(SecureChannel* channel) {
  std::vector<uint8_t>& record = secure_->record;
  const auto count = static_cast<uint32_t>(record.size());
  const bool encrypted = count == 0 || channel->Encrypt(record.data(), count, &secure_->out);
  record.clear();
  return encrypted;
}

/** close_notify, once. @returns whether the kernel has all of it, so that FIN may follow */
bool EventLoop::SayGoodbye(Connection* connection) {
  SecureChannel* channel = connection->secure->channel.get();
  if (channel == nullptr) return true;
  channel->Shutdown(&secure_->out);
  SendCipher(connection);
  if (connection->broken == 0) SetPending(connection, connection->queue.size());
  return connection->queue.empty();
}

}  // namespace sluice
