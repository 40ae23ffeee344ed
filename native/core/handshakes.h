// The handshakes of TLS that are under way at one listener: how many at once, how many of one
// client, and who says nothing. Knows neither sockets nor TLS; event_loop_secure.cc has the rules.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>

#include "address_blocks.h"
#include "limits.h"
#include "socket_ops.h"

namespace sluice {

struct Connection;

struct Handshake {
  /** Whose connection it is, told when the handshake is complete. */
  SocketName peer;
  /** In whose share it counts; nobody's for local peers and proxies. */
  std::optional<AddressBytes> client;
  uint64_t began_ms = 0;
  /** Its place among the silent ones, as long as it is one. */
  std::list<Connection*>::iterator place;
  bool is_silent = false;
};

class Handshakes {
 public:
  void Bound(uint32_t max) { max_ = max; }
  [[nodiscard]] bool is_full() const { return count_ >= max_; }
  /** Whether a client has as many as one may have. */
  [[nodiscard]] bool HasShare(const AddressBytes& client) const;

  /** @param connection whose handshake it is; borrowed until End */
  void Begin(Connection* connection, Handshake* handshake);
  /** It has brought something. */
  void Hear(Handshake* handshake);
  void End(Handshake* handshake);
  /** Who has waited longest without a byte, or nullptr. */
  [[nodiscard]] Connection* OldestSilent() const {
    return silent_.empty() ? nullptr : silent_.front();
  }

 private:
  uint32_t max_ = 0;
  uint32_t count_ = 0;
  /** In the order in which they began. */
  std::list<Connection*> silent_;
  std::map<AddressBytes, uint32_t> of_client_;
};

/** What a client is counted as: an IPv4 address, or the network (/64) of an IPv6 one. */
[[nodiscard]] AddressBytes ClientKey(const AddressBytes& address);

}  // namespace sluice
