// Descriptors handed down, locks that end with their holder, Unix sockets, children.
#include "../../native/core/process_ops.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "../../native/core/limits.h"
#include "../../native/core/listen_ops.h"
#include "../../native/core/unique_fd.h"

namespace sluice {
namespace {

class ProcessOpsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-process-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    (void)::unlink(path("lock").c_str());
    (void)::unlink(path("socket").c_str());
    EXPECT_EQ(::rmdir(folder_.c_str()), 0);
  }
  [[nodiscard]] std::string path(const char* name) const { return folder_ + "/" + name; }

  std::string folder_;
};

TEST_F(ProcessOpsTest, ADuplicateIsClosedByExecAndNoStandardStream) {
  const UniqueFd copy(DuplicateDescriptor(0));
  ASSERT_GE(copy.get(), 3);
  EXPECT_EQ(::fcntl(copy.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(DuplicateDescriptor(100000), -EBADF);
}

TEST_F(ProcessOpsTest, ALockHasOneHolderAndEndsWithIt) {
  UniqueFd first(OpenLocked(path("lock")));
  ASSERT_TRUE(first.valid());
  EXPECT_EQ(OpenLocked(path("lock")), -EAGAIN);
  first.Reset();
  const UniqueFd second(OpenLocked(path("lock")));
  EXPECT_TRUE(second.valid());
}

TEST_F(ProcessOpsTest, AFileThatIsUnlinkedIsNoLongerTheLock) {
  const UniqueFd first(OpenLocked(path("lock")));
  ASSERT_EQ(::unlink(path("lock").c_str()), 0);
  const UniqueFd second(OpenLocked(path("lock")));
  EXPECT_TRUE(second.valid());
}

TEST_F(ProcessOpsTest, ALockInAFolderThatIsNotThereFails) {
  EXPECT_EQ(OpenLocked(path("none/lock")), -ENOENT);
}

TEST_F(ProcessOpsTest, ConnectsToWhoListensOnly) {
  EXPECT_EQ(ConnectPath(path("socket")), -ENOENT);
  SocketFile file;
  UniqueFd listener(ListenOnPath(path("socket"), 0600, 8, &file));
  ASSERT_TRUE(listener.valid());
  const UniqueFd client(ConnectPath(path("socket")));
  ASSERT_TRUE(client.valid());
  EXPECT_EQ(::fcntl(client.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  listener.Reset();
  EXPECT_EQ(ConnectPath(path("socket")), -ECONNREFUSED);
}

TEST_F(ProcessOpsTest, ConnectsToAnAbstractName) {
  const std::string name = std::string(1, '\0') + folder_;
  SocketFile file;
  const UniqueFd listener(ListenOnPath(name, -1, 8, &file));
  ASSERT_TRUE(listener.valid());
  const UniqueFd client(ConnectPath(name));
  EXPECT_TRUE(client.valid());
}

TEST_F(ProcessOpsTest, APathHasBounds) {
  EXPECT_EQ(ConnectPath(""), -EINVAL);
  EXPECT_EQ(ConnectPath(std::string(kSocketPathBytesMax + 1, 'x')), -EINVAL);
  EXPECT_EQ(ConnectPath(std::string(kSocketPathBytesMax, 'x')), -ENOENT);
}

TEST_F(ProcessOpsTest, ReapsAChildOnceItHasEnded) {
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    (void)!::read(pipes[0], &byte, 1);
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  EXPECT_EQ(ReapChild(child), 0);
  ASSERT_EQ(::write(pipes[1], "x", 1), 1);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(ReapChild(child), child);
  EXPECT_EQ(ReapChild(child), -ECHILD);
  (void)::close(pipes[0]);
  (void)::close(pipes[1]);
}

}  // namespace
}  // namespace sluice
