// See socket_ops.h.
#include "socket_ops.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "system_call.h"
#include "unique_fd.h"

namespace sluice {

int64_t ReceiveSome(int fd, uint8_t* into, size_t capacity) {
  while (true) {
    const int64_t count = CallReceive(fd, into, capacity, MSG_DONTWAIT);
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

int SocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  return -error;
}

void FormatPeer(const sockaddr_storage& peer, PeerName* name) {
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

namespace {

/** Fills `address`. @returns its length, or 0 if `host` is no numeric address. */
socklen_t ParseAddress(const char* host, uint16_t port, sockaddr_storage* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(address);
  if (::inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof(*v4);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(address);
  if (::inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
  }
  return 0;
}

int SetFlag(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int SetListenerOptions(int fd, int family) {
  int error = SetFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0) error = SetFlag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  // Accepted sockets inherit it, which saves a system call for each of them.
  if (error == 0) error = SetFlag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (error == 0 && family == AF_INET6) error = SetFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  return error;
}

}  // namespace

int ListenOn(const char* host, uint16_t port, int backlog) {
  sockaddr_storage address{};
  const socklen_t length = ParseAddress(host, port, &address);
  if (length == 0) return -EINVAL;
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  const int error = SetListenerOptions(fd.get(), address.ss_family);
  if (error != 0) return error;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return -errno;
  if (::listen(fd.get(), backlog) != 0) return -errno;
  return fd.Release();
}

int LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return -errno;
  PeerName name;
  FormatPeer(address, &name);
  return name.port;
}

}  // namespace sluice
