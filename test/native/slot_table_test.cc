// Slots, generations and tokens.
#include "../../native/core/slot_table.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice {
namespace {

TEST(SlotTable, AStaleTokenIsRecognised) {
  SlotTable slots;
  Connection* connection = slots.Allocate();
  const uint64_t token = MakeToken(connection->slot, connection->generation);
  EXPECT_EQ(slots.Resolve(token), connection);
  slots.Release(connection);
  EXPECT_EQ(slots.Resolve(token), nullptr);
  EXPECT_EQ(slots.Live(TokenSlot(token)), nullptr);
  EXPECT_EQ(slots.Resolve(MakeToken(kSlotsMax - 1, 1)), nullptr);
}

TEST(SlotTable, ASlotRestsBeforeItIsGivenOutAgain) {
  SlotTable slots;
  Connection* first = slots.Allocate();
  const uint32_t slot = first->slot;
  const uint32_t generation = first->generation;
  slots.Release(first);
  int others = 0;
  Connection* next = slots.Allocate();
  while (next->slot != slot) {
    slots.Release(next);
    next = slots.Allocate();
    ++others;
    ASSERT_LT(others, 1000);
  }
  EXPECT_GE(others, 63);
  EXPECT_GT(next->generation, generation);
}

TEST(SlotTable, NoTokenRepeatsWhileSlotsComeAndGo) {
  SlotTable slots(100);
  std::set<uint64_t> seen;
  for (int i = 0; i < 5000; ++i) {
    Connection* connection = slots.Allocate();
    ASSERT_NE(connection, nullptr);
    EXPECT_TRUE(seen.insert(MakeToken(connection->slot, connection->generation)).second);
    slots.Release(connection);
  }
}

TEST(SlotTable, GivesOutExactlyItsMaximum) {
  SlotTable slots(300);
  std::set<Connection*> all;
  for (int i = 0; i < 300; ++i) all.insert(slots.Allocate());
  EXPECT_EQ(all.size(), 300U);
  EXPECT_EQ(all.count(nullptr), 0U);
  EXPECT_EQ(slots.Allocate(), nullptr);
  slots.Release(*all.begin());
  EXPECT_EQ(slots.live_count(), 299U);
  EXPECT_NE(slots.Allocate(), nullptr);
}

TEST(SlotTable, TheGenerationWrapsToOne) {
  SlotTable slots(1);
  Connection* connection = slots.Allocate();
  connection->generation = kGenerationMax;
  slots.Release(connection);
  EXPECT_EQ(slots.Allocate()->generation, 1U);
}

}  // namespace
}  // namespace sluice
