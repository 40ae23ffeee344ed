// The header of the PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): who the
// client is, said by the proxy before the first byte of the client. Pure: bytes in, a verdict out.
// The caller looks at what the kernel holds (MSG_PEEK) and asks again when more has come, so there
// is no state and no buffer per connection; a header is short and is read once in its life.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace sluice {

enum class ProxyVerdict {
  kIncomplete,  // A prefix of a header: ask again with more bytes.
  kMalformed,   // Nothing that follows can make it a header.
  kComplete,
};

struct ProxyHeader {
  /** Bytes of the header; what follows belongs to the client. */
  uint32_t length = 0;
  /** False for LOCAL, UNKNOWN, and families that say nothing of use: the peer itself counts. */
  bool has_source = false;
  /** The client's address and port, AF_INET or AF_INET6. */
  sockaddr_storage source{};
};

/**
 * Strict: one space between words, no leading zeros, a checksum that is there must fit, every TLV
 * must fit.
 * @param count 0..kProxyHeaderBytesMax; never kIncomplete at kProxyHeaderBytesMax
 * @param header filled when the verdict is kComplete
 */
[[nodiscard]] ProxyVerdict ParseProxyHeader(const uint8_t* bytes, size_t count,
                                            ProxyHeader* header);

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of bytes in which [zero, zero + 4) count as 0. */
[[nodiscard]] uint32_t Crc32cWithHole(const uint8_t* bytes, size_t count, size_t zero);

}  // namespace sluice
