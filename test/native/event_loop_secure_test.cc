// Encrypted connections in the loop, with clients of OpenSSL on real sockets and a kernel that the
// tests may play.
#include <fcntl.h>
#include <signal.h>

#include <cerrno>

#include "../../native/core/tls_live.h"
#include "event_loop_rig.h"
#include "random.h"
#include "tls_fixture.h"

namespace sluice {
namespace {

using test::ClientOptions;
using test::Planned;
using test::TheKernel;
using test::TlsClient;

/** Longer than the waits of the rig. */
constexpr uint32_t kTimeoutMs = 30 * 1000;

/** OpenSSL's client on a socket that never blocks. */
class WireClient {
 public:
  WireClient(int fd, const ClientOptions& options) : fd_(fd), tls_(options) {
    (void)::fcntl(fd, F_SETFL, O_NONBLOCK);
  }

  void Send() {
    unsent_ += tls_.Take();
    const ssize_t sent = ::write(fd_, unsent_.data(), unsent_.size());
    if (sent > 0) unsent_.erase(0, static_cast<size_t>(sent));
  }
  /** @returns false at the end of the stream */
  bool Receive() {
    char bytes[16384];
    ssize_t count;
    while ((count = ::read(fd_, bytes, sizeof(bytes))) > 0) {
      tls_.Feed({bytes, static_cast<size_t>(count)});
      heard_ = true;
    }
    return count != 0;
  }
  bool Handshake() {
    (void)Receive();
    const bool done = tls_.Handshake();
    Send();
    return done;
  }
  std::string Read() {
    ended_ = !Receive();
    return tls_.Read();
  }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] TlsClient& tls() { return tls_; }
  [[nodiscard]] bool heard() const { return heard_; }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool heard_goodbye() const {
    return (SSL_get_shutdown(tls_.ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

 private:
  int fd_;
  TlsClient tls_;
  std::string unsent_;
  bool heard_ = false;
  bool ended_ = false;
};

class EventLoopSecureTest : public EventLoopRig {
 protected:
  void SetUp() override {
    // The clients write to connections that the loop has closed.
    (void)::signal(SIGPIPE, SIG_IGN);
    EventLoopRig::SetUp();
    Secure(1024);
  }
  void TearDown() override {
    wires_.clear();
    loop_.reset();
    EXPECT_EQ(tls_live.channels, 0);
    EXPECT_EQ(tls_live.contexts, 0);
    EventLoopRig::TearDown();
  }

  /** A client at another address. */
  int ConnectFrom(uint32_t address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(address);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    name.sin_port = htons(static_cast<uint16_t>(port_));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    clients_.push_back(fd);
    return fd;
  }

  void Secure(uint32_t handshakes_max) {
    TlsContext* context = test::MakeContext(identity_, {});
    ASSERT_EQ(loop_->SecureListener(0, context, kTimeoutMs, handshakes_max), 0);
    context->Release();
  }

  WireClient& Begin(const ClientOptions& options = {}) {
    wires_.push_back(std::make_unique<WireClient>(Connect(), options));
    (void)wires_.back()->Handshake();
    return *wires_.back();
  }

  /** An open connection. */
  Record Open(WireClient* client) {
    for (int round = 0; round < 500; ++round) {
      (void)client->Handshake();
      pollfd readable{loop_->fd(), POLLIN, 0};
      (void)::poll(&readable, 1, 10);
      const std::vector<Record> records = TurnAtOnce();
      if (!records.empty()) return records.at(0);
    }
    ADD_FAILURE() << "never announced";
    return {};
  }

  /** Turns until something is told. */
  std::vector<Record> Told() {
    for (int round = 0; round < 20; ++round) {
      std::vector<Record> records = Turn();
      if (!records.empty()) return records;
    }
    return {};
  }

  /** Passes bytes on until the client has heard as many. */
  std::string Hear(WireClient* client, size_t count) {
    std::string text;
    for (int round = 0; round < 3000 && text.size() < count; ++round) {
      pollfd readable{client->fd(), POLLIN, 0};
      (void)::poll(&readable, 1, 10);
      text += client->Read();
      if (text.size() < count) (void)TurnAtOnce();
    }
    return text;
  }

  std::vector<Record> TurnAtOnce() {
    loop_->Wait();
    std::vector<Record> all;
    while (loop_->HasMore()) {
      for (Record& record : Collect()) all.push_back(record);
      loop_->Delivered();
      loop_->Flush();
    }
    return all;
  }

  const test::TestIdentity identity_ = test::MakeIdentity("localhost");
  std::vector<std::unique_ptr<WireClient>> wires_;
};

TEST_F(EventLoopSecureTest, WhoIsRefusedCostsNoHandshake) {
  constexpr AddressBlock kLoopback = {
      96 + 8, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0}};
  AddressGate gate;
  gate.denied = AddressBlocks({kLoopback});
  ASSERT_EQ(loop_->GuardListener(0, gate), 0);
  WireClient& client = Begin();
  EXPECT_TRUE(TurnAtOnce().empty());
  EXPECT_EQ(loop_->refusal_counters().denied, 1U);
  EXPECT_EQ(loop_->open_count(), 1U);
  EXPECT_EQ(tls_live.channels, 0);
  (void)client.Read();
  EXPECT_FALSE(client.heard());
  ASSERT_EQ(loop_->GuardListener(0, {}), 0);
  EXPECT_EQ(Open(&Begin()).kind, kEventOpen);
  EXPECT_EQ(loop_->GuardListener(kListenersMax, {}), -EBADF);
  EXPECT_EQ(loop_->GuardListener(1, {}), -EBADF);
}

TEST_F(EventLoopSecureTest, AConnectionIsAnnouncedWhenItsHandshakeIsComplete) {
  WireClient& client = Begin();
  EXPECT_TRUE(Turn().empty()) << "accepted";
  EXPECT_TRUE(Turn().empty()) << "hello";
  EXPECT_TRUE(client.Handshake());
  client.tls().Write("at once");
  client.Send();
  std::vector<Record> records = Told();
  // Under load the two writes may arrive one after the other.
  if (records.size() == 1) records.push_back(Told().at(0));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].kind, kEventOpen);
  EXPECT_EQ(records[0].bytes, "127.0.0.1");
  EXPECT_EQ(records[1].kind, kEventData);
  EXPECT_EQ(records[1].bytes, "at once");
  EXPECT_EQ(loop_->secure_counts().completed, 1U);
  EXPECT_NE(loop_->ChannelOf(records[0].slot, records[0].generation), nullptr);
  EXPECT_EQ(loop_->ChannelOf(records[0].slot, records[0].generation + 1), nullptr);
}

TEST_F(EventLoopSecureTest, StepsOfHandshakesPerTickAreBounded) {
  constexpr uint32_t kClients = 2 * kHandshakesPerTickMax + 3;
  for (uint32_t i = 0; i < kClients; ++i) (void)Begin();
  (void)TurnAtOnce();
  uint32_t heard = 0;
  uint32_t ticks = 0;
  while (heard < kClients && ticks < kClients) {
    (void)TurnAtOnce();
    ++ticks;
    const uint32_t before = heard;
    heard = 0;
    for (const auto& wire : wires_) {
      (void)wire->Receive();
      heard += wire->heard() ? 1 : 0;
    }
    EXPECT_LE(heard - before, kHandshakesPerTickMax);
  }
  EXPECT_EQ(heard, kClients);
  EXPECT_EQ(ticks, 3U);
}

TEST_F(EventLoopSecureTest, BeyondTheBoundClientsWaitInTheBacklog) {
  Secure(2);
  WireClient& first = Begin();
  (void)Begin();
  (void)Begin();
  (void)Turn();
  (void)Turn();
  EXPECT_EQ(tls_live.channels, 2);
  const Record open = Open(&first);
  EXPECT_EQ(open.kind, kEventOpen);
  (void)Turn();
  EXPECT_EQ(tls_live.channels, 3) << "a place is free, and taken at once";
}

// Bug: connections that say nothing took all places, and everybody else waited for their timeout.
TEST_F(EventLoopSecureTest, TheOldestSilentClientMakesRoomForAnother) {
  Secure(2);
  const int oldest = Connect();
  (void)Turn();
  (void)Connect();
  (void)Turn();
  WireClient& waiting = Begin();
  TheKernel().clock_offset_ms += kSilentHandshakeMs / 2;
  for (int round = 0; round < 3; ++round) (void)TurnAtOnce();
  EXPECT_EQ(tls_live.channels, 2);
  EXPECT_EQ(loop_->secure_counts().crowded, 0U) << "they may still be on their way";
  TheKernel().clock_offset_ms += kSilentHandshakeMs;
  EXPECT_EQ(Open(&waiting).kind, kEventOpen);
  EXPECT_EQ(loop_->secure_counts().crowded, 1U);
  EXPECT_EQ(tls_live.channels, 2) << "the other silent one keeps its place: nobody needs it";
  char byte;
  EXPECT_EQ(::read(oldest, &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(EventLoopSecureTest, WhoHasSentSomethingMakesNoRoom) {
  Secure(2);
  WireClient& first = Begin();
  (void)Turn();
  (void)Turn();
  wires_.push_back(std::make_unique<WireClient>(Connect(), ClientOptions{}));
  WireClient& late = *wires_.back();
  (void)Turn();
  TheKernel().clock_offset_ms += 2 * kSilentHandshakeMs;
  // The loop hears of the third before it reads the hello of the second, which is there.
  WireClient& third = Begin();
  (void)late.Handshake();
  (void)TurnAtOnce();
  EXPECT_EQ(loop_->secure_counts().crowded, 0U);
  EXPECT_EQ(Open(&late).kind, kEventOpen);
  EXPECT_EQ(Open(&first).kind, kEventOpen);
  EXPECT_EQ(Open(&third).kind, kEventOpen);
}

TEST_F(EventLoopSecureTest, OneClientHasAShareOfThePlaces) {
  constexpr uint32_t kShare = 2 * kHandshakesPerClientMin;
  Secure(kHandshakeShares * kShare);
  for (uint32_t i = 0; i < kShare; ++i) (void)Connect();
  (void)Turn();
  EXPECT_EQ(tls_live.channels, static_cast<int>(kShare));
  EXPECT_EQ(loop_->secure_counts().crowded, 0U);
  const int beyond = Connect();
  EXPECT_TRUE(Turn().empty());
  EXPECT_EQ(loop_->secure_counts().crowded, 1U);
  char byte;
  EXPECT_EQ(::read(beyond, &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
  wires_.push_back(std::make_unique<WireClient>(ConnectFrom(INADDR_LOOPBACK + 1), ClientOptions{}));
  EXPECT_EQ(Open(wires_.back().get()).bytes, "127.0.0.2");
  (void)::shutdown(clients_[0], SHUT_RDWR);
  (void)Turn();
  EXPECT_EQ(Open(&Begin()).bytes, "127.0.0.1") << "a place of its share is free again";
  EXPECT_EQ(loop_->secure_counts().crowded, 1U);
}

TEST_F(EventLoopSecureTest, AProxyHasNoShare) {
  constexpr AddressBlock kLoopback = {
      96 + 8, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0}};
  AddressGate gate;
  gate.exempt = AddressBlocks({kLoopback});
  ASSERT_EQ(loop_->GuardListener(0, gate), 0);
  Secure(2 * kHandshakesPerClientMin);
  for (uint32_t i = 0; i < 2 * kHandshakesPerClientMin; ++i) (void)Connect();
  (void)Turn();
  EXPECT_EQ(tls_live.channels, static_cast<int>(2 * kHandshakesPerClientMin));
  EXPECT_EQ(loop_->secure_counts().crowded, 0U);
}

TEST(ClientKeyTest, IsAnAddressOfIPv4AndANetworkOfIPv6) {
  constexpr AddressBytes kV4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9};
  constexpr AddressBytes kV6 = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  constexpr AddressBytes kNetwork = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4};
  EXPECT_EQ(ClientKey(kV4), kV4);
  EXPECT_EQ(ClientKey(kV6), kNetwork);
}

TEST_F(EventLoopSecureTest, AHandshakeThatTakesTooLongEndsUnheard) {
  (void)Begin();
  const int silent = Connect();
  (void)Turn();
  (void)Turn();
  TheKernel().clock_offset_ms += kTimeoutMs + 100;
  EXPECT_TRUE(TurnAtOnce().empty());
  EXPECT_TRUE(TurnAtOnce().empty());
  EXPECT_EQ(loop_->secure_counts().timed_out, 2U);
  EXPECT_EQ(tls_live.channels, 0);
  EXPECT_EQ(loop_->open_count(), 1U);
  char byte;
  EXPECT_LE(::read(silent, &byte, 1), 0);
}

TEST_F(EventLoopSecureTest, AFailedHandshakeGetsItsAlertAndIsGone) {
  const int client = Connect();
  // A hello that is too short for one (RFC 8446 4.1.2).
  const std::string hello("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10);
  ASSERT_EQ(::write(client, hello.data(), hello.size()), 10);
  EXPECT_TRUE(Turn().empty());
  EXPECT_TRUE(Turn().empty());
  EXPECT_EQ(loop_->secure_counts().failed, 1U);
  EXPECT_EQ(ReadAll(client, 7).substr(0, 1), "\x15") << "an alert";
  (void)::shutdown(client, SHUT_WR);
  EXPECT_TRUE(Turn().empty());
  EXPECT_TRUE(TurnAtOnce().empty());
  EXPECT_EQ(loop_->open_count(), 1U);
}

TEST_F(EventLoopSecureTest, PiecesOfOneFlushAreOneSend) {
  WireClient& client = Begin();
  const Record open = Open(&client);
  std::string all;
  TheKernel().send_calls = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string text = "piece " + std::to_string(i) + std::string(100, '.');
    Write(open, text);
    (void)PutBytes("gap");
    all += text;
  }
  loop_->Flush();
  EXPECT_EQ(TheKernel().send_calls, 1);
  EXPECT_TRUE(Hear(&client, all.size()) == all);
}

TEST_F(EventLoopSecureTest, AFanoutIsEncryptedForEach) {
  std::vector<WireClient*> clients;
  for (uint32_t i = 0; i < 3; ++i) {
    clients.push_back(&Begin());
    fanout_[i] = static_cast<int32_t>(Open(clients.back()).slot);
  }
  const std::string news(50000, 'n');
  PutRecord(kSendFanout, 0, 0, PutBytes(news), static_cast<uint32_t>(news.size()), 3);
  loop_->Flush();
  for (WireClient* client : clients) EXPECT_TRUE(Hear(client, news.size()) == news);
}

TEST_F(EventLoopSecureTest, WhatTheKernelDoesNotTakeIsCiphertextInOrder) {
  WireClient& client = Begin();
  const Record open = Open(&client);
  test::Random random(7);
  std::string all;
  std::string heard;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 6; ++i) {
      const uint32_t kind = random.Below(3);
      TheKernel().send.push_back(kind == 0   ? Planned{EAGAIN}
                                 : kind == 1 ? Planned{EINTR}
                                             : Planned{0, 1 + random.Below(3000)});
    }
    const std::string text(1 + random.Below(40000), static_cast<char>('a' + round % 26));
    Write(open, text);
    all += text;
    loop_->Flush();
    heard += client.Read();
    (void)TurnAtOnce();
  }
  TheKernel().send.clear();
  heard += Hear(&client, all.size() - heard.size());
  EXPECT_EQ(heard.size(), all.size());
  EXPECT_TRUE(heard == all);
  EXPECT_EQ(pending_[open.slot], 0);
}

TEST_F(EventLoopSecureTest, ReadsOfAnySizeGiveTheSamePlaintext) {
  WireClient& client = Begin();
  const Record open = Open(&client);
  test::Random random(11);
  std::string all;
  std::string got;
  for (int round = 0; round < 60; ++round) {
    const std::string text(1 + random.Below(30000), static_cast<char>('a' + round % 26));
    all += text;
    client.tls().Write(text);
    for (int i = 0; i < 4; ++i) {
      TheKernel().recv.push_back(random.Below(4) == 0 ? Planned{EINTR}
                                                      : Planned{0, 1 + random.Below(9000)});
    }
    client.Send();
    for (const Record& record : TurnAtOnce()) got += record.bytes;
  }
  TheKernel().recv.clear();
  for (int round = 0; round < 500 && got.size() < all.size(); ++round) {
    client.Send();
    // A short read that the test has planned is no sign that the socket is empty.
    PutRecord(kSendPause, open.slot, open.generation, 0, 0);
    PutRecord(kSendResume, open.slot, open.generation, 0, 0);
    loop_->Flush();
    for (const Record& record : Turn()) got += record.bytes;
  }
  EXPECT_EQ(got.size(), all.size());
  EXPECT_TRUE(got == all);
}

TEST_F(EventLoopSecureTest, CloseSaysGoodbyeEvenWhenTheKernelIsFull) {
  WireClient& client = Begin();
  const Record open = Open(&client);
  Write(open, "last words");
  PutRecord(kSendClose, open.slot, open.generation, 0, 0);
  TheKernel().send = {{EAGAIN}, {0, 3}, {EAGAIN}, {0, 30}, {EAGAIN}};
  loop_->Flush();
  EXPECT_EQ(Hear(&client, 10), "last words");
  for (int round = 0; round < 10 && !client.ended(); ++round) {
    (void)TurnAtOnce();
    (void)client.Read();
  }
  EXPECT_TRUE(client.heard_goodbye());
  EXPECT_TRUE(client.ended());
}

TEST_F(EventLoopSecureTest, TheEndIsAnEndOnlyBehindAGoodbye) {
  for (const bool polite : {true, false}) {
    WireClient& client = Begin();
    (void)Open(&client);
    if (polite) (void)SSL_shutdown(client.tls().ssl());
    client.Send();
    (void)::shutdown(clients_.back(), SHUT_WR);
    const std::vector<Record> records = Told();
    ASSERT_FALSE(records.empty());
    EXPECT_EQ(records[0].kind, polite ? kEventEnd : kEventClose);
    EXPECT_EQ(records[0].value, polite ? 0 : -EPROTO);
  }
}

TEST_F(EventLoopSecureTest, ADamagedRecordClosesBehindWhatWasGood) {
  WireClient& client = Begin();
  (void)Open(&client);
  client.tls().Write("good");
  client.Send();
  client.tls().Write("bad");
  std::string cipher = client.tls().Take();
  cipher.back() = static_cast<char>(cipher.back() ^ 1);
  ASSERT_EQ(::write(clients_.back(), cipher.data(), cipher.size()),
            static_cast<ssize_t>(cipher.size()));
  std::string kinds;
  for (const Record& record : Told()) {
    kinds += record.kind == kEventData ? "d" : "c";
    if (record.kind == kEventClose) {
      EXPECT_EQ(record.value, -EPROTO);
    }
  }
  EXPECT_EQ(kinds, "dc");
}

TEST_F(EventLoopSecureTest, ErrorsAtAnyCallEndOneConnectionOnly) {
  for (const int error : {ECONNRESET, EPIPE, ETIMEDOUT}) {
    WireClient& neighbour = Begin();
    const Record open = Open(&neighbour);
    (void)Begin();
    (void)TurnAtOnce();
    TheKernel().recv = {{error}};
    EXPECT_TRUE(TurnAtOnce().empty());
    EXPECT_TRUE(TurnAtOnce().empty());
    (void)Begin();
    (void)TurnAtOnce();
    TheKernel().send = {{error}};
    EXPECT_TRUE(TurnAtOnce().empty());
    EXPECT_TRUE(TurnAtOnce().empty());
    EXPECT_EQ(tls_live.channels, 1);
    Write(open, "fine");
    loop_->Flush();
    EXPECT_EQ(Hear(&neighbour, 4), "fine");
    PutRecord(kSendReset, open.slot, open.generation, 0, 0);
    loop_->Flush();
    EXPECT_EQ(Told().at(0).kind, kEventClose);
  }
  EXPECT_EQ(loop_->secure_counts().failed, 6U);
}

TEST_F(EventLoopSecureTest, APeerThatReadsNothingCannotMakeUsQueueWithoutEnd) {
  ClientOptions options;
  options.version = TLS1_3_VERSION;
  WireClient& client = Begin(options);
  const Record open = Open(&client);
  TheKernel().send.assign(100000, {EAGAIN});
  Write(open, "stuck");
  loop_->Flush();
  // A record of TLS 1.3 with a KeyUpdate: header, handshake message, type, tag.
  constexpr int32_t kAnswerBytes = 5 + 5 + 1 + 16;
  constexpr auto kBound = static_cast<int32_t>(kControlBytesQueuedMax);
  const int32_t message = pending_[open.slot];
  int32_t requests = 0;
  std::vector<Record> records;
  while (requests < 20000 && records.empty()) {
    EXPECT_LE(pending_[open.slot] - message, kBound);
    ASSERT_EQ(SSL_key_update(client.tls().ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    (void)client.tls().Handshake();
    client.Send();
    ++requests;
    records = TurnAtOnce();
  }
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back().value, -ENOBUFS);
  // Not before the bound: that many answers have room.
  EXPECT_GT(requests, kBound / kAnswerBytes);
}

TEST_F(EventLoopSecureTest, AClosedListenerTakesItsHandshakesWithIt) {
  (void)Begin();
  (void)Turn();
  EXPECT_EQ(tls_live.channels, 1);
  loop_->CloseListener(0);
  EXPECT_TRUE(TurnAtOnce().empty());
  EXPECT_EQ(tls_live.channels, 0);
  EXPECT_EQ(loop_->open_count(), 0U);
}

TEST_F(EventLoopSecureTest, WithoutAListenerThereIsNothingToSecure) {
  TlsContext* context = test::MakeContext(identity_, {});
  EXPECT_EQ(loop_->SecureListener(1, context, 1, 1), -EBADF);
  EXPECT_EQ(loop_->SecureListener(kListenersMax, context, 1, 1), -EBADF);
  context->Release();
}

}  // namespace
}  // namespace sluice
