// Compressed messages: the examples of RFC 7692, every parameter against itself, cuts, bounds, and
// what is not DEFLATE. The library is the system's zlib; test/integration tests the one that Node
// exports.
#include "../../native/core/deflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "random.h"

namespace sluice {
namespace {

constexpr uint8_t kFirstByte = 0xc1;

const uint8_t* Bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 3) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/** Inflates one message, its input cut into pieces and its output into rooms of these sizes. */
struct Inflated {
  InflateStatus status;
  std::string data;
  std::string reason;
  bool is_ascii;
};

Inflated InflateAll(Inflater* inflater, const std::string& input, size_t piece, size_t room,
                    bool is_text = false, bool forget = false) {
  inflater->Begin(is_text, forget);
  std::string data;
  std::vector<uint8_t> out(room);
  size_t at = 0;
  for (;;) {
    const size_t length = std::min(piece, input.size() - at);
    const bool is_last = at + length == input.size();
    const InflateResult result =
        inflater->Push(Bytes(input) + at, length, is_last, out.data(), room);
    data.append(reinterpret_cast<const char*>(out.data()), result.produced);
    at += result.consumed;
    const bool goes_on = result.status == InflateStatus::kFull ||
                         (result.status == InflateStatus::kDone && !is_last);
    if (!goes_on) return {result.status, data, inflater->Reason(), inflater->IsAscii()};
  }
}

std::string FrameOf(Deflater* deflater, const std::string& data) {
  std::vector<uint8_t> out(Deflater::FrameBound(data.size()));
  const size_t length =
      deflater->Frame(kFirstByte, Bytes(data), data.size(), out.data(), out.size());
  return std::string(reinterpret_cast<const char*>(out.data()), length);
}

std::string PayloadOf(const std::string& frame) {
  const auto form = static_cast<uint8_t>(frame[1]);
  return frame.substr(form < 126 ? 2 : form == 126 ? 4 : 10);
}

std::string RandomData(test::Random* random, size_t length) {
  const uint32_t kind = random->Below(4);
  std::string data(length, 'a');
  for (size_t i = 0; i < length; ++i) {
    if (kind == 0) data[i] = static_cast<char>(random->Next());
    if (kind == 1) data[i] = static_cast<char>('a' + random->Below(4));
    if (kind == 2) data[i] = i >= 200 && random->Below(9) > 0 ? data[i - 200] : 'x';
  }
  return data;
}

// RFC 7692 7.2.3.1 to 7.2.3.6, in the order of the sections.
TEST(Inflate, ReadsTheExamplesOfTheStandard) {
  const char* examples[] = {
      "f2 48 cd c9 c9 07 00",                    // one block
      "f2 00 11 00 00",                          // the same again, from the window
      "00 05 00 fa ff 48 65 6c 6c 6f 00",        // not compressed
      "f3 48 cd c9 c9 07 00 00",                 // BFINAL set
      "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",  // two blocks
  };
  const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
  for (const char* example : examples) {
    for (size_t piece = 1; piece < 14; ++piece) {
      const Inflated inflated = InflateAll(inflater.get(), FromHex(example), piece, 64, true);
      EXPECT_EQ(inflated.status, InflateStatus::kDone) << example;
      EXPECT_EQ(inflated.data, "Hello") << example;
      EXPECT_TRUE(inflated.is_ascii);
    }
  }
  EXPECT_EQ(InflateAll(inflater.get(), FromHex("00"), 1, 64).data, "");
}

TEST(Inflate, SaysWhatIsWrong) {
  const struct {
    const char* hex;
    const char* reason;
  } cases[] = {
      {"07 00", "invalid block type"},
      {"00 05 00 fb ff 48 00", "invalid stored block lengths"},
      {"f2 00 11 00 00", "invalid distance too far back"},
      {"f2 48 cd c9", "ends inside a block"},
      {"00 09 00 f6 ff 48 65", "ends inside a block"},
      // The octet that RFC 7692 7.2.3.4 adds behind a last block is missing.
      {"f3 48 cd c9 c9 07 00", "ends inside a block"},
  };
  for (const auto& each : cases) {
    for (size_t piece = 1; piece < 9; ++piece) {
      const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
      const Inflated inflated = InflateAll(inflater.get(), FromHex(each.hex), piece, 3);
      EXPECT_EQ(inflated.status, InflateStatus::kCorrupt) << each.hex;
      EXPECT_EQ(inflated.reason, each.reason) << each.hex;
    }
  }
}

TEST(Inflate, AMessageWithoutAByteEndsInsideABlock) {
  const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
  EXPECT_EQ(InflateAll(inflater.get(), "", 1, 8).status, InflateStatus::kCorrupt);
}

TEST(Inflate, ATextFailsAtItsFirstImpossibleByteThoughMoreIsToCome) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 6, 8);
  const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
  const std::string payload = PayloadOf(FrameOf(deflater.get(),
                                                "abc\xed\xa0\x80"
                                                "def"));
  uint8_t out[64];
  inflater->Begin(true, false);
  const InflateResult result =
      inflater->Push(Bytes(payload), payload.size(), false, out, sizeof(out));
  EXPECT_EQ(result.status, InflateStatus::kInvalidText);
}

TEST(Inflate, ATextMustNotEndInsideACharacter) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 6, 8);
  const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
  const std::string payload = PayloadOf(FrameOf(deflater.get(), "ab\xe6\x97"));
  EXPECT_EQ(InflateAll(inflater.get(), payload, 2, 2, true).status, InflateStatus::kInvalidText);
  EXPECT_EQ(InflateAll(inflater.get(), payload, 2, 2, false, true).status, InflateStatus::kDone);
}

TEST(Inflate, ABombIsStoppedAtTheRoomThatItGets) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 9, 9);
  const std::unique_ptr<Inflater> inflater = Inflater::Create(15);
  const std::string payload = PayloadOf(FrameOf(deflater.get(), std::string(16 << 20, '\0')));
  EXPECT_LT(payload.size(), 20000U);
  uint8_t out[4096];
  inflater->Begin(false, false);
  const InflateResult result =
      inflater->Push(Bytes(payload), payload.size(), true, out, sizeof(out));
  EXPECT_EQ(result.status, InflateStatus::kFull);
  EXPECT_EQ(result.produced, sizeof(out));
  EXPECT_LT(result.consumed, payload.size());
}

TEST(Deflate, WritesTheShortestHeader) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 6, 8);
  test::Random random(3);
  for (const size_t length : {1, 100, 125, 126, 150, 65000, 65535, 65600, 70000, 200000}) {
    for (const bool is_random : {true, false}) {
      std::string data(length, 'z');
      for (char& byte : data) byte = is_random ? static_cast<char>(random.Next()) : byte;
      deflater->Reset();
      const std::string frame = FrameOf(deflater.get(), data);
      const std::string payload = PayloadOf(frame);
      EXPECT_EQ(static_cast<uint8_t>(frame[0]), kFirstByte);
      const auto form = static_cast<uint8_t>(frame[1]);
      size_t announced = form;
      if (form >= 126) {
        announced = 0;
        for (size_t i = 2; i < (form == 126 ? 4U : 10U); ++i) {
          announced = announced << 8 | static_cast<uint8_t>(frame[i]);
        }
      }
      EXPECT_EQ(announced, payload.size());
      EXPECT_EQ(form, payload.size() < 126 ? payload.size() : payload.size() < 65536 ? 126 : 127);
    }
  }
}

TEST(Deflate, AnEmptyMessageIsOneByteEveryTime) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 6, 8);
  const std::string empty("\xc1\x01\x00", 3);
  for (const char* before : {"", "", "text", ""}) {
    if (*before != '\0') {
      EXPECT_GT(FrameOf(deflater.get(), before).size(), 3U);
    }
    EXPECT_EQ(FrameOf(deflater.get(), ""), empty);
  }
}

TEST(Deflate, EveryParameterGoesThereAndBackWithAndWithoutContext) {
  test::Random random(11);
  for (int window_bits = 8; window_bits <= 15; ++window_bits) {
    for (int mem_level = 1; mem_level <= 9; ++mem_level) {
      const int level = 1 + static_cast<int>(random.Below(9));
      const bool forget = random.Below(2) == 0;
      const std::unique_ptr<Deflater> deflater = Deflater::Create(window_bits, level, mem_level);
      const std::unique_ptr<Inflater> inflater = Inflater::Create(window_bits);
      for (int message = 0; message < 12; ++message) {
        const std::string data = RandomData(&random, random.Below(3000) * random.Below(12));
        if (forget) deflater->Reset();
        const std::string payload = PayloadOf(FrameOf(deflater.get(), data));
        const size_t piece = 1 + random.Below(2000);
        const Inflated inflated =
            InflateAll(inflater.get(), payload, piece, 1 + random.Below(4000), false, forget);
        ASSERT_EQ(inflated.status, InflateStatus::kDone) << window_bits << " " << mem_level;
        ASSERT_TRUE(inflated.data == data) << window_bits << " " << mem_level << " " << level;
      }
    }
  }
}

// zlib compresses 2^8 with a window of 2^9 but refers back 250 bytes at most. Room of one byte
// makes the peer's inflate look into its window for every reference, where nothing older than 256
// bytes is.
TEST(Deflate, AWindowOf256BytesIsKept) {
  test::Random random(5);
  for (int level = 1; level <= 9; ++level) {
    const std::unique_ptr<Deflater> deflater = Deflater::Create(8, level, 8);
    const std::unique_ptr<Inflater> inflater = Inflater::Create(8);
    for (int message = 0; message < 20; ++message) {
      std::string data(2000, 'a');
      for (size_t i = 0; i < data.size(); ++i) {
        const size_t back = 230 + random.Below(40);
        data[i] =
            i >= back && random.Below(20) > 0 ? data[i - back] : static_cast<char>(random.Next());
      }
      const std::string payload = PayloadOf(FrameOf(deflater.get(), data));
      const Inflated inflated = InflateAll(inflater.get(), payload, payload.size(), 1);
      ASSERT_EQ(inflated.status, InflateStatus::kDone) << level;
      ASSERT_TRUE(inflated.data == data);
    }
  }
}

TEST(Deflate, TooLittleRoomIsRefusedAndHarmsNothing) {
  const std::unique_ptr<Deflater> deflater = Deflater::Create(15, 6, 8);
  const std::string data(1000, 'q');
  std::vector<uint8_t> out(Deflater::FrameBound(data.size()));
  EXPECT_EQ(deflater->Frame(kFirstByte, Bytes(data), data.size(), out.data(), out.size() - 1), 0U);
  EXPECT_GT(deflater->Frame(kFirstByte, Bytes(data), data.size(), out.data(), out.size()), 0U);
}

TEST(Streams, AreRefusedOutsideTheirBoundsAndCountedInside) {
  const int64_t before = LiveStreams().streams;
  const int64_t bytes = LiveStreams().bytes;
  EXPECT_EQ(Deflater::Create(7, 6, 8), nullptr);
  EXPECT_EQ(Deflater::Create(16, 6, 8), nullptr);
  EXPECT_EQ(Deflater::Create(15, 0, 8), nullptr);
  EXPECT_EQ(Deflater::Create(15, 10, 8), nullptr);
  EXPECT_EQ(Deflater::Create(15, 6, 0), nullptr);
  EXPECT_EQ(Deflater::Create(15, 6, 10), nullptr);
  EXPECT_EQ(Inflater::Create(7), nullptr);
  EXPECT_EQ(Inflater::Create(16), nullptr);
  EXPECT_EQ(LiveStreams().streams, before);
  {
    const std::unique_ptr<Deflater> deflater = Deflater::Create(8, 1, 1);
    const std::unique_ptr<Inflater> inflater = Inflater::Create(8);
    EXPECT_EQ(LiveStreams().streams, before + 2);
    EXPECT_GT(LiveStreams().bytes, bytes);
  }
  EXPECT_EQ(LiveStreams().streams, before);
  EXPECT_EQ(LiveStreams().bytes, bytes);
}

// Whatever the bytes are, inflating them ends, stays in its room, and does not read astray.
TEST(Inflate, RandomBytesAndBitFlipsEndInAnAnswer) {
  test::Random random(23);
  const std::unique_ptr<Deflater> deflater = Deflater::Create(12, 6, 5);
  for (int round = 0; round < 3000; ++round) {
    deflater->Reset();
    std::string input = PayloadOf(FrameOf(deflater.get(), RandomData(&random, random.Below(600))));
    for (uint32_t flips = random.Below(4); flips > 0; --flips) {
      input[random.Below(static_cast<uint32_t>(input.size()))] ^=
          static_cast<char>(1 << random.Below(8));
    }
    const std::unique_ptr<Inflater> inflater = Inflater::Create(12);
    const Inflated inflated = InflateAll(inflater.get(), input, 1 + random.Below(64),
                                         1 + random.Below(64), random.Below(2) == 0);
    ASSERT_NE(inflated.status, InflateStatus::kFull) << "round " << round;
  }
}

}  // namespace
}  // namespace sluice
