// See handshakes.h.
#include "handshakes.h"

#include <algorithm>

namespace sluice {

bool Handshakes::HasShare(const AddressBytes& client) const {
  const auto found = of_client_.find(client);
  if (found == of_client_.end()) return false;
  return found->second >= std::max(max_ / kHandshakeShares, kHandshakesPerClientMin);
}

void Handshakes::Begin(Connection* connection, Handshake* handshake) {
  ++count_;
  handshake->place = silent_.insert(silent_.end(), connection);
  handshake->is_silent = true;
  if (handshake->client.has_value()) ++of_client_[*handshake->client];
}

void Handshakes::Hear(Handshake* handshake) {
  if (!handshake->is_silent) return;
  handshake->is_silent = false;
  silent_.erase(handshake->place);
}

void Handshakes::End(Handshake* handshake) {
  Hear(handshake);
  --count_;
  if (!handshake->client.has_value()) return;
  const auto found = of_client_.find(*handshake->client);
  if (--found->second == 0) of_client_.erase(found);
}

AddressBytes ClientKey(const AddressBytes& address) {
  constexpr AddressBytes kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr int kMappedBytes = 12;
  constexpr int kNetworkBytes = 8;
  AddressBytes key = address;
  if (!std::equal(key.begin(), key.begin() + kMappedBytes, kMapped.begin())) {
    std::fill(key.begin() + kNetworkBytes, key.end(), uint8_t{0});
  }
  return key;
}

}  // namespace sluice
