// The sending half of the tick: two passes, so that whatever order the records of one flush have,
// each connection costs one system call. See event_loop.h.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "event_loop.h"
#include "socket_ops.h"

namespace sluice {

namespace {
constexpr uint32_t kNone = UINT32_MAX;
/** Smaller remainders of a fan-out are cheaper to copy than to share. */
constexpr uint32_t kSharedBytesMin = 512;
}  // namespace

void EventLoop::Flush() {
  const int32_t count = memory_.header[kHeaderSendCount];
  if (count <= 0 || static_cast<uint32_t>(count) > memory_.send_records_max) return;
  ChainRecords(static_cast<uint32_t>(count));
  for (Connection* connection : touched_) SendTouched(connection);
  touched_.clear();
  chain_.clear();
  for (Block* block : shared_blocks_) {
    if (block != nullptr) block->Release();
  }
  shared_blocks_.clear();
  ResetSendCursors();
}

void EventLoop::ResetSendCursors() {
  int32_t* header = memory_.header;
  const auto used = static_cast<uint32_t>(header[kHeaderSendCursor]);
  if (used > kSendSlabSoftBytes && used <= memory_.send_bytes) {
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto base = reinterpret_cast<uintptr_t>(memory_.send_slab);
    const uintptr_t start = (base + kSendSlabSoftBytes + page - 1) & ~(page - 1);
    const uintptr_t end = (base + used) & ~(page - 1);
    // Gives the pages of a rare large message back; a failure only costs memory.
    if (end > start) (void)::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
  }
  header[kHeaderSendCount] = 0;
  header[kHeaderSendCursor] = 0;
  header[kHeaderFanoutCursor] = 0;
  header[kHeaderFlushCount]++;
}

void EventLoop::ChainRecords(uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) ApplyRecord(memory_.send_records + i * kSendStride, i);
}

void EventLoop::ApplyRecord(const int32_t* record, uint32_t index) {
  if (record[0] == kSendFanout) {
    ChainFanout(record, index);
    return;
  }
  Connection* connection =
      slots_.Resolve(static_cast<uint32_t>(record[1]), static_cast<uint32_t>(record[2]));
  if (connection == nullptr || connection->closed) return;
  if (record[0] == kSendWrite) {
    Chain(connection, static_cast<uint32_t>(record[3]), static_cast<uint32_t>(record[4]), index);
  } else {
    ApplyControl(record, connection);
  }
}

void EventLoop::ApplyControl(const int32_t* record, Connection* connection) {
  switch (record[0]) {
    case kSendEnd:
      connection->end_requested = true;
      break;
    case kSendClose:
      connection->close_requested = true;
      DropHead(connection);
      wheel_.Set(connection->slot, NowMs() + (connection->fin_sent ? kLingerMs : kCloseFlushMs));
      if (connection->detached) Reattach(connection);
      break;
    case kSendReset:
      connection->reset_requested = true;
      break;
    case kSendMarks:
      connection->low_water = static_cast<uint32_t>(record[3]);
      connection->high_water = static_cast<uint32_t>(record[4]);
      return;
    case kSendNotice:
      connection->was_high = true;
      break;
    case kSendDrop:
      connection->drop_requested = true;
      break;
    case kSendPause:
      SetPaused(connection, true);
      return;
    case kSendResume:
      SetPaused(connection, false);
      return;
    case kSendDeadline:
      if (connection->close_requested) return;
      if (record[4] > 0) {
        wheel_.Set(connection->slot, NowMs() + static_cast<uint32_t>(record[4]));
      } else {
        wheel_.Cancel(connection->slot);
      }
      return;
    default:
      return;
  }
  Touch(connection);
}

void EventLoop::ChainFanout(const int32_t* record, uint32_t index) {
  const auto first = static_cast<uint32_t>(record[1]);
  const auto count = static_cast<uint32_t>(record[5]);
  if (first > memory_.fanout_slots_max || count > memory_.fanout_slots_max - first) return;
  const int32_t* slots = memory_.fanout_slots + first;
  for (uint32_t i = 0; i < count; ++i) {
    Connection* connection = slots_.Live(static_cast<uint32_t>(slots[i]));
    if (connection == nullptr || connection->closed) continue;
    Chain(connection, static_cast<uint32_t>(record[3]), static_cast<uint32_t>(record[4]), index);
  }
}

void EventLoop::Touch(Connection* connection) {
  if (connection->touched) return;
  connection->touched = true;
  touched_.push_back(connection);
}

void EventLoop::Chain(Connection* connection, uint32_t start, uint32_t length, uint32_t record) {
  if (start > memory_.send_bytes || length > memory_.send_bytes - start) return;
  Touch(connection);
  connection->chain_bytes += length;
  if (connection->chain_last != kNone) {
    ChainEntry& last = chain_[connection->chain_last];
    const bool adjacent = last.start + last.length == start;
    const bool both_single = memory_.send_records[last.record * kSendStride] == kSendWrite &&
                             memory_.send_records[record * kSendStride] == kSendWrite;
    if (adjacent && both_single) {
      last.length += length;
      return;
    }
  }
  const auto entry = static_cast<uint32_t>(chain_.size());
  chain_.push_back({start, length, kNone, record});
  if (connection->chain_last == kNone) {
    connection->chain_first = entry;
  } else {
    chain_[connection->chain_last].next = entry;
  }
  connection->chain_last = entry;
}

void EventLoop::SendTouched(Connection* connection) {
  connection->touched = false;
  const uint32_t first = connection->chain_first;
  if (connection->closed || connection->reset_requested) {
    connection->chain_first = connection->chain_last = kNone;
    connection->chain_bytes = 0;
    CloseNow(connection, 0, true);
    return;
  }
  if (first != kNone) {
    const uint64_t owed = uint64_t{connection->queue.size()} + connection->chain_bytes;
    if (owed >= connection->high_water) connection->was_high = true;
    if (connection->broken != 0 || owed > kPendingBytesMax) {
      if (connection->broken == 0) Break(connection, -ENOBUFS);
    } else if (connection->secure != nullptr) {
      SendSecureChain(connection);
    } else if (connection->queue.empty()) {
      SendChain(connection);
    } else {
      QueueChain(connection, first, 0);
    }
    connection->chain_first = connection->chain_last = kNone;
    connection->chain_bytes = 0;
  }
  AfterSend(connection);
}

void EventLoop::CountSent(Connection* connection, int64_t bytes) {
  connection->sent_bytes += static_cast<uint64_t>(bytes);
  sent_bytes_ += static_cast<uint64_t>(bytes);
  SetWideHeader(memory_.header, kHeaderSentBytes, sent_bytes_);
}

void EventLoop::SendChain(Connection* connection) {
  iovec pieces[kIovecsPerSendMax];
  uint32_t entry = connection->chain_first;
  while (entry != kNone) {
    const uint32_t first = entry;
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (; entry != kNone && count < kIovecsPerSendMax; entry = chain_[entry].next) {
      const ChainEntry& piece = chain_[entry];
      bytes += piece.length;
      uint8_t* from = memory_.send_slab + piece.start;
      if (count > 0 &&
          static_cast<uint8_t*>(pieces[count - 1].iov_base) + pieces[count - 1].iov_len == from) {
        pieces[count - 1].iov_len += piece.length;
      } else {
        pieces[count++] = {from, piece.length};
      }
    }
    memory_.header[kHeaderSendCalls]++;
    int64_t sent = SendSome(connection->fd.get(), pieces, count);
    if (sent == -EAGAIN) sent = 0;
    if (sent < 0) {
      Break(connection, static_cast<int>(sent));
      return;
    }
    CountSent(connection, sent);
    if (static_cast<uint64_t>(sent) < bytes) {
      QueueChain(connection, first, static_cast<uint32_t>(sent));
      return;
    }
  }
}

void EventLoop::QueueChain(Connection* connection, uint32_t entry, uint32_t skip) {
  for (; entry != kNone; entry = chain_[entry].next) {
    const ChainEntry& piece = chain_[entry];
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const uint8_t* from = memory_.send_slab + piece.start;
    const int32_t* record = memory_.send_records + piece.record * kSendStride;
    if (record[0] == kSendFanout && record[5] > 1 && piece.length - skip >= kSharedBytesMin) {
      if (shared_blocks_.size() <= piece.record) shared_blocks_.resize(piece.record + 1, nullptr);
      Block*& block = shared_blocks_[piece.record];
      if (block == nullptr) {
        block = Block::Create(piece.length);
        block->Append(from, piece.length);
      }
      connection->queue.AppendShared(block, skip);
    } else {
      connection->queue.Append(from + skip, piece.length - skip);
    }
    skip = 0;
  }
}

void EventLoop::SendQueue(Connection* connection) {
  iovec pieces[kIovecsPerSendMax];
  while (!connection->queue.empty()) {
    const uint32_t count = connection->queue.Peek(pieces, kIovecsPerSendMax);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; ++i) bytes += pieces[i].iov_len;
    memory_.header[kHeaderSendCalls]++;
    const int64_t sent = SendSome(connection->fd.get(), pieces, count);
    if (sent == -EAGAIN) break;
    if (sent < 0) {
      Break(connection, static_cast<int>(sent));
      break;
    }
    connection->queue.Consume(static_cast<uint32_t>(sent));
    CountSent(connection, sent);
    if (static_cast<uint64_t>(sent) < bytes) break;
  }
  // What JavaScript has written in this tick is not flushed yet and must stay in the count; between
  // ticks there is nothing of that kind.
  AfterSend(connection);
}

}  // namespace sluice
