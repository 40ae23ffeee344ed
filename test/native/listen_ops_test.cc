// Listening in its three forms: whose socket file is replaced, what is refused, what remains.
#include "../../native/core/listen_ops.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "../../native/core/limits.h"
#include "../../native/core/poller.h"
#include "../../native/core/unique_fd.h"

namespace sluice {
namespace {

class ListenOps : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-listen-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string Path(const char* name = "s") const { return folder_ + "/" + name; }

  [[nodiscard]] static int ConnectTo(const std::string& path) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == 0 ? 0 : 1);
    const int result =
        ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length));
    return result == 0 ? 0 : -errno;
  }

  std::string folder_;
};

TEST_F(ListenOps, APathIsListenedOnWithItsModeAndUnlinkedOnce) {
  SocketFile file;
  const UniqueFd fd(ListenOnPath(Path(), 0600, 16, &file));
  ASSERT_TRUE(fd.valid());
  struct stat made {};
  ASSERT_EQ(::stat(Path().c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 0777U, 0600U);
  EXPECT_EQ(ConnectTo(Path()), 0);
  SocketName name;
  ASSERT_EQ(LocalName(fd.get(), &name), 0);
  EXPECT_EQ(std::string(name.text, name.length), Path());
  EXPECT_EQ(name.port, 0);
  file.Remove();
  EXPECT_NE(::stat(Path().c_str(), &made), 0);
}

TEST_F(ListenOps, ADeadServersFileIsReplacedALivingOnesIsNot) {
  SocketFile first;
  UniqueFd fd(ListenOnPath(Path(), -1, 16, &first));
  ASSERT_TRUE(fd.valid());
  SocketFile second;
  EXPECT_EQ(ListenOnPath(Path(), -1, 16, &second), -EADDRINUSE);
  EXPECT_EQ(ConnectTo(Path()), 0);
  fd.Reset();
  const UniqueFd next(ListenOnPath(Path(), -1, 16, &second));
  ASSERT_TRUE(next.valid());
  EXPECT_EQ(ConnectTo(Path()), 0);
}

TEST_F(ListenOps, AFileThatIsNotOursAnyMoreStays) {
  SocketFile first;
  const UniqueFd fd(ListenOnPath(Path(), -1, 16, &first));
  ASSERT_EQ(::unlink(Path().c_str()), 0);
  SocketFile second;
  const UniqueFd next(ListenOnPath(Path(), -1, 16, &second));
  ASSERT_TRUE(next.valid());
  first.Remove();
  EXPECT_EQ(ConnectTo(Path()), 0);
}

TEST_F(ListenOps, FilesOfAnotherKindStay) {
  const UniqueFd plain(::open(Path().c_str(), O_CREAT | O_WRONLY, 0600));
  SocketFile file;
  EXPECT_EQ(ListenOnPath(Path(), -1, 16, &file), -EADDRINUSE);
  ASSERT_EQ(::symlink(Path("nowhere").c_str(), Path("link").c_str()), 0);
  EXPECT_EQ(ListenOnPath(Path("link"), -1, 16, &file), -EADDRINUSE);
  EXPECT_EQ(::access(Path().c_str(), F_OK), 0);
  EXPECT_EQ(ListenOnPath(Path("no/folder"), -1, 16, &file), -ENOENT);
}

TEST_F(ListenOps, ThePathsLengthIsBounded) {
  const std::string longest = Path(std::string(kSocketPathBytesMax, 'x').c_str());
  SocketFile file;
  EXPECT_EQ(ListenOnPath("", -1, 16, &file), -EINVAL);
  EXPECT_EQ(ListenOnPath(longest.substr(0, kSocketPathBytesMax + 1), -1, 16, &file), -EINVAL);
  const UniqueFd fd(ListenOnPath(longest.substr(0, kSocketPathBytesMax), -1, 16, &file));
  EXPECT_TRUE(fd.valid());
  SocketName name;
  ASSERT_EQ(LocalName(fd.get(), &name), 0);
  EXPECT_EQ(name.length, kSocketPathBytesMax);
}

TEST_F(ListenOps, AnAbstractNameLeavesNoFile) {
  const std::string name = std::string(1, '\0') + folder_;
  SocketFile file;
  const UniqueFd fd(ListenOnPath(name, 0600, 16, &file));
  ASSERT_TRUE(fd.valid());
  EXPECT_TRUE(file.path.empty());
  EXPECT_EQ(ConnectTo(name), 0);
  SocketName local;
  ASSERT_EQ(LocalName(fd.get(), &local), 0);
  EXPECT_EQ(std::string(local.text, local.length), name);
  EXPECT_EQ(ListenOnPath(name, -1, 16, &file), -EADDRINUSE);
}

TEST_F(ListenOps, OnlyListeningStreamSocketsArePrepared) {
  EXPECT_EQ(PrepareListener(9999), -EBADF);
  const UniqueFd plain(::open("/dev/null", O_RDONLY));
  EXPECT_EQ(PrepareListener(plain.get()), -ENOTSOCK);
  const UniqueFd datagram(::socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_EQ(PrepareListener(datagram.get()), -EPROTOTYPE);
  const UniqueFd silent(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(PrepareListener(silent.get()), -EINVAL);
  EXPECT_EQ(::fcntl(silent.get(), F_GETFL) & O_NONBLOCK, 0) << "what is refused stays as it was";
  ASSERT_EQ(::listen(silent.get(), 4), 0);
  EXPECT_EQ(PrepareListener(silent.get()), 0);
  EXPECT_NE(::fcntl(silent.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(silent.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ListenOps, AcceptedSocketsInheritWhatTheListenerWasTuned) {
  const UniqueFd listening(ListenOn("127.0.0.1", 0, 16));
  AcceptedOptions options;
  options.not_sent_low_bytes = 131072;
  options.user_timeout_ms = 30000;
  options.keep_alive_s = 60;
  ASSERT_EQ(SetAcceptedOptions(listening.get(), options), 0);
  SocketName name;
  ASSERT_EQ(LocalName(listening.get(), &name), 0);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(name.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const UniqueFd accepted(::accept(listening.get(), nullptr, nullptr));
  const auto option = [&accepted](int level, int which) {
    int value = -1;
    socklen_t length = sizeof(value);
    EXPECT_EQ(::getsockopt(accepted.get(), level, which, &value, &length), 0);
    return value;
  };
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 131072);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 60);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), static_cast<int>(kKeepAliveProbes));
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
}

}  // namespace
}  // namespace sluice
