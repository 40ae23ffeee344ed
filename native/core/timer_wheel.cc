// See timer_wheel.h.
#include "timer_wheel.h"

#include <algorithm>

namespace sluice {

TimerWheel::TimerWheel(uint64_t now_ms) : done_tick_(now_ms / kWheelTickMs) {
  buckets_.fill(kNone);
}

void TimerWheel::Set(uint32_t slot, uint64_t deadline_ms) {
  if (slot >= nodes_.size()) nodes_.resize(std::max<size_t>(slot + 1, nodes_.size() * 2));
  Node& node = nodes_[slot];
  const uint64_t tick = std::max((deadline_ms + kWheelTickMs - 1) / kWheelTickMs, done_tick_ + 1);
  const bool later = node.bucket != kNone && tick >= node.deadline_tick && node.deadline_tick != 0;
  node.deadline_tick = tick;
  if (later) return;
  if (node.bucket != kNone) Unlink(slot);
  Link(slot, tick);
}

void TimerWheel::Cancel(uint32_t slot) {
  if (slot < nodes_.size() && nodes_[slot].bucket != kNone) Unlink(slot);
}

bool TimerWheel::Has(uint32_t slot) const {
  return slot < nodes_.size() && nodes_[slot].bucket != kNone;
}

void TimerWheel::Advance(uint64_t now_ms, std::vector<uint32_t>* expired) {
  const uint64_t now_tick = now_ms / kWheelTickMs;
  if (now_tick <= done_tick_) return;
  if (linked_ == 0 || now_ms < earliest_ms_) {
    done_tick_ = now_tick;
    return;
  }
  // After a long pause one revolution looks at every bucket.
  const uint64_t steps = std::min<uint64_t>(now_tick - done_tick_, kWheelBuckets);
  const uint64_t first = now_tick - steps + 1;
  done_tick_ = now_tick;
  for (uint64_t tick = first; tick <= now_tick; ++tick) Expire(tick, expired);
  FindEarliest();
}

void TimerWheel::Expire(uint64_t tick, std::vector<uint32_t>* expired) {
  uint32_t slot = buckets_[tick % kWheelBuckets];
  while (slot != kNone) {
    Node& node = nodes_[slot];
    const uint32_t next = node.next;
    const uint64_t deadline_tick = node.deadline_tick;
    if (deadline_tick <= done_tick_) {
      Unlink(slot);
      expired->push_back(slot);
    } else if (deadline_tick % kWheelBuckets != node.bucket) {
      Unlink(slot);
      Link(slot, deadline_tick);
    }
    slot = next;
  }
}

void TimerWheel::Link(uint32_t slot, uint64_t tick) {
  Node& node = nodes_[slot];
  node.deadline_tick = tick;
  node.bucket = static_cast<uint32_t>(tick % kWheelBuckets);
  node.previous = kNone;
  node.next = buckets_[node.bucket];
  if (node.next != kNone) nodes_[node.next].previous = slot;
  buckets_[node.bucket] = slot;
  ++linked_;
  earliest_ms_ = std::min(earliest_ms_, tick * kWheelTickMs);
}

void TimerWheel::Unlink(uint32_t slot) {
  Node& node = nodes_[slot];
  if (node.previous != kNone) {
    nodes_[node.previous].next = node.next;
  } else {
    buckets_[node.bucket] = node.next;
  }
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  node = Node{};
  --linked_;
  if (linked_ == 0) earliest_ms_ = kNever;
}

void TimerWheel::FindEarliest() {
  earliest_ms_ = kNever;
  if (linked_ == 0) return;
  for (uint64_t tick = done_tick_ + 1; tick <= done_tick_ + kWheelBuckets; ++tick) {
    if (buckets_[tick % kWheelBuckets] == kNone) continue;
    earliest_ms_ = tick * kWheelTickMs;
    return;
  }
}

}  // namespace sluice
