// A set of address blocks: whom a listener believes. IPv4 lies inside IPv6 (::ffff:0:0/96), so that
// one comparison serves both.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

namespace sluice {

struct AddressBlock {
  /** Leading bits that must agree, 0..128. */
  uint8_t bits;
  std::array<uint8_t, 16> address;
};

class AddressBlocks {
 public:
  void Add(const AddressBlock& block) { blocks_.push_back(block); }
  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  /** A peer that has no IP address (a Unix socket) is local, and therefore in every set. */
  [[nodiscard]] bool Contains(const sockaddr_storage& peer) const;

 private:
  std::vector<AddressBlock> blocks_;
};

}  // namespace sluice
