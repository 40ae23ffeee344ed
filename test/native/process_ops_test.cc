// Descriptors handed down, locks that end with their holder, Unix sockets, children.
#include "../../native/core/process_ops.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
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

TEST_F(ProcessOpsTest, ADatagramArrivesOrIsRefused) {
  EXPECT_EQ(SendDatagram(path("socket"), "x"), -ENOENT);
  EXPECT_EQ(SendDatagram("", "x"), -EINVAL);
  for (const std::string& name : {path("socket"), std::string(1, '\0') + folder_}) {
    const UniqueFd receiver(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const size_t length = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0);
    ASSERT_EQ(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(length)),
              0);
    ASSERT_EQ(SendDatagram(name, "READY=1\n"), 0);
    char text[32];
    ASSERT_EQ(::recv(receiver.get(), text, sizeof(text), 0), 8);
    EXPECT_EQ(std::string(text, 8), "READY=1\n");
    int result = 0;
    for (int i = 0; i < 100000 && result == 0; ++i) result = SendDatagram(name, "x");
    EXPECT_EQ(result, -EAGAIN);
  }
}

/** A child that lives until the other end of its pipe is closed; then it runs `end`. */
template <typename End>
pid_t StartChild(int* release, End end) {
  int pipes[2];
  EXPECT_EQ(::pipe(pipes), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    (void)::close(pipes[1]);
    (void)!::read(pipes[0], &byte, 1);
    end();
    ::_exit(99);
  }
  (void)::close(pipes[0]);
  *release = pipes[1];
  return child;
}

int EndingOf(int process_fd) {
  pollfd entry{process_fd, POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 10000), 1);
  return WaitProcess(process_fd);
}

TEST_F(ProcessOpsTest, AChildsEndingIsToldByItsDescriptor) {
  int release = -1;
  const pid_t child = StartChild(&release, [] { ::_exit(7); });
  const UniqueFd process(OpenProcess(child));
  ASSERT_TRUE(process.valid());
  EXPECT_EQ(::fcntl(process.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(WaitProcess(process.get()), -EAGAIN);
  (void)::close(release);
  EXPECT_EQ(EndingOf(process.get()), 7);
  EXPECT_EQ(WaitProcess(process.get()), -ECHILD);
  EXPECT_EQ(OpenProcess(child), -ESRCH);
  EXPECT_LT(WaitProcess(0), 0);
}

TEST_F(ProcessOpsTest, AKilledChildTellsTheSignal) {
  int release = -1;
  const pid_t child = StartChild(&release, [] {});
  // A zombie, too, can be opened and waited for: it may have died while nobody looked.
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const UniqueFd process(OpenProcess(child));
  ASSERT_TRUE(process.valid());
  EXPECT_EQ(EndingOf(process.get()), kEndedBySignal + SIGKILL);
  (void)::close(release);
}

TEST_F(ProcessOpsTest, AnotherProgramGetsItsDescriptorsAndNoOther) {
  UniqueFd kept(::open("/dev/null", O_RDWR | O_CLOEXEC));
  UniqueFd other(::open("/dev/null", O_RDWR));
  int release = -1;
  const std::string script =
      "[ -e /proc/self/fd/1 ] && [ \"$NAME\" = value ] && [ -e /proc/self/fd/" +
      std::to_string(kept.get()) + " ] && ! [ -e /proc/self/fd/" + std::to_string(other.get()) +
      " ] && exit 5";
  const pid_t child = StartChild(&release, [&] {
    (void)::fcntl(1, F_SETFD, FD_CLOEXEC);
    (void)ReplaceProgram("/bin/sh", {"sh", "-c", script}, {"NAME=value"}, {kept.get()});
  });
  const UniqueFd process(OpenProcess(child));
  (void)::close(release);
  EXPECT_EQ(EndingOf(process.get()), 5);
}

TEST_F(ProcessOpsTest, AProgramThatCannotRunChangesNothing) {
  const UniqueFd kept(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::fcntl(1, F_SETFD, FD_CLOEXEC), 0);
  EXPECT_EQ(ReplaceProgram(path("none"), {"none"}, {}, {kept.get()}), -ENOENT);
  EXPECT_EQ(::fcntl(kept.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(ReplaceProgram("/bin/true", {"true"}, {}, {kept.get(), 100000}), -EBADF);
  EXPECT_EQ(::fcntl(kept.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(1, F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::fcntl(1, F_SETFD, 0), 0);
}

}  // namespace
}  // namespace sluice
