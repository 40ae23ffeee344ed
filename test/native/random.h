// A seeded generator for the model tests; the seed of a failure is in its message.
#pragma once

#include <cstdint>

namespace sluice::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435761U + 88172645463325252U) {}

  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  /** 0..bound-1 */
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(Next() % bound); }

 private:
  uint64_t state_;
};

}  // namespace sluice::test
