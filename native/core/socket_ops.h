// System calls on stream sockets: EINTR is handled here, errors come back as negative errno.
// No policy and no state.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "limits.h"

namespace sluice {

/** A numeric address as text and its port, or a path and 0; `text` need not end with a zero. */
struct SocketName {
  char text[kSocketPathBytesMax + 5];
  uint32_t length;
  uint16_t port;
};

/** Bytes read, 0 at the end of the stream, or a negative errno (-EAGAIN: nothing there). */
[[nodiscard]] int64_t ReceiveSome(int fd, uint8_t* into, size_t capacity);

/** The same without taking the bytes from the socket. */
[[nodiscard]] int64_t PeekSome(int fd, uint8_t* into, size_t capacity);

/** Bytes taken by the kernel, or a negative errno (-EAGAIN: full). Never raises SIGPIPE. */
[[nodiscard]] int64_t SendSome(int fd, const iovec* pieces, uint32_t count);

/** The connection's descriptor (non-blocking, close-on-exec), or a negative errno. */
[[nodiscard]] int AcceptOne(int listener, sockaddr_storage* peer);

/** Sends FIN after what the kernel holds. A peer that is gone is not an error here. */
void ShutdownWrite(int fd);

/** Makes the coming close(2) send RST and drop what the kernel holds. */
void ResetOnClose(int fd);

/** Bytes that the kernel has and the peer's side has not taken yet; 0 if it cannot be told. */
[[nodiscard]] uint32_t NotTakenBytes(int fd);

/** Small writes leave at once. Does nothing to a Unix socket. */
void SetNoDelay(int fd);

/** The pending error of a socket as a negative errno, or 0. */
[[nodiscard]] int SocketError(int fd);

/** The other end's address; AF_UNSPEC if it cannot be told any more. */
void PeerOf(int fd, sockaddr_storage* peer);

/** An IPv4 address inside IPv6 is written as IPv4; the peer of a Unix socket has no name. */
void FormatPeer(const sockaddr_storage& peer, SocketName* name);

}  // namespace sluice
