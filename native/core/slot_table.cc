// See slot_table.h.
#include "slot_table.h"

#include "live_objects.h"

namespace sluice {

Connection* SlotTable::Allocate() {
  uint32_t slot;
  if (slots_used_ < slots_max_ && free_.size() < kRestingSlotsMin) {
    slot = slots_used_++;
    if (slot % kChunkSlots == 0) chunks_.push_back(std::make_unique<Connection[]>(kChunkSlots));
    At(slot)->slot = slot;
  } else if (!free_.empty()) {
    slot = free_.front();
    free_.pop_front();
  } else {
    return nullptr;
  }
  Connection* connection = At(slot);
  connection->generation =
      connection->generation == kGenerationMax ? 1 : connection->generation + 1;
  connection->in_use = true;
  ++live_count_;
  ++TheLiveObjects().connections;
  return connection;
}

void SlotTable::Release(Connection* connection) {
  const uint32_t slot = connection->slot;
  const uint32_t generation = connection->generation;
  connection->~Connection();
  new (connection) Connection();
  connection->slot = slot;
  connection->generation = generation;
  free_.push_back(slot);
  --live_count_;
  --TheLiveObjects().connections;
}

}  // namespace sluice
