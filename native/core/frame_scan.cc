// See frame_scan.h; RFC 6455 section 5.2 has the layout.
#include "frame_scan.h"

#include <cstring>

#include "unmask.h"

namespace sluice {

namespace {
constexpr size_t kMaskBytes = 4;
constexpr size_t kShortHeaderBytes = 2 + kMaskBytes;
constexpr size_t kLongHeaderBytes = 4 + kMaskBytes;
constexpr uint8_t kFinalText = 0x81;
constexpr uint8_t kFinalBinary = 0x82;
constexpr uint8_t kMasked = 0x80;
/** Stands for a length of 16 bits, which must then be at least as large. */
constexpr size_t kLength16 = 126;

struct SimpleFrame {
  size_t header_bytes;
  size_t payload_bytes;
};

/** @returns false unless bytes[0, available) begins with a simple frame that is whole */
bool ReadSimple(const uint8_t* bytes, size_t available, SimpleFrame* frame) {
  if (available < kShortHeaderBytes) return false;
  if ((bytes[0] != kFinalText && bytes[0] != kFinalBinary) || bytes[1] < kMasked) return false;
  frame->header_bytes = kShortHeaderBytes;
  frame->payload_bytes = bytes[1] - kMasked;
  if (frame->payload_bytes >= kLength16) {
    if (frame->payload_bytes > kLength16 || available < kLongHeaderBytes) return false;
    frame->header_bytes = kLongHeaderBytes;
    frame->payload_bytes = static_cast<size_t>(bytes[2]) << 8 | bytes[3];
    if (frame->payload_bytes < kLength16) return false;
  }
  return frame->payload_bytes <= available - frame->header_bytes;
}
}  // namespace

size_t ScanFrames(uint8_t* bytes, size_t length) {
  size_t at = 0;
  SimpleFrame frame;
  while (ReadSimple(bytes + at, length - at, &frame)) {
    uint8_t* payload = bytes + at + frame.header_bytes;
    uint32_t mask;
    std::memcpy(&mask, payload - kMaskBytes, kMaskBytes);
    payload[-static_cast<ptrdiff_t>(kMaskBytes)] =
        Unmask(payload, frame.payload_bytes, mask) ? 0 : 1;
    at += frame.header_bytes + frame.payload_bytes;
  }
  return at;
}

}  // namespace sluice
