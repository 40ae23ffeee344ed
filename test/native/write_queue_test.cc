// The queue of unsent bytes against a plain string.
#include "../../native/core/write_queue.h"

#include <gtest/gtest.h>

#include <string>

#include "../../native/core/live_objects.h"
#include "random.h"

namespace sluice {
namespace {

std::string Text(const WriteQueue& queue) {
  iovec pieces[4096];
  std::string text;
  const uint32_t count = queue.Peek(pieces, 4096);
  for (uint32_t i = 0; i < count; ++i) {
    text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return text;
}

// Bug: behind a shared block each message of its own took a block as large as the queue: sockets
// that do not read, and get both, held four times their budget.
TEST(WriteQueue, OwnBytesBetweenSharedOnesShareABlock) {
  const int32_t before = TheLiveObjects().blocks;
  const std::string own(1000, 'o');
  const std::string topic(1000, 't');
  WriteQueue queue;
  std::string model;
  Block* block = Block::Create(static_cast<uint32_t>(topic.size()));
  block->Append(reinterpret_cast<const uint8_t*>(topic.data()), 1000);
  for (int i = 0; i < 64; ++i) {
    queue.Append(reinterpret_cast<const uint8_t*>(own.data()), 1000);
    queue.AppendShared(block, 0);
    model += own + topic;
  }
  EXPECT_EQ(Text(queue), model);
  // Each block is as large as what is queued when it is made: their number is logarithmic.
  EXPECT_LE(TheLiveObjects().blocks - before, 1 + 8);
  for (const uint32_t count : {500U, 1000U, 40000U}) {
    queue.Consume(count);
    model.erase(0, count);
    EXPECT_EQ(Text(queue), model);
  }
  queue.Clear();
  block->Release();
  EXPECT_EQ(TheLiveObjects().blocks, before);
}

TEST(WriteQueue, AgreesWithAString) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    test::Random random(seed);
    WriteQueue queue;
    std::string model;
    for (int step = 0; step < 2000; ++step) {
      const std::string bytes(random.Below(random.Below(50) == 0 ? 300000 : 300) + 1,
                              static_cast<char>('a' + step % 26));
      const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
      switch (random.Below(4)) {
        case 0:
          queue.Append(from, static_cast<uint32_t>(bytes.size()));
          model += bytes;
          break;
        case 1: {
          Block* block = Block::Create(static_cast<uint32_t>(bytes.size()));
          block->Append(from, static_cast<uint32_t>(bytes.size()));
          const uint32_t start = random.Below(static_cast<uint32_t>(bytes.size()));
          queue.AppendShared(block, start);
          block->Release();
          model += bytes.substr(start);
          break;
        }
        default: {
          const uint32_t count = random.Below(static_cast<uint32_t>(model.size()) + 1);
          queue.Consume(count);
          model.erase(0, count);
        }
      }
      ASSERT_EQ(queue.size(), model.size()) << "seed " << seed;
      if (step % 50 == 0) {
        ASSERT_EQ(Text(queue), model) << "seed " << seed;
      }
    }
  }
}

TEST(WriteQueue, ABlockIsSharedAndNotCopied) {
  Block* block = Block::Create(4);
  block->Append(reinterpret_cast<const uint8_t*>("abcd"), 4);
  {
    WriteQueue a;
    WriteQueue b;
    a.AppendShared(block, 0);
    b.AppendShared(block, 2);
    b.Append(reinterpret_cast<const uint8_t*>("!"), 1);
    iovec piece;
    EXPECT_EQ(a.Peek(&piece, 1), 1U);
    EXPECT_EQ(piece.iov_base, block->bytes());
    EXPECT_EQ(Text(b), "cd!");
    EXPECT_FALSE(block->exclusive());
  }
  EXPECT_TRUE(block->exclusive());
  block->Release();
}

}  // namespace
}  // namespace sluice
