// Slots with generations. A slot is given out again as late as possible (first in, first out), so
// that a stale token is recognised even by somebody who kept it for long.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "connection.h"
#include "limits.h"

namespace sluice {

[[nodiscard]] constexpr uint64_t MakeToken(uint32_t slot, uint32_t generation) {
  return (static_cast<uint64_t>(generation) << 32) | slot;
}
[[nodiscard]] constexpr uint32_t TokenSlot(uint64_t token) {
  return static_cast<uint32_t>(token);
}
[[nodiscard]] constexpr uint32_t TokenGeneration(uint64_t token) {
  return static_cast<uint32_t>(token >> 32);
}

class SlotTable {
 public:
  /** @param slots_max 1..kSlotsMax */
  explicit SlotTable(uint32_t slots_max = kSlotsMax) : slots_max_(slots_max) {}

  /** A fresh connection in a slot of its own, or nullptr when all are taken. Borrowed until
   * Release. */
  [[nodiscard]] Connection* Allocate();
  void Release(Connection* connection);

  /** The connection that the token names, or nullptr if the token is stale or was never given out.
   */
  [[nodiscard]] Connection* Resolve(uint32_t slot, uint32_t generation) {
    if (slot >= slots_used_) return nullptr;
    Connection* connection = At(slot);
    return connection->in_use && connection->generation == generation ? connection : nullptr;
  }
  [[nodiscard]] Connection* Resolve(uint64_t token) {
    return Resolve(TokenSlot(token), TokenGeneration(token));
  }
  /** The live connection in a slot, or nullptr. */
  [[nodiscard]] Connection* Live(uint32_t slot) {
    if (slot >= slots_used_) return nullptr;
    Connection* connection = At(slot);
    return connection->in_use ? connection : nullptr;
  }

  /** Has the processor load the connection in a slot while other work is done. */
  void Prefetch(uint32_t slot) {
    if (slot >= slots_used_) return;
    const auto* bytes = reinterpret_cast<const char*>(At(slot));
    for (size_t at = 0; at < sizeof(Connection); at += kCacheLineBytes) {
      __builtin_prefetch(bytes + at);
    }
  }

  [[nodiscard]] uint32_t live_count() const { return live_count_; }

 private:
  static constexpr uint32_t kChunkSlots = 256;
  static constexpr size_t kCacheLineBytes = 64;
  /** A slot rests until this many others are free, as long as there are unused ones. */
  static constexpr uint32_t kRestingSlotsMin = 64;

  [[nodiscard]] Connection* At(uint32_t slot) {
    return &chunks_[slot / kChunkSlots][slot % kChunkSlots];
  }

  std::vector<std::unique_ptr<Connection[]>> chunks_;
  std::deque<uint32_t> free_;
  uint32_t slots_max_;
  uint32_t slots_used_ = 0;
  uint32_t live_count_ = 0;
};

}  // namespace sluice
