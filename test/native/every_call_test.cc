// A session of two clients, again and again: each time one system call of the engine, the first,
// the second, and so on to the last, gets one of the faults that it can have. Whatever it was,
// every connection closes exactly once, no byte is lost, doubled or out of order before the fault,
// slots and descriptors are free at the end, and nothing spins.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "event_loop_rig.h"
#include "fake_kernel.h"

namespace sluice {
namespace {

using test::Call;
using test::TheKernel;

/** Calls without a fault are about 120; a spin would pass any bound. */
constexpr size_t kCallsMax = 2000;
constexpr int kTurnsMax = 400;
constexpr int64_t kClockStepMs = 50;
constexpr size_t kLargeBytes = 700 * 1024;
/** One for TCP, which nobody uses here, and the one by name. */
constexpr uint32_t kListeners = 2;
const std::string kName = std::string(1, '\0') + "sluice-every-call-" + std::to_string(::getpid());

/** What the test knows of one connection, as JavaScript would. */
struct Peer {
  Record open;
  std::string received;
  std::string written;
  int ends = 0;
  int closes = 0;
  int after_close = 0;
  int error = 0;
};

struct Client {
  int fd = -1;
  std::string sent;
  std::string received;
  bool ended = false;
};

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class EveryCall : public EventLoopRig {
 protected:
  /** The engine works, its calls are noted; then the clients read what is there. */
  void Turns(int count) {
    for (int i = 0; i < count; ++i) {
      pollfd readable{loop_->fd(), POLLIN, 0};
      TheKernel().notes = true;
      const bool idle = ::poll(&readable, 1, 0) == 0 && !loop_->HasMore();
      loop_->Wait();
      for (int batch = 0; loop_->HasMore() && batch < kTurnsMax; ++batch) {
        Deliver(EventLoopRig::Collect());
        loop_->Delivered();
        loop_->Flush();
      }
      TheKernel().notes = false;
      for (Client& client : sides_) ReadWhatIsThere(&client);
      // Rests of the listener and lingering are over when nothing else happens.
      if (idle) TheKernel().clock_offset_ms += kClockStepMs;
      if (TheKernel().calls.size() > kCallsMax) return;
    }
  }

  void Deliver(const std::vector<Record>& records) {
    for (const Record& record : records) {
      if (record.kind == kEventListenerFailed) {
        listener_failed_ = true;
        continue;
      }
      const uint64_t token = MakeToken(record.slot, record.generation);
      Peer& peer = peers_[token];
      if (record.kind == kEventOpen) peer.open = record;
      if (peer.closes > 0) ++peer.after_close;
      if (record.kind == kEventData) {
        peer.received += record.bytes;
        Answer(&peer, record.bytes);
      } else if (record.kind == kEventEnd) {
        ++peer.ends;
        PutRecord(kSendClose, record.slot, record.generation, 0, 0);
      } else if (record.kind == kEventClose) {
        ++peer.closes;
        peer.error = record.value;
      }
    }
  }

  void Answer(Peer* peer, const std::string& text) {
    peer->written += text;
    Write(peer->open, text);
  }

  void FanOut(const std::string& text) {
    uint32_t count = 0;
    for (auto& [token, peer] : peers_) {
      if (peer.closes > 0) continue;
      fanout_[count++] = static_cast<int32_t>(peer.open.slot);
      peer.written += text;
    }
    const uint32_t start = PutBytes(text);
    PutRecord(kSendFanout, 0, 0, start, static_cast<uint32_t>(text.size()), count);
  }

  void Control(int32_t operation) {
    for (auto& [token, peer] : peers_) {
      PutRecord(operation, peer.open.slot, peer.open.generation, 0, 0);
    }
  }

  void Send(Client* client, const std::string& text) {
    // The engine's calls only are to be noted: this one goes past the wraps.
    const auto count =
        ::syscall(SYS_sendto, client->fd, text.data(), text.size(), MSG_NOSIGNAL, nullptr, 0);
    if (count > 0) client->sent.append(text, 0, static_cast<size_t>(count));
  }

  static void ReadWhatIsThere(Client* client) {
    char bytes[65536];
    while (true) {
      const ssize_t count = ::read(client->fd, bytes, sizeof(bytes));
      if (count <= 0) {
        client->ended = client->ended || count == 0 || errno != EAGAIN;
        return;
      }
      client->received.append(bytes, static_cast<size_t>(count));
    }
  }

  void FlushNoted() {
    TheKernel().notes = true;
    loop_->Flush();
    TheKernel().notes = false;
  }

  /** accept, read, write, pause, resume, fan-out, a full socket, half-close, close. */
  void RunSession() {
    for (Client& client : sides_) {
      client = {};
      client.fd = ConnectToName();
      ASSERT_EQ(::fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    }
    Turns(3);
    Send(&sides_[0], "A says hello");
    Send(&sides_[1], "B says hello");
    Turns(3);
    FanOut(std::string(2000, 'f'));
    FlushNoted();
    Control(kSendPause);
    FlushNoted();
    for (Client& client : sides_) Send(&client, std::string(5000, 'p'));
    Turns(2);
    Control(kSendResume);
    FlushNoted();
    Turns(3);
    for (auto& [token, peer] : peers_) {
      if (peer.closes == 0) Answer(&peer, std::string(kLargeBytes, 'l'));
    }
    FanOut(std::string(3000, 'g'));
    FlushNoted();
    Turns(6);
    (void)::shutdown(sides_[0].fd, SHUT_WR);
    Turns(3);
    Control(kSendEnd);
    FlushNoted();
    for (Client& client : sides_) (void)::shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < kTurnsMax / 10 && loop_->open_count() > kListeners; ++i) Turns(1);
    // Lingering, and a write that waits, have their own time: it passes.
    TheKernel().clock_offset_ms += kCloseFlushMs + kLingerMs;
    Turns(10);
  }

  void Restart() {
    loop_.reset();
    peers_.clear();
    listener_failed_ = false;
    std::memset(header_, 0, sizeof(header_));
    test::ResetFakeKernel();
    Start(kSlotsMax);
    ASSERT_EQ(loop_->ListenPath(kName, -1, 16), 1);
  }

  [[nodiscard]] static int ConnectToName() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, kName.data(), kName.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    return fd;
  }

  /** One session with the call at `at` replaced. */
  void RunWithFault(size_t at, const test::Planned& fault) {
    Restart();
    const size_t descriptors = OpenDescriptors();
    TheKernel().fault_at = at;
    TheKernel().fault = fault;
    RunSession();
    CheckInvariants(fault);
    for (Client& client : sides_) (void)::close(client.fd);
    EXPECT_EQ(OpenDescriptors(), descriptors - (listener_failed_ ? 1 : 0));
  }

  void CheckInvariants(const test::Planned& fault) {
    EXPECT_LE(TheKernel().calls.size(), kCallsMax);
    EXPECT_EQ(loop_->open_count(), kListeners - (listener_failed_ ? 1U : 0U));
    const bool harmless = fault.error == 0 || fault.error == EAGAIN || fault.error == EINTR;
    for (const auto& [token, peer] : peers_) {
      EXPECT_EQ(peer.closes, 1);
      EXPECT_LE(peer.ends, 1);
      EXPECT_EQ(peer.after_close, 0);
      // Who it was is known by what it said.
      if (peer.received.empty()) continue;
      const Client* client = &sides_[peer.received[0] == 'A' ? 0 : 1];
      EXPECT_EQ(client->sent.compare(0, peer.received.size(), peer.received), 0);
      EXPECT_EQ(peer.written.compare(0, client->received.size(), client->received), 0);
      if (!harmless) continue;
      EXPECT_EQ(peer.error, 0);
      EXPECT_EQ(peer.received.size(), client->sent.size());
      EXPECT_EQ(client->received.size(), peer.written.size());
    }
    EXPECT_TRUE(!harmless || peers_.size() == 2U);
  }

  Client sides_[2];
  std::map<uint64_t, Peer> peers_;
  bool listener_failed_ = false;
};

std::vector<test::Planned> FaultsOf(Call call) {
  std::vector<test::Planned> faults;
  const auto errors = [&faults](std::initializer_list<int> list) {
    for (const int error : list) faults.push_back({.error = error});
  };
  switch (call) {
    case Call::kAccept:
      errors({EAGAIN, EINTR, ECONNABORTED, EPROTO, EPERM, EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF});
      break;
    case Call::kRecv:
      errors({EAGAIN, EINTR, ECONNRESET, ETIMEDOUT, ENOMEM});
      for (const size_t most : {1, 7}) faults.push_back({.error = 0, .bytes_max = most});
      break;
    case Call::kSend:
      errors({EAGAIN, EINTR, ECONNRESET, EPIPE, ENOBUFS, ETIMEDOUT});
      for (const size_t most : {1, 100, 65536}) faults.push_back({.error = 0, .bytes_max = most});
      break;
    case Call::kWait:
      errors({EINTR, EINVAL});
      break;
    case Call::kControl:
      errors({ENOMEM, ENOSPC, EPERM});
      break;
    case Call::kShutdown:
      errors({ENOTCONN, ENOBUFS});
      break;
    case Call::kGetOption:
      errors({ENOBUFS});
      break;
    case Call::kClose:
      errors({EINTR, EIO});
      break;
  }
  return faults;
}

TEST_F(EveryCall, WithoutAFaultTheSessionIsWhole) {
  RunWithFault(SIZE_MAX, {});
  EXPECT_GT(TheKernel().calls.size(), 40U);
}

TEST_F(EveryCall, HasEachOfItsFaultsAndNothingIsLost) {
  RunWithFault(SIZE_MAX, {});
  const std::vector<Call> calls = TheKernel().calls;
  size_t sessions = 0;
  for (size_t at = 0; at < calls.size(); ++at) {
    for (const test::Planned& fault : FaultsOf(calls[at])) {
      SCOPED_TRACE("call " + std::to_string(at) + " of kind " +
                   std::to_string(static_cast<int>(calls[at])) + ", error " +
                   std::to_string(fault.error) + ", at most " + std::to_string(fault.bytes_max));
      RunWithFault(at, fault);
      ++sessions;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(sessions, 150U);
}

}  // namespace
}  // namespace sluice
