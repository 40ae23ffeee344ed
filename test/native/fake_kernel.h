// System calls with results decided by the test: the linker sends the listed calls here
// (scripts/test-native.mjs, --wrap). Without a plan the real call is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace sluice::test {

/** One planned result: an errno, or a bound on the bytes that the real call may move. */
struct Planned {
  int error = 0;
  size_t bytes_max = SIZE_MAX;
};

enum class Call { kAccept, kRecv, kSend, kWait, kControl, kShutdown, kGetOption, kClose };

struct FakeKernel {
  std::deque<Planned> accept4;
  std::deque<Planned> recv;
  /** send and sendmsg. */
  std::deque<Planned> send;
  std::deque<Planned> epoll_wait;
  /** Added to every clock that the engine reads. */
  int64_t clock_offset_ms = 0;
  int accept_calls = 0;
  int send_calls = 0;

  /** While true, calls are noted, and the one at `fault_at` gets `fault`. */
  bool notes = false;
  std::vector<Call> calls;
  size_t fault_at = SIZE_MAX;
  Planned fault;
};

/** The plan of the running test; cleared by ResetFakeKernel. */
FakeKernel& TheKernel();
void ResetFakeKernel();

}  // namespace sluice::test
