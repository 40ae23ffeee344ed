// TLS as a machine without a socket: both versions, cut at every byte, and what peers do wrong.
#include "../../native/core/tls_channel.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstring>
#include <string>

#include "../../native/core/tls_live.h"
#include "tls_fixture.h"

namespace sluice {
namespace {

using test::ClientOptions;
using test::TlsClient;
using test::TlsServer;

class TlsChannelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    identity_ = test::MakeIdentity("localhost");
    context_ = test::MakeContext(identity_, settings_);
    options_.version = GetParam();
  }
  void TearDown() override {
    context_->Release();
    EXPECT_EQ(tls_live.channels, 0);
    EXPECT_EQ(tls_live.contexts, 0);
    EXPECT_EQ(ERR_peek_error(), 0U);
  }

  test::TestIdentity identity_;
  TlsSettings settings_;
  TlsContext* context_ = nullptr;
  ClientOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsChannelTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(TlsChannelTest, BytesArriveInBothDirections) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  client.Write("question");
  EXPECT_EQ(server.Feed(client.Take()), SecureStatus::kGoesOn);
  EXPECT_EQ(server.plain, "question");
  EXPECT_TRUE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("answer"), 6, &server.sink));
  client.Feed(server.Take());
  EXPECT_EQ(client.Read(), "answer");
}

TEST_P(TlsChannelTest, ACutAtAnyByteOfTheCiphertextChangesNothing) {
  for (const size_t piece : {1U, 2U, 3U, 5U, 7U, 64U}) {
    TlsClient client(options_);
    TlsServer server(context_);
    ASSERT_TRUE(test::Shake(&client, &server, piece)) << piece;
    client.Write("one");
    client.Write(std::string(20000, 'x'));
    client.Write("three");
    EXPECT_EQ(server.Feed(client.Take(), piece), SecureStatus::kGoesOn);
    EXPECT_EQ(server.plain, "one" + std::string(20000, 'x') + "three") << piece;
  }
}

TEST_P(TlsChannelTest, EveryTwoWayCutOfARecordGivesItsTextOnce) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  for (size_t cut = 0; cut < 60; ++cut) {
    client.Write("cut me");
    const std::string cipher = client.Take();
    if (cut > cipher.size()) break;
    server.plain.clear();
    ASSERT_EQ(server.Feed(cipher.substr(0, cut)), SecureStatus::kGoesOn);
    ASSERT_EQ(server.Feed(cipher.substr(cut)), SecureStatus::kGoesOn);
    EXPECT_EQ(server.plain, "cut me") << cut;
  }
}

TEST_P(TlsChannelTest, ARecordThatBeganBeforeFitsIntoTheRoomThatIsAsked) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  client.Write(std::string(kRecordPlainBytesMax, 'r'));
  client.Write("behind");
  const std::string cipher = client.Take();
  // All but the last byte of the first record: nothing can be decrypted yet.
  const size_t behind = cipher.size() - (cipher.size() - kRecordPlainBytesMax);
  ASSERT_EQ(server.Feed(cipher.substr(0, behind)), SecureStatus::kGoesOn);
  EXPECT_EQ(server.plain, "");
  ASSERT_EQ(server.Feed(cipher.substr(behind)), SecureStatus::kGoesOn);
  EXPECT_EQ(server.plain, std::string(kRecordPlainBytesMax, 'r') + "behind");
}

TEST_P(TlsChannelTest, EarlyBytesBehindTheLastFlightAreNotLeftInside) {
  TlsClient client(options_);
  TlsServer server(context_);
  (void)client.Handshake();
  (void)server.Feed(client.Take());
  client.Feed(server.Take());
  const bool done = client.Handshake();
  if (GetParam() == TLS1_3_VERSION) {
    ASSERT_TRUE(done);
    client.Write("at once");
    EXPECT_EQ(server.Feed(client.Take()), SecureStatus::kGoesOn);
    EXPECT_TRUE(server.channel->is_open());
    EXPECT_EQ(server.plain, "at once");
  } else {
    EXPECT_EQ(server.Feed(client.Take()), SecureStatus::kGoesOn);
    EXPECT_TRUE(server.channel->is_open());
  }
}

TEST_P(TlsChannelTest, ALongTextIsRecordsOfTheLargestSize) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  const std::string text(5 * kRecordPlainBytesMax + 1, 't');
  server.sink.pieces = 0;
  ASSERT_TRUE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>(text.data()),
                                      static_cast<uint32_t>(text.size()), &server.sink));
  EXPECT_EQ(server.sink.pieces, 6U);
  client.Feed(server.Take());
  EXPECT_EQ(client.Read(), text);
}

TEST_P(TlsChannelTest, CloseNotifyIsSeenAndWritingGoesOn) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  client.Write("last");
  (void)SSL_shutdown(client.ssl());
  EXPECT_EQ(server.Feed(client.Take()), SecureStatus::kEnded);
  EXPECT_EQ(server.plain, "last");
  EXPECT_TRUE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("answer"), 6, &server.sink));
  server.channel->Shutdown(&server.sink);
  const std::string once = server.Take();
  server.channel->Shutdown(&server.sink);
  EXPECT_EQ(server.Take(), "");
  client.Feed(once);
  EXPECT_EQ(client.Read(), "answer");
  EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
  EXPECT_FALSE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("no"), 2, &server.sink));
}

TEST_P(TlsChannelTest, ADamagedRecordFailsWithAnAlertAndStaysFailed) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  client.Write("good");
  client.Write("bad");
  std::string cipher = client.Take();
  cipher.back() = static_cast<char>(cipher.back() ^ 1);
  EXPECT_EQ(server.Feed(cipher), SecureStatus::kFailed);
  EXPECT_EQ(server.plain, "good");
  EXPECT_FALSE(server.Take().empty());
  EXPECT_EQ(server.Feed("more"), SecureStatus::kFailed);
  EXPECT_FALSE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("no"), 2, &server.sink));
}

TEST_P(TlsChannelTest, ForeignErrorsInTheQueueHarmNobody) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
  client.Write("text");
  const std::string cipher = client.Take();
  ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
  EXPECT_EQ(server.Feed(cipher), SecureStatus::kGoesOn);
  EXPECT_EQ(server.plain, "text");
  ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
  EXPECT_TRUE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("x"), 1, &server.sink));
  EXPECT_EQ(server.Feed("\x16\x03\x01 nonsense"), SecureStatus::kFailed);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_P(TlsChannelTest, DescribesWhatWasAgreedOn) {
  options_.server_name = "Chat.Example";
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  SecureDescription description;
  server.channel->Describe(&description);
  EXPECT_STREQ(description.protocol, GetParam() == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_STREQ(description.server_name, "Chat.Example");
  EXPECT_STREQ(description.application_protocol, "http/1.1");
  EXPECT_EQ(std::string(description.cipher).rfind("TLS_", 0), 0U);
  EXPECT_FALSE(description.resumed);
  EXPECT_FALSE(description.authorized);
  EXPECT_EQ(server.channel->PeerCertificate(nullptr, 0), 0U);
}

TEST_P(TlsChannelTest, AnotherApplicationProtocolIsRefusedAndNoneIsFine) {
  options_.protocols = "\x02h2";
  TlsClient other(options_);
  TlsServer refusing(context_);
  EXPECT_FALSE(test::Shake(&other, &refusing));
  options_.protocols = "\x02h2\x08http/1.1";
  TlsClient both(options_);
  TlsServer choosing(context_);
  EXPECT_TRUE(test::Shake(&both, &choosing));
  options_.protocols = "";
  TlsClient none(options_);
  TlsServer accepting(context_);
  EXPECT_TRUE(test::Shake(&none, &accepting));
}

TEST_P(TlsChannelTest, AnUnfinishedHandshakeCanBeDroppedAtAnyPoint) {
  TlsClient client(options_);
  (void)client.Handshake();
  const std::string hello = client.Take();
  for (size_t cut = 0; cut <= hello.size(); ++cut) {
    TlsServer server(context_);
    EXPECT_EQ(server.Feed(hello.substr(0, cut)), SecureStatus::kGoesOn);
    EXPECT_FALSE(server.channel->is_open());
    EXPECT_FALSE(server.channel->Encrypt(reinterpret_cast<const uint8_t*>("x"), 1, &server.sink));
    server.channel->Shutdown(&server.sink);
    EXPECT_EQ(server.Take().empty(), cut < hello.size());
  }
}

TEST_P(TlsChannelTest, PlainHttpAndGarbageFail) {
  for (const std::string& text : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                                  std::string(300, '\0'), std::string(70000, '\x16')}) {
    TlsServer server(context_);
    EXPECT_EQ(server.Feed(text), SecureStatus::kFailed);
    EXPECT_FALSE(server.channel->is_open());
  }
}

class TlsRenegotiationTest : public TlsChannelTest {};
INSTANTIATE_TEST_SUITE_P(OldVersion, TlsRenegotiationTest, ::testing::Values(TLS1_2_VERSION));

TEST_P(TlsRenegotiationTest, IsRefused) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  (void)client.Handshake();
  const SecureStatus status = server.Feed(client.Take());
  client.Feed(server.Take());
  // OpenSSL's client takes the no_renegotiation alert as the end; ours is no failure.
  EXPECT_FALSE(client.Handshake());
  EXPECT_EQ(status, SecureStatus::kGoesOn);
}

class TlsKeyUpdateTest : public TlsChannelTest {};
INSTANTIATE_TEST_SUITE_P(NewVersion, TlsKeyUpdateTest, ::testing::Values(TLS1_3_VERSION));

TEST_P(TlsKeyUpdateTest, NewKeysInBothDirections) {
  TlsClient client(options_);
  TlsServer server(context_);
  ASSERT_TRUE(test::Shake(&client, &server));
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    client.Write("under new keys");
    server.plain.clear();
    ASSERT_EQ(server.Feed(client.Take(), 1), SecureStatus::kGoesOn);
    EXPECT_EQ(server.plain, "under new keys");
    ASSERT_TRUE(
        server.channel->Encrypt(reinterpret_cast<const uint8_t*>("me too"), 6, &server.sink));
    client.Feed(server.Take());
    EXPECT_EQ(client.Read(), "me too");
  }
}

}  // namespace
}  // namespace sluice
