// Listeners that require a PROXY header: who is announced, when, as whom, and who never is.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "../../native/core/event_loop.h"
#include "../../native/core/live_objects.h"
#include "fake_kernel.h"

namespace sluice {
namespace {

constexpr AddressBlock kLoopback = {96 + 8,
                                    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0}};
constexpr AddressBlock kElsewhere = {128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}};
constexpr AddressBlock kClient = {128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9}};
const std::string kHeader = "PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n";

class EventLoopProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    test::ResetFakeKernel();
    memory_.receive_slab = receive_.data();
    memory_.receive_bytes = kReceiveSlabBytes;
    memory_.send_slab = send_.data();
    memory_.send_bytes = static_cast<uint32_t>(send_.size());
    memory_.header = header_;
    memory_.receive_records = records_.data();
    memory_.receive_records_max = kReceiveRecordsMax;
    memory_.send_records = send_records_;
    memory_.send_records_max = 8;
    memory_.fanout_slots = fanout_;
    memory_.fanout_slots_max = 8;
    memory_.pending = pending_;
    memory_.slots_max = 64;
    loop_ = std::make_unique<EventLoop>(memory_, true);
    ASSERT_EQ(loop_->Open(), 0);
    ASSERT_EQ(loop_->Listen("127.0.0.1", 0, 128), 0);
    Trust(kLoopback);
  }
  void TearDown() override {
    test::ResetFakeKernel();
    for (const int fd : clients_) (void)::close(fd);
  }

  void Trust(const AddressBlock& block) {
    ASSERT_EQ(loop_->RequireProxyHeader(0, AddressBlocks({block})), 0);
  }

  int Connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(loop_->ListenerPort(0)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    clients_.push_back(fd);
    return fd;
  }

  static void Send(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }

  /** One wake-up, after at most `wait_ms`; its records as text. */
  std::vector<std::string> Turn(int wait_ms = 1000) {
    pollfd readable{loop_->fd(), POLLIN, 0};
    if (!loop_->HasMore()) (void)::poll(&readable, 1, wait_ms);
    loop_->Wait();
    std::vector<std::string> all;
    while (loop_->HasMore()) {
      const uint32_t count = loop_->Collect();
      for (uint32_t i = 0; i < count; ++i) all.push_back(Describe(i));
      if (count > 0) loop_->Delivered();
      loop_->Flush();
    }
    return all;
  }

  std::string Describe(uint32_t index) const {
    const int32_t* words = records_.data() + index * kReceiveStride;
    const std::string bytes(receive_.begin() + words[3], receive_.begin() + words[4]);
    switch (words[2]) {
      case kEventOpen:
        return "open " + bytes + " " + std::to_string(words[6]);
      case kEventData:
        return "data " + bytes;
      case kEventClose:
        return "close " + std::to_string(words[5]);
      default:
        return "kind " + std::to_string(words[2]);
    }
  }

  /** Turns until something is told; at most ten. */
  std::vector<std::string> UntilTold() {
    for (int i = 0; i < 10; ++i) {
      std::vector<std::string> told = Turn();
      if (!told.empty()) return told;
    }
    return {};
  }

  static bool IsReset(int fd) {
    char byte = 0;
    return ::recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
  }

  SharedMemory memory_;
  std::vector<uint8_t> receive_ = std::vector<uint8_t>(kReceiveSlabBytes);
  std::vector<uint8_t> send_ = std::vector<uint8_t>(4096);
  std::vector<int32_t> records_ = std::vector<int32_t>(kReceiveRecordsMax * kReceiveStride);
  int32_t header_[kHeaderWords] = {};
  int32_t send_records_[8 * kSendStride] = {};
  int32_t fanout_[8] = {};
  int32_t pending_[64] = {};
  std::unique_ptr<EventLoop> loop_;
  std::vector<int> clients_;
};

using Told = std::vector<std::string>;

TEST_F(EventLoopProxyTest, AConnectionIsAnnouncedAfterItsHeaderWithTheClientsAddress) {
  const int fd = Connect();
  EXPECT_EQ(Turn(), Told{});
  Send(fd, kHeader);
  EXPECT_EQ(UntilTold(), Told{"open 203.0.113.9 40000"});
  Send(fd, "hello");
  EXPECT_EQ(UntilTold(), Told{"data hello"});
}

TEST_F(EventLoopProxyTest, WhatFollowsTheHeaderInTheSameBytesIsTheClients) {
  Send(Connect(), kHeader + "hello");
  EXPECT_EQ(UntilTold(), Told{"open 203.0.113.9 40000"});
  EXPECT_EQ(UntilTold(), Told{"data hello"});
}

TEST_F(EventLoopProxyTest, AHeaderMayComeInPiecesCutAnywhere) {
  for (size_t cut = 1; cut < kHeader.size(); ++cut) {
    const int fd = Connect();
    Send(fd, kHeader.substr(0, cut));
    EXPECT_EQ(Turn(), Told{});
    Send(fd, kHeader.substr(cut) + "x");
    EXPECT_EQ(UntilTold(), Told{"open 203.0.113.9 40000"}) << "cut at " << cut;
    EXPECT_EQ(UntilTold(), Told{"data x"}) << "cut at " << cut;
    const linger abort{1, 0};
    (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    (void)::close(fd);
    clients_.pop_back();
    EXPECT_EQ(UntilTold(), Told{"close -104"});
  }
}

TEST_F(EventLoopProxyTest, AProxysOwnConnectionCountsAsThePeer) {
  Send(Connect(), "PROXY UNKNOWN\r\n");
  const Told told = UntilTold();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].substr(0, 15), "open 127.0.0.1 ");
}

TEST_F(EventLoopProxyTest, OthersThanTheProxiesAreResetAtOnce) {
  Trust(kElsewhere);
  const int fd = Connect();
  Send(fd, kHeader);
  EXPECT_EQ(Turn(), Told{});
  EXPECT_TRUE(IsReset(fd));
  EXPECT_EQ(loop_->refusal_counters().untrusted, 1U);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopProxyTest, TheListenersGateJudgesTheAddressInTheHeader) {
  AddressGate gate;
  gate.denied = AddressBlocks({kClient});
  ASSERT_EQ(loop_->GuardListener(0, gate), 0);
  const int fd = Connect();
  Send(fd, kHeader);
  EXPECT_EQ(Turn(), Told{});
  EXPECT_EQ(Turn(50), Told{});
  EXPECT_TRUE(IsReset(fd));
  EXPECT_EQ(loop_->refusal_counters().denied, 1U);
  EXPECT_EQ(loop_->open_count(), 1U);
  const int other = Connect();
  Send(other, "PROXY TCP4 203.0.113.8 192.0.2.1 40000 443\r\n");
  EXPECT_EQ(UntilTold(), Told{"open 203.0.113.8 40000"});
}

TEST_F(EventLoopProxyTest, ABadHeaderIsResetAndNobodyHearsOfIt) {
  const int fd = Connect();
  Send(fd, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(Turn(), Told{});
  EXPECT_EQ(Turn(50), Told{});
  EXPECT_TRUE(IsReset(fd));
  EXPECT_EQ(loop_->refusal_counters().malformed, 1U);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopProxyTest, AHeaderThatIsCutOffIsReset) {
  const int fd = Connect();
  Send(fd, kHeader.substr(0, 20));
  EXPECT_EQ(::shutdown(fd, SHUT_WR), 0);
  EXPECT_EQ(Turn(), Told{});
  EXPECT_EQ(Turn(50), Told{});
  EXPECT_TRUE(IsReset(fd));
  EXPECT_EQ(loop_->refusal_counters().malformed, 1U);
}

TEST_F(EventLoopProxyTest, AHealthCheckWithoutAByteIsNoFault) {
  const int fd = Connect();
  EXPECT_EQ(::shutdown(fd, SHUT_WR), 0);
  EXPECT_EQ(Turn(), Told{});
  EXPECT_EQ(Turn(50), Told{});
  EXPECT_EQ(loop_->refusal_counters().malformed, 0U);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopProxyTest, AHeaderThatDoesNotComeInTimeIsReset) {
  const int fd = Connect();
  Send(fd, kHeader.substr(0, 20));
  EXPECT_EQ(Turn(), Told{});
  test::TheKernel().clock_offset_ms = kProxyHeaderMs - 100;
  EXPECT_EQ(Turn(0), Told{});
  EXPECT_EQ(loop_->open_count(), 2U);
  test::TheKernel().clock_offset_ms = kProxyHeaderMs + 200;
  EXPECT_EQ(Turn(0), Told{});
  EXPECT_TRUE(IsReset(fd));
  EXPECT_EQ(loop_->refusal_counters().late, 1U);
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopProxyTest, TheDeadlineIsOffAfterTheHeader) {
  Send(Connect(), kHeader);
  EXPECT_EQ(UntilTold(), Told{"open 203.0.113.9 40000"});
  test::TheKernel().clock_offset_ms = 10 * kProxyHeaderMs;
  EXPECT_EQ(Turn(0), Told{});
}

TEST_F(EventLoopProxyTest, ClosingTheListenerEndsWhoWasNotAnnounced) {
  const int announced = Connect();
  Send(announced, kHeader);
  EXPECT_EQ(UntilTold(), Told{"open 203.0.113.9 40000"});
  const int waiting = Connect();
  EXPECT_EQ(Turn(), Told{});
  EXPECT_EQ(loop_->open_count(), 3U);
  loop_->CloseListener(0);
  EXPECT_EQ(Turn(0), Told{});
  EXPECT_TRUE(IsReset(waiting));
  EXPECT_EQ(loop_->open_count(), 1U);
  Send(announced, "still here");
  EXPECT_EQ(UntilTold(), Told{"data still here"});
}

TEST_F(EventLoopProxyTest, AListenerOfTheSameIndexHasItsOwnRule) {
  loop_->CloseListener(0);
  ASSERT_EQ(loop_->Listen("127.0.0.1", 0, 128), 0);
  (void)Connect();
  const Told told = UntilTold();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].substr(0, 15), "open 127.0.0.1 ");
}

TEST_F(EventLoopProxyTest, NothingIsLeftOfTheUnannounced) {
  const int32_t before = TheLiveObjects().connections;
  for (int i = 0; i < 8; ++i) Send(Connect(), "nonsense");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Turn(20), Told{});
  EXPECT_EQ(loop_->refusal_counters().malformed, 8U);
  EXPECT_EQ(TheLiveObjects().connections, before);
  (void)Connect();
  EXPECT_EQ(Turn(), Told{});
  loop_.reset();
  EXPECT_EQ(TheLiveObjects().connections, before);
}

}  // namespace
}  // namespace sluice
