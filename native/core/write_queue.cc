// See write_queue.h.
#include "write_queue.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "live_objects.h"

namespace sluice {

namespace {
constexpr uint32_t kBlockBytesMin = 4 * 1024;
constexpr uint32_t kBlockBytesMax = 256 * 1024;
/** Empty segments at the front are moved away when there are this many. */
constexpr uint32_t kFrontSegmentsMax = 32;
/** So far back a block with room is looked for, behind what came in shared. */
constexpr size_t kLookBackMax = 8;
}  // namespace

Block* Block::Create(uint32_t capacity) {
  void* memory = std::malloc(sizeof(Block) + capacity);
  if (memory == nullptr) std::abort();
  ++TheLiveObjects().blocks;
  return new (memory) Block(capacity);
}

void Block::Release() {
  if (--references_ > 0) return;
  --TheLiveObjects().blocks;
  this->~Block();
  std::free(this);
}

void Block::Append(const uint8_t* from, uint32_t count) {
  std::memcpy(bytes() + length_, from, count);
  length_ += count;
}

void WriteQueue::Append(const uint8_t* from, uint32_t count) {
  size_ += count;
  const uint32_t fits = AppendToOpenBlock(from, count);
  from += fits;
  count -= fits;
  if (count == 0) return;
  const uint32_t wanted = std::clamp(size_, kBlockBytesMin, kBlockBytesMax);
  Block* block = Block::Create(std::max(count, wanted));
  block->Append(from, count);
  segments_.push_back({block, 0, count, false});
}

/**
 * A queue that gets messages of its own between those of topics must not take a block for each.
 * @returns bytes that found room
 */
uint32_t WriteQueue::AppendToOpenBlock(const uint8_t* from, uint32_t count) {
  const size_t size = segments_.size();
  const size_t first = std::max<size_t>(front_, size > kLookBackMax ? size - kLookBackMax : 0);
  for (size_t i = size; i-- > first;) {
    Segment& segment = segments_[i];
    if (segment.shared) continue;
    Block* block = segment.block;
    const uint32_t start = block->length();
    const uint32_t fits = std::min(count, block->free_bytes());
    block->Append(from, fits);
    if (i + 1 == size) {
      segment.end += fits;
    } else if (fits > 0) {
      block->Acquire();
      segments_.push_back({block, start, start + fits, false});
    }
    return fits;
  }
  return 0;
}

void WriteQueue::AppendShared(Block* block, uint32_t start) {
  block->Acquire();
  segments_.push_back({block, start, block->length(), true});
  size_ += block->length() - start;
}

uint32_t WriteQueue::Peek(iovec* pieces, uint32_t pieces_max) const {
  uint32_t count = 0;
  for (size_t i = front_; i < segments_.size() && count < pieces_max; ++i) {
    const Segment& segment = segments_[i];
    pieces[count++] = {segment.block->bytes() + segment.start, segment.end - segment.start};
  }
  return count;
}

void WriteQueue::Consume(uint32_t count) {
  size_ -= count;
  while (count > 0) {
    Segment& first = segments_[front_];
    const uint32_t taken = std::min(count, first.end - first.start);
    first.start += taken;
    count -= taken;
    if (first.start == first.end) DropFront();
  }
  if (size_ == 0) Clear();
}

void WriteQueue::DropFront() {
  segments_[front_].block->Release();
  ++front_;
  if (front_ < kFrontSegmentsMax) return;
  segments_.erase(segments_.begin(), segments_.begin() + front_);
  front_ = 0;
}

void WriteQueue::Clear() {
  for (size_t i = front_; i < segments_.size(); ++i) segments_[i].block->Release();
  // A connection that is idle again must not keep the memory of its worst moment.
  std::vector<Segment>().swap(segments_);
  front_ = 0;
  size_ = 0;
}

}  // namespace sluice
