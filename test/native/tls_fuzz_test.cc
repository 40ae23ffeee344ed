// Mutated TLS byte streams: handshakes and records that were cut, flipped, repeated and mixed. A
// channel never crashes, never gives more plaintext than was sent, stays failed once it has failed,
// and works as ever when nothing was changed. SLUICE_FUZZ_SEED repeats a run, SLUICE_FUZZ_CASES
// sets its length; inputs that once found something are kept in test/fuzz/corpus/tls, one per line
// in hex.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "../../native/core/tls_live.h"
#include "random.h"
#include "tls_fixture.h"

namespace sluice {
namespace {

using test::ClientOptions;
using test::Random;
using test::TlsClient;
using test::TlsServer;

constexpr char kCorpusFile[] = "test/fuzz/corpus/tls/kept.txt";
constexpr uint32_t kCasesDefault = 1500;
constexpr int kRoundsMax = 12;

uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::vector<std::string> Corpus() {
  std::ifstream file(kCorpusFile);
  std::vector<std::string> inputs;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') inputs.push_back(FromHex(line));
  }
  return inputs;
}

std::string Mutate(std::string bytes, Random* random) {
  for (uint32_t changes = 1 + random->Below(4); changes > 0 && !bytes.empty(); --changes) {
    const auto size = static_cast<uint32_t>(bytes.size());
    const uint32_t at = random->Below(size);
    const uint32_t count = std::min(1 + random->Below(64), size - at);
    switch (random->Below(8)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random->Below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random->Below(256));
        break;
      case 2:
        bytes.erase(at, count);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, count));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5:  // The head of a record: type, version, length.
        bytes[std::min(random->Below(5), size - 1)] = static_cast<char>(random->Below(256));
        break;
      case 6:
        bytes += std::string(1 + random->Below(20000), static_cast<char>(random->Below(256)));
        break;
      default:
        std::rotate(bytes.begin(), bytes.begin() + at, bytes.end());
    }
  }
  return bytes;
}

class TlsFuzzTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const test::TestIdentity authority = test::MakeIdentity("authority");
    identity_ = test::MakeIdentity("localhost");
    client_identity_ = test::MakeIdentity("client", &authority);
    TlsSettings settings;
    settings.ticket_lifetime_s = 600;
    settings.client_certificate = ClientCertificate::kRequest;
    context_ = test::MakeContext(identity_, settings, authority.certificate);
  }
  void TearDown() override {
    SSL_SESSION_free(session_);
    context_->Release();
    EXPECT_EQ(tls_live.channels, 0);
    EXPECT_EQ(tls_live.contexts, 0);
    EXPECT_EQ(ERR_peek_error(), 0U);
  }

  /** One connection, of which the messages from round `changed` on are mutated now and then. */
  void RunCase(Random* random) {
    ClientOptions options;
    options.version = random->Below(2) == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    options.identity = random->Below(3) == 0 ? &client_identity_ : nullptr;
    options.session = random->Below(3) == 0 ? session_ : nullptr;
    TlsClient client(options);
    TlsServer server(context_);
    const int changed = static_cast<int>(random->Below(kRoundsMax + 2));
    bool was_changed = false;
    std::string sent;
    for (int round = 0; round < kRoundsMax; ++round) {
      if (client.Handshake()) {
        const std::string text(random->Below(3000), 'p');
        if (!text.empty()) client.Write(text);
        sent += text;
        if (options.version == TLS1_3_VERSION && random->Below(4) == 0) {
          (void)SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
        }
      }
      std::string up = client.Take();
      if (round >= changed && random->Below(2) == 0) {
        const std::string other = Mutate(up, random);
        was_changed = was_changed || other != up;
        up = other;
      }
      const size_t piece = 1 + random->Below(4000);
      if (server.Feed(up, piece) == SecureStatus::kFailed) {
        EXPECT_TRUE(was_changed);
        EXPECT_EQ(server.Feed("more"), SecureStatus::kFailed);
        break;
      }
      (void)server.channel->Encrypt(reinterpret_cast<const uint8_t*>("answer"), 6, &server.sink);
      client.Feed(server.Take());
      (void)client.Read();
    }
    EXPECT_EQ(server.plain, sent.substr(0, server.plain.size()));
    if (!was_changed) {
      EXPECT_EQ(server.plain, sent);
      KeepSession(&client);
    }
    server.channel->Shutdown(&server.sink);
  }

  void KeepSession(TlsClient* client) {
    SSL_SESSION* session = client->TakeSession();
    if (session == nullptr) return;
    SSL_SESSION_free(session_);
    session_ = session;
  }

  test::TestIdentity identity_;
  test::TestIdentity client_identity_;
  TlsContext* context_ = nullptr;
  SSL_SESSION* session_ = nullptr;
};

TEST_F(TlsFuzzTest, MutatedStreamsDoNoHarm) {
  const uint64_t seed =
      NumberFromEnvironment("SLUICE_FUZZ_SEED", static_cast<uint64_t>(std::time(nullptr)));
  const uint64_t cases = NumberFromEnvironment("SLUICE_FUZZ_CASES", kCasesDefault);
  std::printf("TLS fuzz: seed %llu, %llu cases\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(cases));
  for (uint64_t i = 0; i < cases; ++i) {
    Random random(seed + i);
    RunCase(&random);
    ASSERT_FALSE(HasFailure()) << "SLUICE_FUZZ_SEED=" << seed + i << " SLUICE_FUZZ_CASES=1";
  }
}

TEST_F(TlsFuzzTest, KeptInputsAndTheirMutationsDoNoHarm) {
  const std::vector<std::string> inputs = Corpus();
  ASSERT_GT(inputs.size(), 5U) << "run from the root of the repository";
  Random random(1);
  for (const std::string& input : inputs) {
    for (int i = 0; i < 60; ++i) {
      TlsServer server(context_);
      const std::string bytes = i == 0 ? input : Mutate(input, &random);
      (void)server.Feed(bytes, 1 + random.Below(300));
      EXPECT_FALSE(server.channel->is_open());
      EXPECT_EQ(server.plain, "");
    }
  }
}

}  // namespace
}  // namespace sluice
