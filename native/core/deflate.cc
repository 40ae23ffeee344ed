// See deflate.h. zlib is the one that the node binary exports; the native tests use the system's.
#include "deflate.h"

#include <malloc.h>
#include <zlib.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace sluice {

namespace {

/** What the sender leaves out at the end of every message (RFC 7692 section 7.2.1). */
constexpr uint8_t kTail[] = {0x00, 0x00, 0xff, 0xff};
/** An empty message: the header of an empty stored block (RFC 7692 section 7.2.3.6). */
constexpr uint8_t kEmptyMessage = 0x00;
/** zlib cannot compress with 2^8; with 2^9 it never looks back further than 2^9 - 262 bytes. */
constexpr int kDeflateWindowBitsMin = 9;
/** A sync flush on top of what deflateBound(3) promises for one that finishes. */
constexpr size_t kFlushBytes = 16;
constexpr int kBlockEnded = 128;
constexpr int kUnusedBits = 63;

// Counters of this process for tests and metrics; no stream depends on them.
std::atomic<int64_t> live_streams{0};
std::atomic<int64_t> live_bytes{0};

void* Allocate(void*, unsigned items, unsigned size) {
  void* memory = std::malloc(static_cast<size_t>(items) * size);
  if (memory != nullptr) {
    live_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(memory)),
                         std::memory_order_relaxed);
  }
  return memory;
}

void Free(void*, void* memory) {
  if (memory == nullptr) return;
  live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(memory)), std::memory_order_relaxed);
  std::free(memory);
}

size_t HeaderLength(size_t length) {
  return length < 126 ? 2 : length < 0x10000 ? 4 : kFrameHeaderBytesMax;
}

/** Big-endian length in its shortest form (RFC 6455 section 5.2). */
void WriteHeader(uint8_t* at, uint8_t first_byte, size_t length) {
  at[0] = first_byte;
  const size_t header = HeaderLength(length);
  if (header == 2) {
    at[1] = static_cast<uint8_t>(length);
    return;
  }
  at[1] = header == 4 ? 126 : 127;
  const size_t width = header - 2;
  for (size_t i = 0; i < width; ++i) {
    at[2 + i] = static_cast<uint8_t>(length >> (8 * (width - 1 - i)));
  }
}

}  // namespace

StreamTotals LiveStreams() {
  return {live_streams.load(std::memory_order_relaxed), live_bytes.load(std::memory_order_relaxed)};
}

ZlibStream::ZlibStream() : z_(std::make_unique<z_stream_s>()) {
  std::memset(z_.get(), 0, sizeof(*z_));
  z_->zalloc = Allocate;
  z_->zfree = Free;
  live_streams.fetch_add(1, std::memory_order_relaxed);
}

ZlibStream::~ZlibStream() {
  live_streams.fetch_sub(1, std::memory_order_relaxed);
}

// ---- Deflater --------------------------------------------------------------

std::unique_ptr<Deflater> Deflater::Create(int window_bits, int level, int mem_level) {
  if (window_bits < kWindowBitsMin || window_bits > kWindowBitsMax) return nullptr;
  if (level < kDeflateLevelMin || level > kDeflateLevelMax) return nullptr;
  if (mem_level < kDeflateMemLevelMin || mem_level > kDeflateMemLevelMax) return nullptr;
  const int bits = window_bits < kDeflateWindowBitsMin ? kDeflateWindowBitsMin : window_bits;
  std::unique_ptr<Deflater> made(new Deflater());
  const int status =
      deflateInit2(made->z_.get(), level, Z_DEFLATED, -bits, mem_level, Z_DEFAULT_STRATEGY);
  return status == Z_OK ? std::move(made) : nullptr;
}

// Without a state, after a failed Create(), zlib refuses and does nothing.
Deflater::~Deflater() {
  (void)deflateEnd(z_.get());
}

size_t Deflater::FrameBound(size_t length) {
  // The part of deflateBound(3) that holds for every window and memory level.
  return length + ((length + 7) >> 3) + ((length + 63) >> 6) + kFlushBytes + kFrameHeaderBytesMax;
}

size_t Deflater::Frame(uint8_t first_byte, const uint8_t* bytes, size_t length, uint8_t* out,
                       size_t capacity) {
  if (capacity < FrameBound(length)) return 0;
  // Most messages shrink within the class of their length; the others move by two or six bytes.
  const size_t guess = HeaderLength(length);
  const size_t payload = Payload(bytes, length, out + guess, capacity - guess);
  if (payload == 0) return 0;
  const size_t header = HeaderLength(payload);
  if (header != guess) std::memmove(out + header, out + guess, payload);
  WriteHeader(out, first_byte, payload);
  return header + payload;
}

size_t Deflater::Payload(const uint8_t* bytes, size_t length, uint8_t* out, size_t capacity) {
  if (length == 0) {
    // A second flush without input between would write nothing at all.
    *out = kEmptyMessage;
    return 1;
  }
  z_->next_in = const_cast<uint8_t*>(bytes);
  z_->avail_in = static_cast<unsigned>(length);
  z_->next_out = out;
  z_->avail_out = static_cast<unsigned>(capacity);
  const int status = deflate(z_.get(), Z_SYNC_FLUSH);
  // Room left over is how zlib says that the flush is whole.
  if (status != Z_OK || z_->avail_in != 0 || z_->avail_out == 0) {
    Reset();
    return 0;
  }
  return capacity - z_->avail_out - sizeof(kTail);
}

void Deflater::Reset() {
  (void)deflateReset(z_.get());
}

// ---- Inflater --------------------------------------------------------------

std::unique_ptr<Inflater> Inflater::Create(int window_bits) {
  if (window_bits < kWindowBitsMin || window_bits > kWindowBitsMax) return nullptr;
  std::unique_ptr<Inflater> made(new Inflater());
  return inflateInit2(made->z_.get(), -window_bits) == Z_OK ? std::move(made) : nullptr;
}

Inflater::~Inflater() {
  (void)inflateEnd(z_.get());
}

void Inflater::Begin(bool is_text, bool forget) {
  if (forget) (void)inflateReset(z_.get());
  utf8_.Reset();
  is_text_ = is_text;
  at_stream_end_ = false;
  tail_at_ = 0;
}

InflateResult Inflater::Push(const uint8_t* bytes, size_t length, bool is_last, uint8_t* out,
                             size_t capacity) {
  z_->next_in = const_cast<uint8_t*>(bytes);
  z_->avail_in = static_cast<unsigned>(length);
  z_->next_out = out;
  z_->avail_out = static_cast<unsigned>(capacity);
  InflateStatus status = Run();
  const size_t consumed = length - z_->avail_in;
  if (status == InflateStatus::kDone && is_last) status = RunTail();
  const size_t produced = capacity - z_->avail_out;
  // Also what came before corrupt data: the first impossible byte decides.
  if (is_text_ && !utf8_.Push(out, produced)) status = InflateStatus::kInvalidText;
  if (status == InflateStatus::kDone && is_last && is_text_ && !utf8_.IsComplete()) {
    status = InflateStatus::kInvalidText;
  }
  return {status, consumed, produced};
}

/** Consumes the input that is set, over the ends of streams; first what was left for want of room.
 */
InflateStatus Inflater::Run() {
  do {
    if (z_->avail_in > 0) at_stream_end_ = false;
    const int status = inflate(z_.get(), Z_SYNC_FLUSH);
    if (status == Z_STREAM_END) {
      // A last block need not be the message's last (RFC 7692 section 7.2.3.4); the window is kept.
      (void)inflateResetKeep(z_.get());
      at_stream_end_ = true;
    } else if (status == Z_MEM_ERROR) {
      return InflateStatus::kNoMemory;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return Corrupt(z_->msg == nullptr ? "needs a dictionary" : z_->msg);
    }
    if (z_->avail_out == 0) return InflateStatus::kFull;
  } while (z_->avail_in > 0);
  return InflateStatus::kDone;
}

/** The message has arrived: adds what its sender has left out, and judges where it ends. */
InflateStatus Inflater::RunTail() {
  z_->next_in = const_cast<uint8_t*>(kTail + tail_at_);
  z_->avail_in = sizeof(kTail) - tail_at_;
  const InflateStatus status = Run();
  tail_at_ = static_cast<uint32_t>(sizeof(kTail) - z_->avail_in);
  if (status == InflateStatus::kCorrupt || status == InflateStatus::kNoMemory) return status;
  if (tail_at_ == sizeof(kTail) && IsBetweenBlocks()) return InflateStatus::kDone;
  if (status == InflateStatus::kFull) return status;
  return Corrupt("ends inside a block");
}

bool Inflater::IsBetweenBlocks() const {
  const int state = z_->data_type;
  return at_stream_end_ || ((state & kBlockEnded) != 0 && (state & kUnusedBits) == 0);
}

InflateStatus Inflater::Corrupt(const char* reason) {
  reason_ = reason;
  return InflateStatus::kCorrupt;
}

}  // namespace sluice
