// See proxy_protocol.h.
#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "limits.h"

namespace sluice {

namespace {

// ---- version 1: one line of text, at most 107 bytes with its CRLF ------------------------------

constexpr std::string_view kV1Prefix = "PROXY ";
constexpr size_t kV1BytesMax = 107;

/** The next word, or an empty one where the form is wrong; one space behind it is skipped. */
std::string_view TakeWord(std::string_view* line) {
  const size_t space = line->find(' ');
  const std::string_view word = line->substr(0, space);
  line->remove_prefix(space == std::string_view::npos ? line->size() : space + 1);
  return word;
}

/** @returns the port, or -1: digits only, no leading zero, at most 65535. */
int ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return -1;
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && port >= 0 && port <= 65535 ? port : -1;
}

bool ParseNumeric(std::string_view text, int family, void* into) {
  return ::inet_pton(family, std::string(text).c_str(), into) == 1;
}

void SetSource(int family, const void* address, uint16_t port, ProxyHeader* header) {
  if (family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&header->source);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address, sizeof(v4->sin_addr));
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&header->source);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address, sizeof(v6->sin6_addr));
  }
  header->has_source = true;
}

/** @param line without "PROXY " and CRLF */
ProxyVerdict ParseV1Line(std::string_view line, ProxyHeader* header) {
  const std::string_view protocol = TakeWord(&line);
  // What follows UNKNOWN is to be ignored.
  if (protocol == "UNKNOWN") return ProxyVerdict::kComplete;
  if (protocol != "TCP4" && protocol != "TCP6") return ProxyVerdict::kMalformed;
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const std::string_view source = TakeWord(&line);
  const std::string_view destination = TakeWord(&line);
  const int source_port = ParsePort(TakeWord(&line));
  const int destination_port = ParsePort(line);
  in6_addr address{};
  in6_addr ignored{};
  const bool valid = ParseNumeric(source, family, &address) &&
                     ParseNumeric(destination, family, &ignored) && source_port >= 0 &&
                     destination_port >= 0;
  if (!valid) return ProxyVerdict::kMalformed;
  SetSource(family, &address, static_cast<uint16_t>(source_port), header);
  return ProxyVerdict::kComplete;
}

ProxyVerdict ParseV1(std::string_view text, ProxyHeader* header) {
  const std::string_view bounded = text.substr(0, kV1BytesMax);
  const auto* control = std::find_if(bounded.begin(), bounded.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f;
  });
  if (control == bounded.end()) {
    return bounded.size() < kV1BytesMax ? ProxyVerdict::kIncomplete : ProxyVerdict::kMalformed;
  }
  const auto at = static_cast<size_t>(control - bounded.begin());
  if (*control != '\r' || at + 2 > kV1BytesMax) return ProxyVerdict::kMalformed;
  if (at + 1 == bounded.size()) return ProxyVerdict::kIncomplete;
  if (bounded[at + 1] != '\n') return ProxyVerdict::kMalformed;
  header->length = static_cast<uint32_t>(at + 2);
  return ParseV1Line(bounded.substr(kV1Prefix.size(), at - kV1Prefix.size()), header);
}

// ---- version 2: signature, version and command, family, length, addresses, TLVs -----------------

constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV2FixedBytes = 16;
constexpr size_t kTlvHeadBytes = 3;
constexpr uint8_t kTlvCrc32c = 0x03;
constexpr size_t kCrcBytes = 4;

size_t ReadUint16(const uint8_t* at) {
  return static_cast<size_t>(at[0]) << 8 | at[1];
}

uint32_t ReadUint32(const uint8_t* at) {
  return static_cast<uint32_t>(ReadUint16(at) << 16 | ReadUint16(at + 2));
}

/** Bytes of both addresses and ports of a family, or -1 for a byte that the document forbids. */
int V2AddressBytes(uint8_t family_and_transport) {
  if (family_and_transport == 0x00) return 0;
  const int transport = family_and_transport & 0x0f;
  if (transport != 1 && transport != 2) return -1;
  switch (family_and_transport >> 4) {
    case 1:
      return 12;
    case 2:
      return 36;
    case 3:
      return 216;
    default:
      return -1;
  }
}

/** @param start of the first TLV. @returns whether all of them fit and the checksum is right */
bool CheckV2Tlvs(const uint8_t* bytes, size_t start, size_t end) {
  for (size_t at = start; at < end;) {
    if (end - at < kTlvHeadBytes) return false;
    const size_t value = at + kTlvHeadBytes;
    const size_t length = ReadUint16(bytes + at + 1);
    if (length > end - value) return false;
    if (bytes[at] == kTlvCrc32c) {
      if (length != kCrcBytes) return false;
      if (Crc32cWithHole(bytes, end, value) != ReadUint32(bytes + value)) return false;
    }
    at = value + length;
  }
  return true;
}

ProxyVerdict ParseV2(const uint8_t* bytes, size_t count, ProxyHeader* header) {
  if (count > 12 && bytes[12] != 0x20 && bytes[12] != 0x21) return ProxyVerdict::kMalformed;
  if (count < kV2FixedBytes) return ProxyVerdict::kIncomplete;
  const size_t end = kV2FixedBytes + ReadUint16(bytes + 14);
  if (end > kProxyHeaderBytesMax) return ProxyVerdict::kMalformed;
  const bool local = bytes[12] == 0x20;
  const int address_bytes = local ? 0 : V2AddressBytes(bytes[13]);
  if (address_bytes < 0 || kV2FixedBytes + static_cast<size_t>(address_bytes) > end) {
    return ProxyVerdict::kMalformed;
  }
  if (count < end) return ProxyVerdict::kIncomplete;
  header->length = static_cast<uint32_t>(end);
  // A health check of the proxy itself: the block is to be ignored whatever it says.
  if (local) return ProxyVerdict::kComplete;
  const size_t tlvs = kV2FixedBytes + static_cast<size_t>(address_bytes);
  if (!CheckV2Tlvs(bytes, tlvs, end)) return ProxyVerdict::kMalformed;
  const uint8_t* source = bytes + kV2FixedBytes;
  // Datagrams and Unix sockets say nothing about a TCP client: as if UNSPEC.
  if (bytes[13] == 0x11) {
    SetSource(AF_INET, source, static_cast<uint16_t>(ReadUint16(source + 8)), header);
  } else if (bytes[13] == 0x21) {
    SetSource(AF_INET6, source, static_cast<uint16_t>(ReadUint16(source + 32)), header);
  }
  return ProxyVerdict::kComplete;
}

bool StartsLike(std::string_view text, std::string_view prefix) {
  const size_t common = std::min(text.size(), prefix.size());
  return text.substr(0, common) == prefix.substr(0, common);
}

}  // namespace

ProxyVerdict ParseProxyHeader(const uint8_t* bytes, size_t count, ProxyHeader* header) {
  *header = ProxyHeader{};
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  if (StartsLike(text, kV1Prefix)) {
    return count < kV1Prefix.size() ? ProxyVerdict::kIncomplete : ParseV1(text, header);
  }
  if (!StartsLike(text, kV2Signature)) return ProxyVerdict::kMalformed;
  if (count < kV2Signature.size()) return ProxyVerdict::kIncomplete;
  return ParseV2(bytes, count, header);
}

uint32_t Crc32cWithHole(const uint8_t* bytes, size_t count, size_t zero) {
  constexpr uint32_t kReversedPolynomial = 0x82f63b78;
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < count; ++i) {
    crc ^= i >= zero && i < zero + kCrcBytes ? 0 : bytes[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? crc >> 1 ^ kReversedPolynomial : crc >> 1;
    }
  }
  return ~crc;
}

}  // namespace sluice
