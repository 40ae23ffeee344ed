// Deadlines: never early, late by one tick at most, however they are moved.
#include "../../native/core/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>

#include "random.h"

namespace sluice {
namespace {

std::vector<uint32_t> Advance(TimerWheel* wheel, uint64_t now) {
  std::vector<uint32_t> expired;
  wheel->Advance(now, &expired);
  return expired;
}

TEST(TimerWheel, ExpiresNeverEarlyAndOnlyOnce) {
  TimerWheel wheel(1000);
  wheel.Set(7, 1100);
  EXPECT_LE(wheel.earliest_ms(), 1100U + kWheelTickMs);
  EXPECT_TRUE(Advance(&wheel, 1099).empty());
  EXPECT_EQ(Advance(&wheel, 1100 + kWheelTickMs), std::vector<uint32_t>{7});
  EXPECT_TRUE(Advance(&wheel, 90000).empty());
  EXPECT_EQ(wheel.earliest_ms(), TimerWheel::kNever);
}

TEST(TimerWheel, HasADeadlineUntilItExpiresOrIsCancelled) {
  TimerWheel wheel(1000);
  EXPECT_FALSE(wheel.Has(7));
  wheel.Set(7, 1100);
  EXPECT_TRUE(wheel.Has(7));
  EXPECT_FALSE(wheel.Has(6));
  (void)Advance(&wheel, 1100 + kWheelTickMs);
  EXPECT_FALSE(wheel.Has(7));
  wheel.Set(7, 2000);
  wheel.Cancel(7);
  EXPECT_FALSE(wheel.Has(7));
}

TEST(TimerWheel, ADeadlineInThePastExpiresAtTheNextTick) {
  TimerWheel wheel(5000);
  wheel.Set(1, 10);
  EXPECT_EQ(Advance(&wheel, 5000 + kWheelTickMs), std::vector<uint32_t>{1});
}

TEST(TimerWheel, ALongPauseExpiresEverythingThatIsDue) {
  TimerWheel wheel(0);
  const uint64_t revolution = uint64_t{kWheelTickMs} * kWheelBuckets;
  for (uint32_t slot = 0; slot < 50; ++slot) wheel.Set(slot, slot * revolution / 10);
  EXPECT_EQ(Advance(&wheel, 3 * revolution + kWheelTickMs).size(), 31U);
  EXPECT_EQ(Advance(&wheel, 9 * revolution).size(), 19U);
}

TEST(TimerWheel, AgreesWithAMapOfDeadlines) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::Random random(seed);
    uint64_t now = 123456;
    TimerWheel wheel(now);
    std::map<uint32_t, uint64_t> model;
    for (int step = 0; step < 3000; ++step) {
      const uint32_t slot = random.Below(40);
      const uint32_t action = random.Below(10);
      if (action < 5) {
        const uint64_t deadline = now + random.Below(random.Below(2) == 0 ? 200 : 100000);
        wheel.Set(slot, deadline);
        model[slot] = deadline;
      } else if (action < 6) {
        wheel.Cancel(slot);
        model.erase(slot);
      } else {
        now += random.Below(random.Below(20) == 0 ? 80000 : 100);
        for (const uint32_t expired : Advance(&wheel, now)) {
          ASSERT_EQ(model.count(expired), 1U) << "seed " << seed;
          ASSERT_LE(model[expired], now) << "early, seed " << seed;
          model.erase(expired);
        }
        for (const auto& [left, deadline] : model) {
          ASSERT_GT(deadline + 2 * kWheelTickMs, now) << "late, seed " << seed << " slot " << left;
          ASSERT_LE(wheel.earliest_ms(), deadline + kWheelTickMs) << "seed " << seed;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice
