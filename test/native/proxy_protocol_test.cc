// PROXY headers, good and bad, each cut at every byte. Vectors are written out by hand from
// haproxy's doc/proxy-protocol.txt.
#include "../../native/core/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../../native/core/address_blocks.h"
#include "../../native/core/limits.h"
#include "../../native/core/socket_ops.h"

namespace sluice {
namespace {

using std::string_literals::operator""s;

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); ++i) {
    if (hex[i] == ' ') continue;
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    ++i;
  }
  return bytes;
}

ProxyVerdict Parse(const std::string& bytes, ProxyHeader* header) {
  return ParseProxyHeader(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), header);
}

std::string SourceOf(const ProxyHeader& header) {
  if (!header.has_source) return "peer";
  SocketName name;
  FormatPeer(header.source, &name);
  return std::string(name.text) + " " + std::to_string(name.port);
}

const std::string kSignature = "0d0a0d0a000d0a515549540a ";
const std::string kV4 = "cb007109 c0000201 9c40 01bb ";  // 203.0.113.9:40000 -> 192.0.2.1:443
const std::string kV6 =
    "20010db8000000000000000000000009 20010db8000000000000000000000001 9c40 01bb ";

struct Good {
  const char* name;
  std::string bytes;
  const char* source;
};

std::vector<Good> GoodHeaders() {
  const std::string unix_block(2 * 108 * 2, '0');
  return {
      {"v1 TCP4", "PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n", "203.0.113.9 40000"},
      {"v1 TCP6", "PROXY TCP6 2001:db8::9 2001:db8::1 40000 443\r\n", "2001:db8::9 40000"},
      {"v1 TCP6, mapped", "PROXY TCP6 ::ffff:203.0.113.9 ::1 1 0\r\n", "203.0.113.9 1"},
      {"v1 longest TCP6",
       "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 65535"},
      {"v1 UNKNOWN", "PROXY UNKNOWN\r\n", "peer"},
      {"v1 UNKNOWN with a rest", "PROXY UNKNOWN whatever 1 2 3\r\n", "peer"},
      {"v1 longest line", "PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n", "peer"},
      {"v2 TCP4", FromHex(kSignature + "21 11 000c " + kV4), "203.0.113.9 40000"},
      {"v2 TCP6", FromHex(kSignature + "21 21 0024 " + kV6), "2001:db8::9 40000"},
      {"v2 TCP4 with TLVs",
       FromHex(kSignature + "21 11 0017 " + kV4 + "01 0002 6832 04 0000 ee 0000"),
       "203.0.113.9 40000"},
      {"v2 with a checksum", FromHex(kSignature + "21 11 0013 " + kV4 + "03 0004 00000000"),
       "203.0.113.9 40000"},
      {"v2 UDP4", FromHex(kSignature + "21 12 000c " + kV4), "peer"},
      {"v2 UDP6", FromHex(kSignature + "21 22 0024 " + kV6), "peer"},
      {"v2 UNSPEC", FromHex(kSignature + "21 00 0000"), "peer"},
      {"v2 UNSPEC with TLVs", FromHex(kSignature + "21 00 0003 04 0000"), "peer"},
      {"v2 unix stream", FromHex(kSignature + "21 31 00d8 " + unix_block), "peer"},
      {"v2 unix datagram", FromHex(kSignature + "21 32 00d8 " + unix_block), "peer"},
      {"v2 LOCAL", FromHex(kSignature + "20 00 0000"), "peer"},
      {"v2 LOCAL with a block that makes no sense", FromHex(kSignature + "20 ff 0002 ffff"),
       "peer"},
      {"v2 longest", FromHex(kSignature + "21 00 0208 04 0205 " + std::string(2 * 517, '0')),
       "peer"},
  };
}

/** Puts the checksum into a header that ends with its TLV. */
std::string WithChecksum(std::string bytes) {
  const size_t at = bytes.size() - 4;
  const uint32_t crc =
      Crc32cWithHole(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), at);
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(crc >> (24 - 8 * i));
  return bytes;
}

TEST(ProxyProtocol, GoodHeadersAreRead) {
  for (Good good : GoodHeaders()) {
    if (std::string(good.name) == "v2 with a checksum") good.bytes = WithChecksum(good.bytes);
    ProxyHeader header;
    EXPECT_EQ(Parse(good.bytes + "GET / ", &header), ProxyVerdict::kComplete) << good.name;
    EXPECT_EQ(header.length, good.bytes.size()) << good.name;
    EXPECT_EQ(SourceOf(header), good.source) << good.name;
    EXPECT_EQ(Parse(good.bytes, &header), ProxyVerdict::kComplete) << good.name;
  }
}

TEST(ProxyProtocol, EveryPrefixOfAGoodHeaderIsIncomplete) {
  for (const Good& good : GoodHeaders()) {
    for (size_t cut = 0; cut < good.bytes.size(); ++cut) {
      ProxyHeader header;
      EXPECT_EQ(Parse(good.bytes.substr(0, cut), &header), ProxyVerdict::kIncomplete)
          << good.name << " cut at " << cut;
    }
  }
}

struct Bad {
  const char* name;
  std::string bytes;
};

const std::vector<Bad> kBad = {
    {"a request", "GET / HTTP/1.1\r\n"},
    {"lower case", "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n"},
    {"TLS", FromHex("16030100")},
    {"v1 without a protocol", "PROXY \r\n"},
    {"v1 of another protocol", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"},
    {"v1 with two spaces", "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"},
    {"v1 with a tab", "PROXY TCP4\t1.1.1.1"},
    {"v1 with a NUL", "PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"s},
    {"v1 with a bare LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"},
    {"v1 with a bare CR", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx"},
    {"v1 with a trailing space", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"},
    {"v1 with a word too much", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"},
    {"v1 with a word too few", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"},
    {"v1 with a family that differs", "PROXY TCP4 ::1 ::1 1 2\r\n"},
    {"v1 with a name", "PROXY TCP4 localhost 2.2.2.2 1 2\r\n"},
    {"v1 with a bad destination", "PROXY TCP4 1.1.1.1 2.2.2 1 2\r\n"},
    {"v1 with a port too large", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"},
    {"v1 with a port of zeros", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"},
    {"v1 with a negative port", "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n"},
    {"v1 with a port that is none", "PROXY TCP4 1.1.1.1 2.2.2.2 1 x\r\n"},
    {"v1 too long by one", "PROXY UNKNOWN " + std::string(107 - 15, 'x') + "\r\n"},
    {"v1 without an end", "PROXY UNKNOWN " + std::string(kProxyHeaderBytesMax - 14, 'x')},
    {"v2 signature broken", FromHex("0d0a0d0a000d0a515549540b")},
    {"v2 of version 1", FromHex(kSignature + "11")},
    {"v2 with another command", FromHex(kSignature + "22")},
    {"v2 with another family", FromHex(kSignature + "21 41 000c " + kV4)},
    {"v2 with another transport", FromHex(kSignature + "21 13 000c " + kV4)},
    {"v2 UNSPEC with a transport", FromHex(kSignature + "21 01 0000")},
    {"v2 too short for its family", FromHex(kSignature + "21 21 000c " + kV4)},
    {"v2 longer than we take", FromHex(kSignature + "21 00 0209")},
    {"v2 longer than anything", FromHex(kSignature + "21 00 ffff")},
    {"v2 with half a TLV", FromHex(kSignature + "21 11 000e " + kV4 + "01 00")},
    {"v2 with a TLV that does not fit", FromHex(kSignature + "21 11 0010 " + kV4 + "01 0002 00")},
    {"v2 with a checksum of another length",
     FromHex(kSignature + "21 11 0011 " + kV4 + "03 0002 0000")},
    {"v2 with a wrong checksum", FromHex(kSignature + "21 11 0013 " + kV4 + "03 0004 00000000")},
};

TEST(ProxyProtocol, BadHeadersAreRefused) {
  for (const Bad& bad : kBad) {
    ProxyHeader header;
    EXPECT_EQ(Parse(bad.bytes, &header), ProxyVerdict::kMalformed) << bad.name;
  }
}

TEST(ProxyProtocol, ABadHeaderIsNeverTakenForAGoodOneOnItsWay) {
  for (const Bad& bad : kBad) {
    for (size_t cut = 0; cut <= bad.bytes.size(); ++cut) {
      ProxyHeader header;
      EXPECT_NE(Parse(bad.bytes.substr(0, cut), &header), ProxyVerdict::kComplete)
          << bad.name << " cut at " << cut;
    }
  }
}

TEST(ProxyProtocol, EveryChangedBitOfACheckedHeaderIsFound) {
  const std::string good =
      WithChecksum(FromHex(kSignature + "21 11 0013 " + kV4 + "03 0004 00000000"));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    // Bytes 12 to 15 and 28 say what the block is: with others the checksum is not found, or LOCAL
    // says to ignore it.
    const size_t byte = bit / 8;
    if ((byte >= 12 && byte <= 15) || byte == 28) continue;
    ProxyHeader header;
    EXPECT_EQ(Parse(bad, &header), ProxyVerdict::kMalformed) << "bit " << bit;
  }
}

TEST(ProxyProtocol, TheChecksumIsThatOfTheRfc) {
  // RFC 3720 B.4: 32 bytes of zeros, and 32 bytes of ones.
  const std::string zeros(32, '\0');
  const std::string ones(32, '\xff');
  const auto crc = [](const std::string& text) {
    return Crc32cWithHole(reinterpret_cast<const uint8_t*>(text.data()), text.size(), text.size());
  };
  EXPECT_EQ(crc(zeros), 0x8a9136aaU);
  EXPECT_EQ(crc(ones), 0x62a8ab43U);
}

}  // namespace
}  // namespace sluice
