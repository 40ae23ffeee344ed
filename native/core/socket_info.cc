// See socket_info.h.
#include "socket_info.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "listen_ops.h"

namespace sluice {

namespace {

template <typename Value>
bool ReadOption(int fd, int level, int name, Value* value) {
  socklen_t length = sizeof(*value);
  return ::getsockopt(fd, level, name, value, &length) == 0;
}

void ReadTcp(int fd, SocketInfo* info) {
  // An older kernel fills in less of it: the rest stays zero.
  tcp_info tcp{};
  if (!ReadOption(fd, IPPROTO_TCP, TCP_INFO, &tcp)) return;
  info->rtt_us = tcp.tcpi_rtt;
  info->rtt_variance_us = tcp.tcpi_rttvar;
  info->retransmits = tcp.tcpi_total_retrans;
  info->unacknowledged = tcp.tcpi_unacked;
  info->congestion_window = tcp.tcpi_snd_cwnd;
  info->not_sent_bytes = tcp.tcpi_notsent_bytes;
}

void ReadPeerOwner(int fd, SocketInfo* info) {
  ucred owner{};
  if (!ReadOption(fd, SOL_SOCKET, SO_PEERCRED, &owner)) return;
  info->peer_pid = owner.pid;
  constexpr auto kUnknown = static_cast<uid_t>(-1);
  if (owner.uid != kUnknown) info->peer_uid = owner.uid;
  if (owner.gid != kUnknown) info->peer_gid = owner.gid;
}

}  // namespace

int ReadSocketInfo(int fd, SocketInfo* info) {
  int error = CheckStreamSocket(fd, &info->family);
  if (error == 0) error = LocalName(fd, &info->local);
  if (error != 0) return error;
  // A peer that has reset has no name any more; the rest is still worth telling.
  if (PeerNameOf(fd, &info->remote) != 0) info->remote = SocketName{};
  (void)ReadOption(fd, SOL_SOCKET, SO_INCOMING_CPU, &info->incoming_cpu);
  if (info->family == AF_UNIX) {
    ReadPeerOwner(fd, info);
  } else {
    ReadTcp(fd, info);
  }
  return 0;
}

uint64_t SocketCookie(int fd) {
  uint64_t cookie = 0;
  return ReadOption(fd, SOL_SOCKET, SO_COOKIE, &cookie) ? cookie : 0;
}

int PeerNameOf(int fd, SocketName* name) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return -errno;
  FormatPeer(address, name);
  return 0;
}

}  // namespace sluice
