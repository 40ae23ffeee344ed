// Sets of addresses: whom a listener believes, and whom it takes in. IPv4 lies inside IPv6
// (::ffff:0:0/96), so that one comparison serves both.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice {

/** In network order. */
using AddressBytes = std::array<uint8_t, 16>;

struct AddressBlock {
  /** Leading bits that must agree, 0..128. */
  uint8_t bits;
  AddressBytes address;
};

/** A set of blocks. A look-up costs a step per doubling of their number. */
class AddressBlocks {
 public:
  AddressBlocks() = default;
  explicit AddressBlocks(const std::vector<AddressBlock>& blocks);

  [[nodiscard]] bool Contains(const AddressBytes& address) const;

 private:
  /** An address as a number: its upper and its lower half. */
  using Number = std::pair<uint64_t, uint64_t>;
  struct Range {
    Number first;
    Number last;
  };

  [[nodiscard]] static Number NumberOf(const AddressBytes& address);

  /** Ascending, and disjoint. */
  std::vector<Range> ranges_;
};

/** Writes the peer's address as IPv6. @returns false for a peer that has none: it is local */
[[nodiscard]] bool AddressOf(const sockaddr_storage& peer, AddressBytes* into);

/** Whom a listener takes in, by the client's address. Local peers always are. */
struct AddressGate {
  /** Proxies: who comes through them is judged by what they forward. */
  AddressBlocks exempt;
  AddressBlocks denied;
  /** Whether everybody else than `allowed` is refused. */
  bool names_allowed = false;
  AddressBlocks allowed;

  [[nodiscard]] bool Refuses(const sockaddr_storage& client) const;
};

}  // namespace sluice
