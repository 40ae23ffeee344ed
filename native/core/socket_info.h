// What the kernel knows of one connected stream socket, asked for on demand.
#pragma once

#include <cstdint>

#include "socket_ops.h"

namespace sluice {

struct SocketInfo {
  /** AF_INET, AF_INET6 or AF_UNIX. */
  int family = 0;
  SocketName local;
  SocketName remote;
  /** The processor that handled the last packet (SO_INCOMING_CPU), or -1. */
  int32_t incoming_cpu = -1;

  /** TCP_INFO; all zero for a Unix socket. Times are in microseconds. */
  uint32_t rtt_us = 0;
  uint32_t rtt_variance_us = 0;
  uint32_t retransmits = 0;
  uint32_t unacknowledged = 0;
  uint32_t congestion_window = 0;
  uint32_t not_sent_bytes = 0;

  /** SO_PEERCRED of a Unix socket; pid 0 and ids -1 where the kernel does not know. */
  int32_t peer_pid = 0;
  int64_t peer_uid = -1;
  int64_t peer_gid = -1;
};

/** @returns 0, or a negative errno when it is no socket any more; what is unknown keeps its default
 * @see tcp(7), socket(7), unix(7) */
[[nodiscard]] int ReadSocketInfo(int fd, SocketInfo* info);

/** Names a socket for as long as the machine runs (SO_COOKIE), or 0. */
[[nodiscard]] uint64_t SocketCookie(int fd);

/** Whether it has a peer. @returns 0, or a negative errno (-ENOTCONN) */
[[nodiscard]] int PeerNameOf(int fd, SocketName* name);

}  // namespace sluice
