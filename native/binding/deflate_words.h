// The words and flags of deflate_js.h. lib/native/deflate-layout.ts says the same; a test compares
// the two through the addon.
#pragma once

#include <cstdint>

namespace sluice {

inline constexpr uint32_t kDeflateWords = 16;
inline constexpr uint32_t kWordStart = 0;
inline constexpr uint32_t kWordEnd = 1;
inline constexpr uint32_t kWordOutStart = 2;
inline constexpr uint32_t kWordOutEnd = 3;
inline constexpr uint32_t kWordFlags = 4;
inline constexpr uint32_t kWordMask = 5;
inline constexpr uint32_t kWordConsumed = 6;
inline constexpr uint32_t kWordProduced = 7;
inline constexpr uint32_t kWordAscii = 8;

inline constexpr uint32_t kInflateBegin = 1;
inline constexpr uint32_t kInflateText = 2;
/** The message refers to nothing before it. */
inline constexpr uint32_t kInflateForget = 4;
inline constexpr uint32_t kInflateLast = 8;

/** The lower eight bits are the frame's first byte. */
inline constexpr uint32_t kDeflateForget = 0x100;
/** A frame that is not shorter than the plain one is not wanted: 0 is returned. */
inline constexpr uint32_t kDeflateIfSmaller = 0x200;
/** The data is a text. */
inline constexpr uint32_t kDeflateText = 0x400;

/** Texts that may need more than this travel as bytes. */
inline constexpr uint32_t kDeflateTextBytesMax = 1024 * 1024;
/** Streams of one kind in one environment: one per connection. */
inline constexpr uint32_t kStreamsMax = 1U << 20;

}  // namespace sluice
