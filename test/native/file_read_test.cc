// Reads of what lies in the page cache: where they begin and end, and what they refuse.
#include "../../native/core/file_read.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

namespace sluice {
namespace {

/** A file that was just written lies in the cache. */
class FileReadTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = std::tmpfile();
    ASSERT_NE(file_, nullptr);
    for (int i = 0; i < 10000; ++i) text_ += static_cast<char>('a' + i % 26);
    ASSERT_EQ(std::fwrite(text_.data(), 1, text_.size(), file_), text_.size());
    ASSERT_EQ(std::fflush(file_), 0);
    uint8_t byte = 0;
    if (ReadCached(fd(), &byte, 1, 0) == -EOPNOTSUPP) GTEST_SKIP() << "no RWF_NOWAIT here";
  }
  void TearDown() override { std::fclose(file_); }

  [[nodiscard]] int fd() const { return ::fileno(file_); }

  std::string Read(uint64_t position, size_t length) {
    std::string into(length, '?');
    const int64_t count =
        ReadCached(fd(), reinterpret_cast<uint8_t*>(into.data()), length, position);
    EXPECT_GE(count, 0);
    into.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return into;
  }

  std::FILE* file_ = nullptr;
  std::string text_;
};

TEST_F(FileReadTest, ReadsFromAnyPosition) {
  EXPECT_EQ(Read(0, 26), text_.substr(0, 26));
  EXPECT_EQ(Read(4095, 3), text_.substr(4095, 3));
  EXPECT_EQ(Read(0, text_.size()), text_);
}

TEST_F(FileReadTest, EndsWhereTheFileEnds) {
  EXPECT_EQ(Read(text_.size() - 5, 100), text_.substr(text_.size() - 5));
  EXPECT_EQ(Read(text_.size(), 100), "");
  EXPECT_EQ(Read(uint64_t{1} << 40, 100), "");
}

TEST_F(FileReadTest, SeesAFileThatHasShrunk) {
  ASSERT_EQ(::ftruncate(fd(), 100), 0);
  EXPECT_EQ(Read(90, 100), text_.substr(90, 10));
  EXPECT_EQ(Read(100, 100), "");
}

TEST_F(FileReadTest, RefusesWhatIsNoFile) {
  uint8_t byte = 0;
  EXPECT_EQ(ReadCached(-1, &byte, 1, 0), -EBADF);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(ReadCached(ends[0], &byte, 1, 0), -ESPIPE);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice
