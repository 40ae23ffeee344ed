// One coarse deadline per slot. Setting a later deadline only stores a number: the entry stays in
// its bucket and is moved when that bucket comes up. Never early, late by at most one wheel tick
// plus what the loop itself is late. Knows no clock: the caller says what time it is.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "limits.h"

namespace sluice {

class TimerWheel {
 public:
  explicit TimerWheel(uint64_t now_ms);

  /** @param deadline_ms absolute, on the same clock as Advance; replaces an earlier one. */
  void Set(uint32_t slot, uint64_t deadline_ms);
  void Cancel(uint32_t slot);
  [[nodiscard]] bool Has(uint32_t slot) const;

  /** Appends every slot whose deadline has passed to `expired`, and switches its deadline off. */
  void Advance(uint64_t now_ms, std::vector<uint32_t>* expired);

  /** No deadline passes before this moment; kNever when there is none. May be too early. */
  [[nodiscard]] uint64_t earliest_ms() const { return earliest_ms_; }

  static constexpr uint64_t kNever = UINT64_MAX;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Node {
    uint64_t deadline_tick = 0;
    uint32_t next = kNone;
    uint32_t previous = kNone;
    uint32_t bucket = kNone;
  };

  void Link(uint32_t slot, uint64_t tick);
  void Unlink(uint32_t slot);
  void Expire(uint64_t tick, std::vector<uint32_t>* expired);
  void FindEarliest();

  std::array<uint32_t, kWheelBuckets> buckets_;
  std::vector<Node> nodes_;
  uint64_t done_tick_;
  uint64_t earliest_ms_ = kNever;
  uint32_t linked_ = 0;
};

}  // namespace sluice
