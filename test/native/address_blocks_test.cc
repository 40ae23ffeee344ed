// Sets of addresses: CIDR blocks of both families, and whom a listener takes in.
#include "../../native/core/address_blocks.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>
#include <vector>

#include "random.h"

namespace sluice {
namespace {

sockaddr_storage Peer(const std::string& text) {
  sockaddr_storage peer{};
  if (text.find(':') != std::string::npos) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(peer);
    v6.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1);
  } else if (!text.empty()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(peer);
    v4.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), &v4.sin_addr), 1);
  } else {
    peer.ss_family = AF_UNIX;
  }
  return peer;
}

bool Has(const AddressBlocks& blocks, const std::string& text) {
  AddressBytes address;
  EXPECT_TRUE(AddressOf(Peer(text), &address));
  return blocks.Contains(address);
}

AddressBlock Block(const std::string& text, int bits) {
  AddressBlock block{};
  EXPECT_TRUE(AddressOf(Peer(text), &block.address));
  block.bits = static_cast<uint8_t>(text.find(':') == std::string::npos ? 96 + bits : bits);
  return block;
}

TEST(AddressBlocks, ComparesTheLeadingBits) {
  EXPECT_FALSE(Has(AddressBlocks(), "10.1.2.3"));
  const AddressBlocks blocks({Block("10.16.0.0", 12), Block("2001:db8:8000::", 33)});
  EXPECT_TRUE(Has(blocks, "10.16.0.0"));
  EXPECT_TRUE(Has(blocks, "10.31.255.255"));
  EXPECT_FALSE(Has(blocks, "10.32.0.0"));
  EXPECT_FALSE(Has(blocks, "10.15.255.255"));
  EXPECT_TRUE(Has(blocks, "::ffff:10.17.0.1"));
  EXPECT_TRUE(Has(blocks, "2001:db8:8000::"));
  EXPECT_TRUE(Has(blocks, "2001:db8:ffff::1"));
  EXPECT_FALSE(Has(blocks, "2001:db8:7fff::1"));
}

TEST(AddressBlocks, ABlockOfNoBitsIsEverybody) {
  const AddressBlocks blocks({Block("::", 0)});
  EXPECT_TRUE(Has(blocks, "192.0.2.1"));
  EXPECT_TRUE(Has(blocks, "2001:db8::1"));
  EXPECT_TRUE(Has(blocks, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST(AddressBlocks, BlocksWithinOthersChangeNothing) {
  const AddressBlocks blocks(
      {Block("10.0.0.0", 32), Block("10.0.0.0", 8), Block("10.9.0.0", 16), Block("11.0.0.1", 32)});
  EXPECT_TRUE(Has(blocks, "10.0.0.0"));
  EXPECT_TRUE(Has(blocks, "10.9.9.9"));
  EXPECT_TRUE(Has(blocks, "10.255.255.255"));
  EXPECT_FALSE(Has(blocks, "11.0.0.0"));
  EXPECT_TRUE(Has(blocks, "11.0.0.1"));
  EXPECT_FALSE(Has(blocks, "11.0.0.2"));
}

TEST(AddressBlocks, AgreesWithComparingEachBlock) {
  test::Random random(20260);
  for (int round = 0; round < 200; ++round) {
    std::vector<AddressBlock> list(random.Below(40));
    for (AddressBlock& block : list) {
      for (uint8_t& byte : block.address) byte = static_cast<uint8_t>(random.Below(3));
      block.bits = static_cast<uint8_t>(random.Below(129));
    }
    const AddressBlocks blocks(list);
    for (int look = 0; look < 100; ++look) {
      AddressBytes address;
      for (uint8_t& byte : address) byte = static_cast<uint8_t>(random.Below(3));
      bool expected = false;
      for (const AddressBlock& block : list) {
        bool agrees = true;
        for (int bit = 0; bit < block.bits; ++bit) {
          const int mask = 0x80 >> (bit % 8);
          agrees = agrees && ((block.address[bit / 8] ^ address[bit / 8]) & mask) == 0;
        }
        expected = expected || agrees;
      }
      EXPECT_EQ(blocks.Contains(address), expected);
    }
  }
}

TEST(AddressGate, RefusesTheDeniedAndWhoIsNotAllowed) {
  AddressGate gate;
  EXPECT_FALSE(gate.Refuses(Peer("192.0.2.1")));
  gate.denied = AddressBlocks({Block("192.0.2.0", 24), Block("10.0.0.7", 32)});
  gate.exempt = AddressBlocks({Block("10.0.0.0", 24)});
  EXPECT_TRUE(gate.Refuses(Peer("192.0.2.1")));
  EXPECT_TRUE(gate.Refuses(Peer("::ffff:192.0.2.1")));
  EXPECT_FALSE(gate.Refuses(Peer("10.0.0.7")));
  EXPECT_FALSE(gate.Refuses(Peer("198.51.100.1")));
  gate.names_allowed = true;
  EXPECT_TRUE(gate.Refuses(Peer("198.51.100.1")));
  gate.allowed = AddressBlocks({Block("198.51.100.0", 24), Block("192.0.2.9", 32)});
  EXPECT_FALSE(gate.Refuses(Peer("198.51.100.1")));
  EXPECT_TRUE(gate.Refuses(Peer("192.0.2.9")));
  EXPECT_FALSE(gate.Refuses(Peer("")));
}

}  // namespace
}  // namespace sluice
