// The poller: level-triggered, tokens come back as they were, removal is final.
#include "../../native/core/poller.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

namespace sluice {
namespace {

TEST(Poller, ReportsReadinessWithTheTokenUntilItIsUsedUp) {
  Poller poller;
  ASSERT_EQ(poller.Open(), 0);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const uint64_t token = 0xfedcba9876543210ULL;
  ASSERT_EQ(poller.Add(pipe_fds[0], EPOLLIN, token), 0);
  epoll_event events[4];
  EXPECT_EQ(poller.Wait(events, 4), 0);
  ASSERT_EQ(::write(pipe_fds[1], "x", 1), 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(poller.Wait(events, 4), 1);
    EXPECT_EQ(static_cast<uint64_t>(events[0].data.u64), token);
  }
  ASSERT_EQ(poller.Modify(pipe_fds[0], 0, token), 0);
  EXPECT_EQ(poller.Wait(events, 4), 0);
  ASSERT_EQ(poller.Modify(pipe_fds[0], EPOLLIN, 5), 0);
  ASSERT_EQ(poller.Wait(events, 4), 1);
  poller.Remove(pipe_fds[0]);
  EXPECT_EQ(poller.Wait(events, 4), 0);
  (void)::close(pipe_fds[0]);
  (void)::close(pipe_fds[1]);
}

TEST(Poller, ReportsErrorsAsNegativeErrno) {
  Poller poller;
  ASSERT_EQ(poller.Open(), 0);
  EXPECT_EQ(poller.Add(-1, EPOLLIN, 1), -EBADF);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  EXPECT_EQ(poller.Modify(pipe_fds[0], EPOLLIN, 1), -ENOENT);
  (void)::close(pipe_fds[0]);
  (void)::close(pipe_fds[1]);
  poller.Close();
  epoll_event event;
  EXPECT_EQ(poller.Wait(&event, 1), -EBADF);
}

}  // namespace
}  // namespace sluice
