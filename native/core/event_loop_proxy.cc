// Listeners behind a proxy: a connection is announced only after its PROXY header. See
// event_loop.h.
//
//   accept --peer is no trusted proxy--> reset
//     |--> unannounced, kProxyHeaderMs to bring its header
//            |-- malformed, cut off, late, or of a client that the listener refuses --> reset;
//            |   nobody ever hears of it
//            '-- complete --> as any other, with the client's address: TLS, or the `open` record
#include <cerrno>
#include <utility>

#include "event_loop.h"
#include "proxy_protocol.h"
#include "socket_ops.h"

namespace sluice {

int EventLoop::RequireProxyHeader(uint32_t index, AddressBlocks proxies) {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return -EBADF;
  listeners_[index].proxy_required = true;
  listeners_[index].proxies = std::move(proxies);
  return 0;
}

void EventLoop::AwaitProxyHeader(Connection* connection) {
  connection->unannounced = true;
  wheel_.Set(connection->slot, NowMs() + kProxyHeaderMs);
}

void EventLoop::ReadProxyHeader(Connection* connection, uint32_t events) {
  uint8_t bytes[kProxyHeaderBytesMax];
  const int fd = connection->fd.get();
  const int64_t count = PeekSome(fd, bytes, sizeof(bytes));
  if (count == -EAGAIN) return;
  if (count <= 0) {
    // Without a byte it was a health check; nothing to complain of.
    CloseNow(connection, static_cast<int>(count), false);
    return;
  }
  ProxyHeader header;
  const ProxyVerdict verdict = ParseProxyHeader(bytes, static_cast<size_t>(count), &header);
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (verdict == ProxyVerdict::kIncomplete && !ended) return;
  if (verdict != ProxyVerdict::kComplete || ReceiveSome(fd, bytes, header.length) < 0) {
    refusal_counters_.malformed++;
    CloseNow(connection, -EPROTO, true);
    return;
  }
  wheel_.Cancel(connection->slot);
  if (!header.has_source) PeerOf(fd, &header.source);
  if (listeners_[connection->listener].gate.Refuses(header.source)) {
    refusal_counters_.denied++;
    CloseNow(connection, -EACCES, true);
    return;
  }
  Welcome(connection, header.source);
  // The client's first bytes may lie behind the header, and their edge is spent.
  if (!connection->closed) Rearm(connection);
}

void EventLoop::CloseUnannounced(uint32_t listener) {
  for (uint32_t slot = 0; slot < memory_.slots_max; ++slot) {
    Connection* connection = slots_.Live(slot);
    if (connection == nullptr || !connection->unannounced || connection->closed) continue;
    if (connection->listener == listener) CloseNow(connection, 0, true);
  }
}

}  // namespace sluice
