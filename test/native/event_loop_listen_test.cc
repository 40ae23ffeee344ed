// Listeners inside the loop: what a closed one leaves behind, and inherited ones.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "../../native/core/listen_ops.h"
#include "event_loop_rig.h"

namespace sluice {
namespace {

using EventLoopListen = EventLoopRig;

bool IsReadable(int fd, int timeout_ms) {
  pollfd readable{fd, POLLIN, 0};
  return ::poll(&readable, 1, timeout_ms) == 1;
}

TEST_F(EventLoopListen, AnInheritedListenerServesAndIsSilentAfterItsClose) {
  for (const bool exclusive : {false, true}) {
    const UniqueFd kept(ListenOn("127.0.0.1", 0, 16));
    SocketName name;
    ASSERT_EQ(LocalName(kept.get(), &name), 0);
    port_ = name.port;
    const int index = loop_->ListenDescriptor(::dup(kept.get()), exclusive);
    ASSERT_EQ(index, 1);
    EXPECT_EQ(loop_->ListenerPort(1), port_);
    Connect();
    EXPECT_EQ(Accept().value, 1);
    loop_->CloseListener(1);
    // The socket lives on in `kept`, and a client waits there: no business of this loop any more.
    Connect();
    EXPECT_TRUE(IsReadable(kept.get(), 1000));
    EXPECT_FALSE(IsReadable(loop_->fd(), 0));
  }
}

TEST_F(EventLoopListen, ARefusedDescriptorStaysItsOwners) {
  const UniqueFd silent(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(loop_->ListenDescriptor(silent.get(), false), -EINVAL);
  EXPECT_GE(::fcntl(silent.get(), F_GETFD), 0);
  UniqueFd twice(ListenOn("127.0.0.1", 0, 16));
  EXPECT_EQ(loop_->ListenDescriptor(twice.get(), false), 1);
  EXPECT_EQ(loop_->ListenDescriptor(twice.get(), false), -EEXIST);
  EXPECT_GE(::fcntl(twice.Release(), F_GETFD), 0);
}

TEST_F(EventLoopListen, AnExclusiveListenerRestsAndComesBack) {
  const int listening = ListenOn("127.0.0.1", 0, 16);
  ASSERT_EQ(loop_->ListenDescriptor(listening, true), 1);
  port_ = loop_->ListenerPort(1);
  test::TheKernel().accept4.push_back({.error = EMFILE});
  Connect();
  EXPECT_TRUE(Turn().empty());
  EXPECT_FALSE(IsReadable(loop_->fd(), 0)) << "a resting listener wakes nobody";
  test::TheKernel().clock_offset_ms += kAcceptPauseMs;
  loop_->Wait();
  EXPECT_EQ(Accept().kind, kEventOpen);
}

TEST_F(EventLoopListen, AFailedPathLeavesNoListener) {
  const uint32_t before = loop_->open_count();
  EXPECT_EQ(loop_->ListenPath("", -1, 16), -EINVAL);
  EXPECT_EQ(loop_->ListenPath("/nowhere/at/all", -1, 16), -ENOENT);
  EXPECT_EQ(loop_->open_count(), before);
}

}  // namespace
}  // namespace sluice
