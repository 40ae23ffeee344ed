// The memory that JavaScript and the engine share, and the layout of its integers.
// lib/native/layout.ts says the same; a test compares them. Owned by JavaScript.
#pragma once

#include <cstdint>

namespace sluice {

/** Words of the header. Cursors of the send side are reset by the engine only, after a flush. */
enum HeaderWord : uint32_t {
  kHeaderReceiveCount = 0,  // records of the batch that is being delivered
  kHeaderSendCount = 1,     // send records
  kHeaderSendCursor = 2,    // bytes used in the send slab
  kHeaderFanoutCursor = 3,  // slots used in the fan-out list
  kHeaderWants = 4,         // WantBit: which crossings JavaScript asks for before the flush
  kHeaderFlushCount = 5,
  kHeaderSendCalls = 6,          // send and sendmsg calls so far (wraps)
  kHeaderQueuedConnections = 7,  // connections whose write queue is not empty
  // Each of these takes two words, the lower half first.
  kHeaderQueuedBytes = 8,     // of all write queues
  kHeaderSentBytes = 10,      // taken by the kernel so far
  kHeaderReceivedBytes = 12,  // delivered so far
  kHeaderOneSentBytes = 14,   // what ReadCounters was asked for
  kHeaderOneReceivedBytes = 16,
  kHeaderQueuedBytesMax = 18,  // the most that kHeaderQueuedBytes was
  kHeaderOneTakenBytes = 20,   // by the peer's side; also what ReadCounters was asked for
  kHeaderWords = 32,
};

enum WantBit : int32_t {
  kWantCommit = 1,
  kWantBeforeFlush = 2,
};

/** Sets a count that takes two words. */
inline void SetWideHeader(int32_t* header, HeaderWord word, uint64_t value) {
  header[word] = static_cast<int32_t>(static_cast<uint32_t>(value));
  header[word + 1] = static_cast<int32_t>(static_cast<uint32_t>(value >> 32));
}

/** A receive record: slot, generation, kind, start, end, value, port, 0. */
inline constexpr uint32_t kReceiveStride = 8;
enum EventKind : int32_t {
  kEventOpen = 1,   // [start, end) is the peer's address, value the listener, port the peer's
  kEventData = 2,   // [start, end) of the receive slab
  kEventEnd = 3,    // the peer sent FIN
  kEventDrain = 4,  // pending bytes fell below the low mark
  kEventDeadline = 5,
  kEventClose = 6,           // value: 0 or a negative errno, port: unsent bytes; the last one
  kEventListenerFailed = 7,  // slot: the listener, value: a negative errno
};

/** A send record: operation, slot, generation, start, length, count. */
inline constexpr uint32_t kSendStride = 6;
enum SendOperation : int32_t {
  kSendWrite = 1,   // [start, start + length) to one connection
  kSendFanout = 2,  // the same to `count` slots that begin at `slot` in the fan-out list
  kSendEnd = 3,
  kSendClose = 4,
  kSendReset = 5,
  kSendDrop = 6,  // close(2) at once, without RST and without lingering
  kSendPause = 7,
  kSendResume = 8,
  kSendDeadline = 9,  // length: milliseconds from now, 0 switches it off
  kSendMarks = 10,    // start: the low mark, length: the high one
  kSendNotice = 11,   // a drain record is due once pending bytes are below the low mark
};

struct SharedMemory {
  uint8_t* receive_slab = nullptr;
  uint32_t receive_bytes = 0;
  uint8_t* send_slab = nullptr;
  uint32_t send_bytes = 0;
  int32_t* header = nullptr;
  int32_t* receive_records = nullptr;
  uint32_t receive_records_max = 0;
  int32_t* send_records = nullptr;
  uint32_t send_records_max = 0;
  int32_t* fanout_slots = nullptr;
  uint32_t fanout_slots_max = 0;
  /** Per slot: bytes accepted and not yet taken by the kernel. JavaScript adds, a flush corrects.
   */
  int32_t* pending = nullptr;
  uint32_t slots_max = 0;
};

}  // namespace sluice
