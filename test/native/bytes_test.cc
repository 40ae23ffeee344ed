// The mask, the scan for frames, SHA-256 and HMAC against known answers and against slow twins.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "../../native/core/frame_scan.h"
#include "../../native/core/sha256.h"
#include "../../native/core/unmask.h"
#include "random.h"

namespace sluice {
namespace {

const uint8_t* Bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

std::string Hex(const Sha256Digest& digest) {
  std::string text;
  char pair[3];
  for (const uint8_t byte : digest) {
    (void)std::snprintf(pair, sizeof(pair), "%02x", byte);
    text += pair;
  }
  return text;
}

TEST(Unmask, AgreesWithTheByteLoopAtEveryLengthAndOffset) {
  test::Random random(1);
  for (size_t length = 0; length < 130; ++length) {
    for (size_t offset = 0; offset < 9; ++offset) {
      std::vector<uint8_t> bytes(offset + length + 4);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next());
      std::vector<uint8_t> expected = bytes;
      const auto mask = static_cast<uint32_t>(random.Next());
      bool ascii = true;
      for (size_t i = 0; i < length; ++i) {
        expected[offset + i] ^= static_cast<uint8_t>(mask >> (8 * (i % 4)));
        ascii = ascii && expected[offset + i] < 0x80;
      }
      EXPECT_EQ(Unmask(bytes.data() + offset, length, mask), ascii);
      ASSERT_EQ(bytes, expected) << "length " << length << " offset " << offset;
    }
  }
}

TEST(Unmask, EveryPathAgreesForLongPayloadsAtEveryAlignment) {
  test::Random random(2);
  std::vector<UnmaskPath> paths = {UnmaskPath::kWords, UnmaskPath::kVector16};
  if (WidestUnmaskPath() == UnmaskPath::kVector32) paths.push_back(UnmaskPath::kVector32);
  for (const UnmaskPath path : paths) {
    for (const size_t length : {511, 512, 513, 640, 1000, 4099, 65537}) {
      for (size_t offset = 0; offset < 33; ++offset) {
        std::vector<uint8_t> bytes(offset + length + 40);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next());
        std::vector<uint8_t> expected = bytes;
        const auto mask = static_cast<uint32_t>(random.Next());
        for (size_t i = 0; i < length; ++i) {
          expected[offset + i] ^= static_cast<uint8_t>(mask >> (8 * (i % 4)));
        }
        EXPECT_FALSE(UnmaskBy(path, bytes.data() + offset, length, mask));
        ASSERT_EQ(bytes, expected) << "length " << length << " offset " << offset;
      }
    }
  }
}

TEST(Unmask, OneByteAboveAsciiIsSeenByEveryPathWhereverItIs) {
  constexpr size_t kLength = 700;
  for (const UnmaskPath path : {UnmaskPath::kWords, UnmaskPath::kVector16, WidestUnmaskPath()}) {
    std::vector<uint8_t> bytes(kLength + 3, 'a');
    EXPECT_TRUE(UnmaskBy(path, bytes.data() + 3, kLength, 0));
    for (size_t at = 0; at < kLength; ++at) {
      bytes[3 + at] = 0x80;
      ASSERT_FALSE(UnmaskBy(path, bytes.data() + 3, kLength, 0)) << at;
      bytes[3 + at] = 'a';
    }
  }
}

std::vector<uint8_t> MaskedFrame(uint8_t first, const std::string& payload) {
  std::vector<uint8_t> frame = {first};
  if (payload.size() < 126) {
    frame.push_back(static_cast<uint8_t>(0x80 | payload.size()));
  } else {
    frame.insert(frame.end(), {0xfe, static_cast<uint8_t>(payload.size() >> 8),
                               static_cast<uint8_t>(payload.size())});
  }
  const uint8_t mask[] = {1, 2, 3, 4};
  frame.insert(frame.end(), mask, mask + 4);
  for (size_t i = 0; i < payload.size(); ++i) {
    frame.push_back(static_cast<uint8_t>(static_cast<uint8_t>(payload[i]) ^ mask[i % 4]));
  }
  return frame;
}

/** The copy lies at the very end of its memory, so that a read beyond it is seen. */
size_t ScanCopy(const std::vector<uint8_t>& bytes, size_t length, std::vector<uint8_t>* after) {
  after->assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
  after->shrink_to_fit();
  return ScanFrames(after->data(), length);
}

TEST(ScanFrames, TakesWholeSimpleFramesAndStopsAtEveryCut) {
  const struct {
    uint8_t first;
    std::string payload;
    uint8_t flag;
  } frames[] = {{0x81, "hello", 0},
                {0x82, "", 0},
                {0x81, "\xc3\xa9", 1},
                {0x82, std::string(126, '\x7f'), 0},
                {0x81, std::string(300, '\x80'), 1}};
  std::vector<uint8_t> all;
  std::vector<size_t> ends = {0};
  for (const auto& each : frames) {
    const std::vector<uint8_t> frame = MaskedFrame(each.first, each.payload);
    all.insert(all.end(), frame.begin(), frame.end());
    ends.push_back(all.size());
  }
  std::vector<uint8_t> after;
  for (size_t length = 0; length <= all.size(); ++length) {
    size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= length) ++whole;
    EXPECT_EQ(ScanCopy(all, length, &after), ends[whole]) << "cut at " << length;
    for (size_t i = 0; i < whole; ++i) {
      const std::string& payload = frames[i].payload;
      const uint8_t* from = after.data() + ends[i + 1] - payload.size();
      EXPECT_TRUE(std::equal(payload.begin(), payload.end(), reinterpret_cast<const char*>(from)));
      EXPECT_EQ(from[-4], frames[i].flag);
    }
  }
}

TEST(ScanFrames, LeavesWhatIsNotSimpleUntouched) {
  const std::vector<uint8_t> others[] = {{0x01, 0x81, 1, 2, 3, 4, 5},
                                         {0xc1, 0x81, 1, 2, 3, 4, 5},
                                         {0x80, 0x81, 1, 2, 3, 4, 5},
                                         {0x88, 0x80, 1, 2, 3, 4},
                                         {0x89, 0x80, 1, 2, 3, 4},
                                         {0x81, 0x01, 1, 2, 3, 4, 5},
                                         {0x83, 0x80, 1, 2, 3, 4},
                                         {0x81, 0xfe, 0, 125, 1, 2, 3, 4},
                                         {0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}};
  for (const std::vector<uint8_t>& other : others) {
    std::vector<uint8_t> bytes = MaskedFrame(0x81, "a");
    const size_t simple = bytes.size();
    bytes.insert(bytes.end(), other.begin(), other.end());
    std::vector<uint8_t> after;
    EXPECT_EQ(ScanCopy(bytes, bytes.size(), &after), simple);
    EXPECT_TRUE(std::equal(other.begin(), other.end(), after.begin() + 7));
  }
}

TEST(Sha256, GivesTheAnswersOfTheStandard) {
  const struct {
    std::string text;
    const char* digest;
  } cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1000000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Hex(Sha256Finish(Sha256Start(), 0, Bytes(each.text), each.text.size())), each.digest);
  }
}

TEST(Sha256, TheFastWayAgreesWithThePortableOne) {
  test::Random random(2);
  for (size_t blocks = 0; blocks < 20; ++blocks) {
    std::vector<uint8_t> bytes(blocks * kSha256BlockBytes + 1);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next());
    Sha256State fast = Sha256Start();
    Sha256State portable = Sha256Start();
    Sha256Blocks(&fast, bytes.data() + 1, blocks);
    Sha256BlocksPortable(&portable, bytes.data() + 1, blocks);
    EXPECT_EQ(fast, portable) << blocks << " blocks, accelerated " << Sha256IsAccelerated();
  }
}

TEST(HmacKey, GivesTheAnswersOfRfc4231) {
  const struct {
    std::string secret;
    std::string text;
    const char* mac;
  } cases[] = {
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const auto& each : cases) {
    const HmacKey key(Bytes(each.secret), each.secret.size());
    EXPECT_EQ(Hex(key.Sign(Bytes(each.text), each.text.size())), each.mac);
    EXPECT_TRUE(key.Verify(Bytes(each.text), each.text.size(), each.mac, 64));
    EXPECT_FALSE(key.Verify(Bytes(each.text), each.text.size() - 1, each.mac, 64));
    EXPECT_FALSE(key.Verify(Bytes(each.text), each.text.size(), each.mac, 63));
  }
}

}  // namespace
}  // namespace sluice
