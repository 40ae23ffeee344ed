// See socket_ops.h.
#include "socket_ops.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "system_call.h"

namespace sluice {

int64_t ReceiveSome(int fd, uint8_t* into, size_t capacity) {
  while (true) {
    const int64_t count = CallReceive(fd, into, capacity, MSG_DONTWAIT);
    if (count != -EINTR) return count;
  }
}

int64_t PeekSome(int fd, uint8_t* into, size_t capacity) {
  while (true) {
    const int64_t count = CallReceive(fd, into, capacity, MSG_DONTWAIT | MSG_PEEK);
    if (count != -EINTR) return count;
  }
}

int64_t SendSome(int fd, const iovec* pieces, uint32_t count) {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  while (true) {
    const int64_t sent = count == 1 ? CallSend(fd, pieces->iov_base, pieces->iov_len, kFlags)
                                    : CallSendMessage(fd, message, kFlags);
    if (sent != -EINTR) return sent;
  }
}

int AcceptOne(int listener, sockaddr_storage* peer) {
  socklen_t length = sizeof(*peer);
  const int fd =
      ::accept4(listener, reinterpret_cast<sockaddr*>(peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

void ShutdownWrite(int fd) {
  (void)::shutdown(fd, SHUT_WR);
}

void ResetOnClose(int fd) {
  const linger abort{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
}

uint32_t NotTakenBytes(int fd) {
  int count = 0;
  // tcp(7): what was not acknowledged; unix(7): what the peer has not read, with its overhead.
  if (::ioctl(fd, SIOCOUTQ, &count) != 0) return 0;
  return count > 0 ? static_cast<uint32_t>(count) : 0;
}

void SetNoDelay(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int SocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  return -error;
}

void PeerOf(int fd, sockaddr_storage* peer) {
  socklen_t length = sizeof(*peer);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(peer), &length) != 0) {
    peer->ss_family = AF_UNSPEC;
  }
}

void FormatPeer(const sockaddr_storage& peer, SocketName* name) {
  name->text[0] = '\0';
  name->port = 0;
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    (void)::inet_ntop(AF_INET, &v4.sin_addr, name->text, sizeof(name->text));
    name->port = ntohs(v4.sin_port);
  } else if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    const void* address = mapped ? static_cast<const void*>(&v6.sin6_addr.s6_addr[12])
                                 : static_cast<const void*>(&v6.sin6_addr);
    (void)::inet_ntop(mapped ? AF_INET : AF_INET6, address, name->text, sizeof(name->text));
    name->port = ntohs(v6.sin6_port);
  }
  name->length = static_cast<uint32_t>(std::strlen(name->text));
}

}  // namespace sluice
