// What the kernel did not take of a connection's bytes: references to blocks, in order. Bytes of a
// fan-out are copied once and shared by all the connections that still owe them.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace sluice {

/** Reference-counted bytes; one thread only, so the count is a plain integer. */
class Block {
 public:
  /** A block with one reference and nothing in it. @param capacity bytes */
  [[nodiscard]] static Block* Create(uint32_t capacity);
  void Acquire() { ++references_; }
  void Release();

  [[nodiscard]] uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }
  [[nodiscard]] uint32_t length() const { return length_; }
  [[nodiscard]] uint32_t free_bytes() const { return capacity_ - length_; }
  [[nodiscard]] bool exclusive() const { return references_ == 1; }
  void Append(const uint8_t* from, uint32_t count);

 private:
  explicit Block(uint32_t capacity) : capacity_(capacity) {}

  uint32_t references_ = 1;
  uint32_t capacity_;
  uint32_t length_ = 0;
  uint32_t reserved_ = 0;
};

class WriteQueue {
 public:
  WriteQueue() = default;
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;
  ~WriteQueue() { Clear(); }

  [[nodiscard]] uint32_t size() const { return pieces_ == nullptr ? 0 : pieces_->bytes; }
  [[nodiscard]] bool empty() const { return pieces_ == nullptr; }

  /** Copies bytes to the end. */
  void Append(const uint8_t* from, uint32_t count);
  /** Adds [start, block->length()) of a shared block to the end, by reference. */
  void AppendShared(Block* block, uint32_t start);
  /** The first pieces, for sendmsg. @returns how many were filled; they stay owned by the queue. */
  [[nodiscard]] uint32_t Peek(iovec* into, uint32_t pieces_max) const;
  /** Drops the first `count` bytes, 0..size(). */
  void Consume(uint32_t count);
  /** Drops everything and gives the memory back. */
  void Clear();

 private:
  struct Segment {
    Block* block;
    uint32_t start;
    uint32_t end;
    bool shared;
  };

  struct Pieces {
    std::vector<Segment> segments;
    uint32_t front = 0;
    uint32_t bytes = 0;
  };

  [[nodiscard]] Pieces& Need();
  [[nodiscard]] uint32_t AppendToOpenBlock(const uint8_t* from, uint32_t count);
  void DropFront();

  /** nullptr: empty, as those of nearly all connections are. */
  std::unique_ptr<Pieces> pieces_;
};
static_assert(sizeof(WriteQueue) == sizeof(void*), "it is part of every connection");

}  // namespace sluice
