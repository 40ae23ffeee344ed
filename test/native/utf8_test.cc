// UTF-8 in pieces against a slow twin that reads whole texts.
#include "../../native/core/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "random.h"

namespace sluice {
namespace {

/** How many bytes may be read before the text cannot become valid any more; -1: all of them. */
int FirstImpossible(const std::string& text) {
  Utf8Stream stream;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (!stream.Push(&byte, 1)) return static_cast<int>(i);
  }
  return -1;
}

bool IsValid(const std::string& text) {
  Utf8Stream stream;
  return stream.Push(reinterpret_cast<const uint8_t*>(text.data()), text.size()) &&
         stream.IsComplete();
}

TEST(Utf8Stream, FailsAtTheFirstImpossibleByte) {
  const struct {
    std::string text;
    int at;
  } cases[] = {
      {"\xc3\xa9", -1},
      {"\xed\x9f\xbf", -1},
      {"\xf4\x8f\xbf\xbf", -1},
      {"\xee\x80\x80", -1},
      {"a\x80", 1},
      {"\xc0\xaf", 0},
      {"\xc1", 0},
      {"\xe0\x9f", 1},
      {"\xed\xa0", 1},
      {"\xf0\x8f", 1},
      {"\xf4\x90", 1},
      {"\xf5", 0},
      {"\xff", 0},
      {"\xe2\x82"
       "a",
       2},
      {"\xe2\xc2", 1},
      {"\xf0\x9f\x98"
       "a",
       3},
      {"12345678\xff", 8},
  };
  for (const auto& each : cases) EXPECT_EQ(FirstImpossible(each.text), each.at) << each.text;
}

TEST(Utf8Stream, KnowsCodePointsAndNothingElse) {
  // Every code point, and every surrogate, by the arithmetic of RFC 3629.
  for (uint32_t point = 0x80; point <= 0x110000; point += point < 0x900 ? 1 : 41) {
    std::string text;
    if (point < 0x800) {
      text += static_cast<char>(0xc0 | (point >> 6));
    } else if (point < 0x10000) {
      text += static_cast<char>(0xe0 | (point >> 12));
      text += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    } else {
      text += static_cast<char>(0xf0 | (point >> 18));
      text += static_cast<char>(0x80 | ((point >> 12) & 0x3f));
      text += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    }
    text += static_cast<char>(0x80 | (point & 0x3f));
    const bool is_scalar = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    ASSERT_EQ(IsValid(text), is_scalar) << std::hex << point;
    if (is_scalar) {
      ASSERT_FALSE(IsValid(text.substr(0, text.size() - 1)));
    }
  }
}

TEST(Utf8Stream, CutsChangeNothing) {
  test::Random random(7);
  const std::string pieces[] = {"ascii only", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80",
                                "\x80"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t i = random.Below(12); i > 0; --i) text += pieces[random.Below(round % 8 ? 4 : 5)];
    Utf8Stream stream;
    bool is_ascii = true;
    bool valid = true;
    for (size_t at = 0; valid && at < text.size();) {
      const size_t length = std::min<size_t>(1 + random.Below(11), text.size() - at);
      valid = stream.Push(reinterpret_cast<const uint8_t*>(text.data()) + at, length);
      at += length;
    }
    for (const char byte : text) is_ascii = is_ascii && static_cast<uint8_t>(byte) < 0x80;
    ASSERT_EQ(valid && stream.IsComplete(), IsValid(text)) << "round " << round;
    if (valid) {
      ASSERT_EQ(stream.IsAscii(), is_ascii) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace sluice
