// Listening sockets: made for an address, made for a path, or taken over from whoever started us.
// Results are a descriptor or a negative errno. Knows nothing of epoll.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "socket_ops.h"

namespace sluice {

/**
 * The file of a listening Unix socket, so that only the one that we made is ever removed: as long
 * as the socket is open it holds the inode, and nobody else's file gets the same number. To be
 * removed before the socket is closed.
 */
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  /** Unlinks the file if it is still ours. Does nothing for an empty path. */
  void Remove();
};

/** What accepted sockets inherit from their listener. 0 leaves the kernel's default. */
struct AcceptedOptions {
  /** TCP_NOTSENT_LOWAT: more than this many unsent bytes, and the socket is not writable. */
  uint32_t not_sent_low_bytes = 0;
  /** TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged. */
  uint32_t user_timeout_ms = 0;
  /** SO_KEEPALIVE: silence before the first probe, then between the three, in whole seconds. */
  uint32_t keep_alive_s = 0;
};

/** @returns 0 or a negative errno; does nothing to a Unix socket @see tcp(7) */
[[nodiscard]] int SetAcceptedOptions(int fd, const AcceptedOptions& options);

/**
 * Binds and listens, always with SO_REUSEPORT; '::' takes IPv4, too.
 * @param host numeric IPv4 or IPv6 address
 * @returns the descriptor, or a negative errno (-EINVAL: not an address)
 */
[[nodiscard]] int ListenOn(const char* host, uint16_t port, int backlog);

/**
 * Listens on a Unix stream socket. A socket file on which nobody answers is replaced; a living
 * server's, or a file of another kind, is -EADDRINUSE.
 * @param path 1..kSocketPathBytesMax bytes; one that begins with a zero byte is an abstract name
 * @param mode permission bits, or negative to leave them to the umask
 * @param file filled with what Remove needs; stays empty for an abstract name
 * @see unix(7)
 */
[[nodiscard]] int ListenOnPath(const std::string& path, int mode, int backlog, SocketFile* file);

/**
 * Makes a descriptor that listens already ours: non-blocking, close-on-exec. Nothing is changed if
 * it is refused.
 * @returns 0, or -EBADF, -ENOTSOCK, -EPROTOTYPE (not a TCP or Unix stream socket), -EINVAL (it does
 * not listen)
 */
[[nodiscard]] int PrepareListener(int fd);

/** The address that a socket is bound to: numeric, or a path with port 0. @returns 0 or -errno */
[[nodiscard]] int LocalName(int fd, SocketName* name);

/** SO_TYPE and the family of a stream socket. @returns 0, -EBADF, -ENOTSOCK or -EPROTOTYPE */
[[nodiscard]] int CheckStreamSocket(int fd, int* family);

/** SO_ACCEPTCONN. */
[[nodiscard]] bool IsListening(int fd);

/** O_NONBLOCK and FD_CLOEXEC. @returns 0 or a negative errno */
[[nodiscard]] int SetDescriptorFlags(int fd);

}  // namespace sluice
