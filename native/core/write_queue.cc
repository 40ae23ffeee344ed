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

WriteQueue::Pieces& WriteQueue::Need() {
  if (pieces_ == nullptr) pieces_ = std::make_unique<Pieces>();
  return *pieces_;
}

void WriteQueue::Append(const uint8_t* from, uint32_t count) {
  if (count == 0) return;
  Pieces& pieces = Need();
  pieces.bytes += count;
  const uint32_t fits = AppendToOpenBlock(from, count);
  from += fits;
  count -= fits;
  if (count == 0) return;
  const uint32_t wanted = std::clamp(pieces.bytes, kBlockBytesMin, kBlockBytesMax);
  Block* block = Block::Create(std::max(count, wanted));
  block->Append(from, count);
  pieces.segments.push_back({block, 0, count, false});
}

/**
 * A queue that gets messages of its own between those of topics must not take a block for each.
 * @returns bytes that found room
 */
uint32_t WriteQueue::AppendToOpenBlock(const uint8_t* from, uint32_t count) {
  std::vector<Segment>& segments = pieces_->segments;
  const size_t size = segments.size();
  const size_t first =
      std::max<size_t>(pieces_->front, size > kLookBackMax ? size - kLookBackMax : 0);
  for (size_t i = size; i-- > first;) {
    Segment& segment = segments[i];
    if (segment.shared) continue;
    Block* block = segment.block;
    const uint32_t start = block->length();
    const uint32_t fits = std::min(count, block->free_bytes());
    block->Append(from, fits);
    if (i + 1 == size) {
      segment.end += fits;
    } else if (fits > 0) {
      block->Acquire();
      segments.push_back({block, start, start + fits, false});
    }
    return fits;
  }
  return 0;
}

void WriteQueue::AppendShared(Block* block, uint32_t start) {
  if (start == block->length()) return;
  Pieces& pieces = Need();
  block->Acquire();
  pieces.segments.push_back({block, start, block->length(), true});
  pieces.bytes += block->length() - start;
}

uint32_t WriteQueue::Peek(iovec* into, uint32_t pieces_max) const {
  if (pieces_ == nullptr) return 0;
  const std::vector<Segment>& segments = pieces_->segments;
  uint32_t count = 0;
  for (size_t i = pieces_->front; i < segments.size() && count < pieces_max; ++i) {
    const Segment& segment = segments[i];
    into[count++] = {segment.block->bytes() + segment.start, segment.end - segment.start};
  }
  return count;
}

void WriteQueue::Consume(uint32_t count) {
  if (count == 0) return;
  pieces_->bytes -= count;
  while (count > 0) {
    Segment& first = pieces_->segments[pieces_->front];
    const uint32_t taken = std::min(count, first.end - first.start);
    first.start += taken;
    count -= taken;
    if (first.start == first.end) DropFront();
  }
  if (pieces_->bytes == 0) Clear();
}

void WriteQueue::DropFront() {
  Pieces& pieces = *pieces_;
  pieces.segments[pieces.front].block->Release();
  ++pieces.front;
  if (pieces.front < kFrontSegmentsMax) return;
  pieces.segments.erase(pieces.segments.begin(), pieces.segments.begin() + pieces.front);
  pieces.front = 0;
}

/** A connection that is idle again does not keep the memory of its worst moment. */
void WriteQueue::Clear() {
  if (pieces_ == nullptr) return;
  const std::vector<Segment>& segments = pieces_->segments;
  for (size_t i = pieces_->front; i < segments.size(); ++i) segments[i].block->Release();
  pieces_.reset();
}

}  // namespace sluice
