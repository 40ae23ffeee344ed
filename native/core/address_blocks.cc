// See address_blocks.h.
#include "address_blocks.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace sluice {

namespace {

/** Writes the address as IPv6. @returns false if there is none */
bool ToIpv6(const sockaddr_storage& peer, std::array<uint8_t, 16>* into) {
  if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    std::memcpy(into->data(), &v6.sin6_addr, into->size());
    return true;
  }
  if (peer.ss_family != AF_INET) return false;
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
  into->fill(0);
  (*into)[10] = (*into)[11] = 0xff;
  std::memcpy(into->data() + 12, &v4.sin_addr, sizeof(v4.sin_addr));
  return true;
}

bool Matches(const AddressBlock& block, const std::array<uint8_t, 16>& address) {
  const size_t whole = block.bits / 8;
  if (std::memcmp(block.address.data(), address.data(), whole) != 0) return false;
  const int rest = block.bits % 8;
  return rest == 0 || (block.address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

}  // namespace

bool AddressBlocks::Contains(const sockaddr_storage& peer) const {
  std::array<uint8_t, 16> address;
  if (!ToIpv6(peer, &address)) return true;
  return std::any_of(blocks_.begin(), blocks_.end(),
                     [&](const AddressBlock& block) { return Matches(block, address); });
}

}  // namespace sluice
