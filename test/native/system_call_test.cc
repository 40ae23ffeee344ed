// The way into the kernel. These tests are linked with --wrap=recv, which stands in front of libc,
// so they also show that whoever does so gets every call. All integration tests go the direct way.
#include "../../native/core/system_call.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "../../native/core/unique_fd.h"

namespace sluice {
namespace {

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    left.Reset(fds[0]);
    right.Reset(fds[1]);
  }
  UniqueFd left;
  UniqueFd right;
};

TEST(SystemCall, IsNotDirectWhenSomebodyStandsInFrontOfLibc) {
  EXPECT_FALSE(CallsKernelDirectly());
}

TEST(SystemCall, MovesBytesBothWays) {
  Pair pair;
  char text[] = "onetwo";
  iovec pieces[] = {{text, 3}, {text + 3, 3}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  EXPECT_EQ(CallSend(pair.left.get(), "zero", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(CallSendMessage(pair.left.get(), message, MSG_NOSIGNAL), 6);
  char received[16] = {};
  EXPECT_EQ(CallReceive(pair.right.get(), received, sizeof received, MSG_DONTWAIT), 10);
  EXPECT_STREQ(received, "zeroonetwo");
}

TEST(SystemCall, ReturnsNegativeErrnos) {
  Pair pair;
  char byte = 0;
  EXPECT_EQ(CallReceive(pair.left.get(), &byte, 1, MSG_DONTWAIT), -EAGAIN);
  EXPECT_EQ(CallReceive(-1, &byte, 1, MSG_DONTWAIT), -EBADF);
  pair.right.Reset();
  EXPECT_EQ(CallReceive(pair.left.get(), &byte, 1, MSG_DONTWAIT), 0);
  EXPECT_EQ(CallSend(pair.left.get(), &byte, 1, MSG_NOSIGNAL), -EPIPE);
  EXPECT_EQ(CallSendMessage(-1, msghdr{}, MSG_NOSIGNAL), -EBADF);
}

}  // namespace
}  // namespace sluice
