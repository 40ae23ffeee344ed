// UTF-8 (RFC 3629) judged while it arrives, in pieces of any size. Knows nothing of messages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class Utf8Stream {
 public:
  /** Judges the next bytes. @returns false when no continuation can make the text valid */
  [[nodiscard]] bool Push(const uint8_t* bytes, size_t length);
  /** True between characters: a text may end here. */
  [[nodiscard]] bool IsComplete() const { return missing_ == 0; }
  /** True while every byte was below 0x80. */
  [[nodiscard]] bool IsAscii() const { return is_ascii_; }
  void Reset() { *this = Utf8Stream(); }

 private:
  [[nodiscard]] bool Step(uint8_t byte);
  [[nodiscard]] bool Begin(uint8_t byte);

  /** Continuation bytes that the character in progress still needs. */
  uint8_t missing_ = 0;
  /** What the next continuation byte must lie in: excludes overlong forms and surrogates. */
  uint8_t low_ = 0x80;
  uint8_t high_ = 0xbf;
  bool is_ascii_ = true;
};

}  // namespace sluice
