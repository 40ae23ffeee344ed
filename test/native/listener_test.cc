// The accept policy and the names of errors.
#include "../../native/core/listener.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "../../native/core/error_code.h"
#include "../../native/core/listen_ops.h"
#include "../../native/core/socket_ops.h"

namespace sluice {
namespace {

TEST(Listener, ClassifiesEveryErrnoOfAccept) {
  const struct {
    int error;
    AcceptAction action;
  } cases[] = {
      {EAGAIN, AcceptAction::kYield},       {ECONNABORTED, AcceptAction::kRetry},
      {EINTR, AcceptAction::kRetry},        {EPROTO, AcceptAction::kRetry},
      {ENETDOWN, AcceptAction::kRetry},     {ENOPROTOOPT, AcceptAction::kRetry},
      {EHOSTDOWN, AcceptAction::kRetry},    {ENONET, AcceptAction::kRetry},
      {EHOSTUNREACH, AcceptAction::kRetry}, {EOPNOTSUPP, AcceptAction::kRetry},
      {ENETUNREACH, AcceptAction::kRetry},  {EPERM, AcceptAction::kRetry},
      {EMFILE, AcceptAction::kPause},       {ENFILE, AcceptAction::kPause},
      {ENOBUFS, AcceptAction::kPause},      {ENOMEM, AcceptAction::kPause},
      {EBADF, AcceptAction::kFail},         {EINVAL, AcceptAction::kFail},
      {ENOTSOCK, AcceptAction::kFail},      {EFAULT, AcceptAction::kFail},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(ClassifyAcceptError(-each.error), each.action) << each.error;
  }
}

TEST(ErrorCode, NamesWhatIsInTheTable) {
  EXPECT_STREQ(ErrorName(-ECONNRESET), "ECONNRESET");
  EXPECT_STREQ(ErrorName(-EMFILE), "EMFILE");
  EXPECT_EQ(ErrorName(-9999), nullptr);
  EXPECT_EQ(ErrorName(0), nullptr);
}

TEST(SocketOps, RefusesWhatIsNoAddress) {
  EXPECT_EQ(ListenOn("localhost", 0, 1), -EINVAL);
  EXPECT_EQ(ListenOn("", 0, 1), -EINVAL);
  EXPECT_EQ(ListenOn("192.0.2.1", 0, 1), -EADDRNOTAVAIL);
  SocketName name;
  EXPECT_EQ(LocalName(-1, &name), -EBADF);
}

}  // namespace
}  // namespace sluice
