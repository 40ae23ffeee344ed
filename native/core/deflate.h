// Raw DEFLATE streams (RFC 1951) as permessage-deflate uses them (RFC 7692 section 7.2): a message
// is compressed with a sync flush whose last four bytes are left out, and inflated as its bytes
// arrive into room that the caller bounds. Knows nothing of frames beyond the header that a
// compressed message gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "utf8.h"

// What zlib.h calls z_stream; the header itself stays out of those who use the streams.
struct z_stream_s;

namespace sluice {

/** zlib's bounds; it compresses with no window below 2^9 but never refers back further than 250
 * then. */
inline constexpr int kWindowBitsMin = 8;
inline constexpr int kWindowBitsMax = 15;
inline constexpr int kDeflateLevelMin = 1;
inline constexpr int kDeflateLevelMax = 9;
inline constexpr int kDeflateMemLevelMin = 1;
inline constexpr int kDeflateMemLevelMax = 9;

/** The longest header of a server frame: two bytes and eight of length. */
inline constexpr size_t kFrameHeaderBytesMax = 10;

/** Streams that exist in this process, and the memory that zlib holds for them. */
struct StreamTotals {
  int64_t streams;
  int64_t bytes;
};
[[nodiscard]] StreamTotals LiveStreams();

/** One z_stream that is counted. Stays where it is: zlib points back to it. */
class ZlibStream {
 public:
  ZlibStream(const ZlibStream&) = delete;
  ZlibStream& operator=(const ZlibStream&) = delete;

 protected:
  ZlibStream();
  ~ZlibStream();

  std::unique_ptr<z_stream_s> z_;
};

class Deflater : public ZlibStream {
 public:
  /**
   * @param window_bits 8..15: the peer's window is 2^window_bits bytes
   * @param level 1..9  @param mem_level 1..9
   * @returns nullptr when there is no memory or an argument is out of range
   */
  [[nodiscard]] static std::unique_ptr<Deflater> Create(int window_bits, int level, int mem_level);
  ~Deflater();

  /** Bytes that Frame() may need for a payload of `length` bytes. */
  [[nodiscard]] static size_t FrameBound(size_t length);

  /**
   * Compresses a message into a whole frame.
   * @param first_byte FIN, RSV1 and the opcode
   * @param capacity at least FrameBound(length)
   * @returns the frame's length; 0 when there is not enough room, or zlib fails: the stream has
   * then forgotten what was sent, so a peer that has not must not get another message from it
   */
  [[nodiscard]] size_t Frame(uint8_t first_byte, const uint8_t* bytes, size_t length, uint8_t* out,
                             size_t capacity);
  /** Forgets what was sent: the next message refers to nothing before it. */
  void Reset();

 private:
  Deflater() = default;
  /** @returns its length, at least 1; 0 when zlib fails */
  [[nodiscard]] size_t Payload(const uint8_t* bytes, size_t length, uint8_t* out, size_t capacity);
};

enum class InflateStatus : int32_t {
  /** All input is consumed; of the last piece: the message is whole and valid. */
  kDone = 0,
  /** The room is full and there may be more: come again with the rest of the input. */
  kFull = 1,
  kCorrupt = -1,
  kInvalidText = -2,
  kNoMemory = -3,
};

struct InflateResult {
  InflateStatus status;
  size_t consumed;
  size_t produced;
};

class Inflater : public ZlibStream {
 public:
  /** @param window_bits 8..15, what the peer keeps to @returns nullptr as above */
  [[nodiscard]] static std::unique_ptr<Inflater> Create(int window_bits);
  ~Inflater();

  /**
   * A new message begins. @param is_text its bytes are judged as UTF-8
   * @param forget it refers to nothing before it
   */
  void Begin(bool is_text, bool forget);
  /**
   * Inflates the next piece of the message.
   * @param is_last no piece follows: what the sender left out is added, and the end is judged
   * @param out room for `capacity` bytes; nothing is written beyond it
   */
  [[nodiscard]] InflateResult Push(const uint8_t* bytes, size_t length, bool is_last, uint8_t* out,
                                   size_t capacity);
  /** True while every byte of the message was below 0x80; only judged for texts. */
  [[nodiscard]] bool IsAscii() const { return utf8_.IsAscii(); }
  /** What is wrong with the message, after kCorrupt. A static text. */
  [[nodiscard]] const char* Reason() const { return reason_; }

 private:
  Inflater() = default;
  [[nodiscard]] InflateStatus Run();
  [[nodiscard]] InflateStatus RunTail();
  [[nodiscard]] bool IsBetweenBlocks() const;
  [[nodiscard]] InflateStatus Corrupt(const char* reason);

  Utf8Stream utf8_;
  bool is_text_ = false;
  /** The last block of a stream has just ended; what follows is a new one. */
  bool at_stream_end_ = false;
  /** Bytes of the added tail that are consumed. */
  uint32_t tail_at_ = 0;
  const char* reason_ = "";
};

}  // namespace sluice
