// See address_blocks.h.
#include "address_blocks.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sluice {

namespace {

/** Sets or clears what lies behind the leading `bits`. */
AddressBytes Bound(const AddressBlock& block, bool last) {
  AddressBytes bound = block.address;
  for (size_t i = 0; i < bound.size(); ++i) {
    const int fixed = std::clamp(block.bits - static_cast<int>(8 * i), 0, 8);
    const auto rest = static_cast<uint8_t>(0xff >> fixed);
    bound[i] = static_cast<uint8_t>(last ? bound[i] | rest : bound[i] & ~rest);
  }
  return bound;
}

}  // namespace

AddressBlocks::Number AddressBlocks::NumberOf(const AddressBytes& address) {
  Number number{0, 0};
  for (size_t i = 0; i < 8; ++i) {
    number.first = number.first << 8 | address[i];
    number.second = number.second << 8 | address[i + 8];
  }
  return number;
}

AddressBlocks::AddressBlocks(const std::vector<AddressBlock>& blocks) {
  std::vector<Range> all;
  all.reserve(blocks.size());
  for (const AddressBlock& block : blocks) {
    all.push_back({NumberOf(Bound(block, false)), NumberOf(Bound(block, true))});
  }
  // Of two that begin alike the wider one comes first.
  std::sort(all.begin(), all.end(), [](const Range& left, const Range& right) {
    return left.first != right.first ? left.first < right.first : right.last < left.last;
  });
  for (const Range& range : all) {
    // Two blocks are disjoint, or one lies within the other.
    if (!ranges_.empty() && range.first <= ranges_.back().last) continue;
    ranges_.push_back(range);
  }
}

bool AddressBlocks::Contains(const AddressBytes& address) const {
  const Number number = NumberOf(address);
  const auto behind =
      std::upper_bound(ranges_.begin(), ranges_.end(), number,
                       [](const Number& at, const Range& range) { return at < range.first; });
  return behind != ranges_.begin() && number <= std::prev(behind)->last;
}

bool AddressOf(const sockaddr_storage& peer, AddressBytes* into) {
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

bool AddressGate::Refuses(const sockaddr_storage& client) const {
  AddressBytes address;
  if (!AddressOf(client, &address) || exempt.Contains(address)) return false;
  return denied.Contains(address) || (names_allowed && !allowed.Contains(address));
}

}  // namespace sluice
