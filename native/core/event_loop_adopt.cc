// Sockets that somebody else has connected and read from: they become connections of the loop. What
// was read already comes first, as data; the socket joins epoll at once but is not read before.
// See event_loop.h.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "event_loop.h"
#include "listen_ops.h"
#include "socket_info.h"
#include "socket_ops.h"

namespace sluice {

namespace {

int CheckConnected(int fd) {
  int family = 0;
  const int error = CheckStreamSocket(fd, &family);
  if (error != 0) return error;
  if (IsListening(fd)) return -EINVAL;
  SocketName peer;
  return PeerNameOf(fd, &peer);
}

}  // namespace

int EventLoop::Adopt(const Adoption& adoption, uint64_t* token) {
  int error = CheckConnected(adoption.fd);
  if (error != 0) return error;
  const uint64_t cookie = SocketCookie(adoption.fd);
  if (adopted_.count(cookie) > 0) return -EEXIST;
  UniqueFd owned;
  int fd = adoption.fd;
  if (adoption.duplicate) {
    fd = ::fcntl(adoption.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return -errno;
    owned.Reset(fd);
  }
  error = SetDescriptorFlags(fd);
  if (error != 0) return error;
  Connection* connection = slots_.Allocate();
  if (connection == nullptr) return -ENOSPC;
  connection->has_head = adoption.head_bytes > 0;
  error = Register(connection, fd);
  if (error != 0) return error;
  (void)owned.Release();
  SetNoDelay(fd);
  connection->adopted = true;
  adopted_.insert(cookie);
  *token = MakeToken(connection->slot, connection->generation);
  if (connection->has_head) {
    heads_.push_back({*token, {adoption.head, adoption.head + adoption.head_bytes}, 0});
    Defer(connection);
  }
  return 0;
}

/** Puts one piece of the head into the slab. */
void EventLoop::DeliverHead(Connection* connection) {
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  const auto head = std::find_if(heads_.begin(), heads_.end(),
                                 [token](const Head& each) { return each.token == token; });
  const auto rest = static_cast<uint32_t>(head->bytes.size() - head->next);
  const uint32_t count = std::min(rest, kReadBytesPerConnectionMax);
  std::memcpy(memory_.receive_slab + receive_cursor_, head->bytes.data() + head->next, count);
  PushData(connection, count);
  head->next += count;
  if (count < rest) return;
  heads_.erase(head);
  connection->has_head = false;
  if (connection->detached) {
    Reattach(connection);
  } else {
    UpdateInterest(connection);
  }
}

void EventLoop::DropHead(Connection* connection) {
  if (!connection->has_head) return;
  connection->has_head = false;
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  const auto names = [token](const Head& each) { return each.token == token; };
  heads_.erase(std::remove_if(heads_.begin(), heads_.end(), names), heads_.end());
}

/** Forgets what the loop keeps beside an adopted connection, before its descriptor is closed. */
void EventLoop::ForgetAdopted(Connection* connection) {
  DropHead(connection);
  adopted_.erase(SocketCookie(connection->fd.get()));
  connection->adopted = false;
}

int EventLoop::ReadInfo(uint32_t slot, uint32_t generation, SocketInfo* info) {
  const Connection* connection = slots_.Resolve(slot, generation);
  if (connection == nullptr || connection->closed) return -EBADF;
  return ReadSocketInfo(connection->fd.get(), info);
}

}  // namespace sluice
