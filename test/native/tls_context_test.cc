// What a context decides: certificates by name, client certificates, tickets across a reload, and
// what is wrong with what it is given.
#include "../../native/core/tls_context.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <cstring>
#include <string>

#include "../../native/core/tls_live.h"
#include "fake_kernel.h"
#include "tls_fixture.h"

namespace sluice {
namespace {

using test::BytesOf;
using test::ClientOptions;
using test::MakeContext;
using test::MakeIdentity;
using test::TestIdentity;
using test::TlsClient;
using test::TlsServer;

constexpr uint32_t kLifetimeS = 600;

class TlsContextTest : public ::testing::Test {
 protected:
  void SetUp() override { test::ResetFakeKernel(); }
  void TearDown() override {
    test::ResetFakeKernel();
    EXPECT_EQ(tls_live.contexts, 0);
    EXPECT_EQ(tls_live.channels, 0);
    EXPECT_EQ(ERR_peek_error(), 0U);
  }

  static std::string NameShownTo(TlsContext* context, const std::string& server_name) {
    ClientOptions options;
    options.server_name = server_name;
    TlsClient client(options);
    TlsServer server(context);
    EXPECT_TRUE(test::Shake(&client, &server));
    return client.PeerName();
  }

  static SecureDescription Describe(const TlsServer& server) {
    SecureDescription description;
    server.channel->Describe(&description);
    return description;
  }

  /** A session that a client got from the context. The caller frees it. */
  static SSL_SESSION* Session(TlsContext* context, const ClientOptions& options) {
    TlsClient client(options);
    TlsServer server(context);
    EXPECT_TRUE(test::Shake(&client, &server));
    return client.TakeSession();
  }

  static bool Resumes(TlsContext* context, ClientOptions options, SSL_SESSION* session) {
    options.session = session;
    TlsClient client(options);
    TlsServer server(context);
    EXPECT_TRUE(test::Shake(&client, &server));
    return Describe(server).resumed;
  }

  const TestIdentity identity_ = MakeIdentity("default.example");
};

TEST_F(TlsContextTest, ShowsTheCertificateOfTheServerName) {
  TlsContext* context = MakeContext(identity_, {});
  for (const std::string name : {"a.example", "*.b.example"}) {
    const TestIdentity identity = MakeIdentity(name);
    EXPECT_FALSE(
        context->AddIdentity(name, BytesOf(identity.certificate), BytesOf(identity.key), {}).any());
  }
  EXPECT_EQ(NameShownTo(context, "a.example"), "a.example");
  EXPECT_EQ(NameShownTo(context, "A.Example"), "a.example");
  EXPECT_EQ(NameShownTo(context, "x.b.example"), "*.b.example");
  EXPECT_EQ(NameShownTo(context, "x.y.b.example"), "default.example");
  EXPECT_EQ(NameShownTo(context, "b.example"), "default.example");
  EXPECT_EQ(NameShownTo(context, "other.example"), "default.example");
  EXPECT_EQ(NameShownTo(context, ""), "default.example");
  context->Release();
}

TEST_F(TlsContextTest, SendsTheWholeChainOfTheFileInItsOrder) {
  const TestIdentity root = MakeIdentity("root");
  const TestIdentity leaf = MakeIdentity("leaf.example", &root);
  TestIdentity chained = leaf;
  chained.certificate += "a remark between\n" + identity_.certificate + root.certificate;
  TlsContext* context = MakeContext(chained, {});
  TlsClient client;
  TlsServer server(context);
  ASSERT_TRUE(test::Shake(&client, &server));
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(client.ssl());
  ASSERT_EQ(sk_X509_num(chain), 3);
  EXPECT_EQ(client.PeerName(), "leaf.example");
  context->Release();
}

TEST_F(TlsContextTest, RsaAndEcdsaStandSideBySide) {
  TlsContext* context = MakeContext(identity_, {});
  const TestIdentity rsa = MakeIdentity("rsa.example", nullptr, true);
  ASSERT_FALSE(context->AddIdentity("", BytesOf(rsa.certificate), BytesOf(rsa.key), {}).any());
  for (const auto& [algorithms, name] :
       {std::pair{"RSA-PSS+SHA256", "rsa.example"}, {"ECDSA+SHA256", "default.example"}}) {
    TlsClient client;
    SSL_set1_sigalgs_list(client.ssl(), algorithms);
    TlsServer server(context);
    ASSERT_TRUE(test::Shake(&client, &server));
    EXPECT_EQ(client.PeerName(), name);
  }
  context->Release();
}

TEST_F(TlsContextTest, SaysWhatIsWrongWithWhatItIsGiven) {
  const TestIdentity other = MakeIdentity("other");
  const TestIdentity rsa = MakeIdentity("rsa", nullptr, true);
  const std::string cut = identity_.certificate.substr(0, identity_.certificate.size() / 2);
  const struct {
    std::string certificate;
    std::string key;
    TlsFaultKind kind;
    const char* text;
  } cases[] = {
      {"", identity_.key, TlsFaultKind::kCertificate, "holds no certificate"},
      {"nonsense", identity_.key, TlsFaultKind::kCertificate, "holds no certificate"},
      {cut, identity_.key, TlsFaultKind::kCertificate, "holds no certificate"},
      {identity_.certificate + cut, identity_.key, TlsFaultKind::kCertificate, "damaged chain"},
      {identity_.certificate, "", TlsFaultKind::kKey, "holds no private key"},
      {identity_.certificate, identity_.certificate, TlsFaultKind::kKey, "holds no private key"},
      {identity_.certificate, other.key, TlsFaultKind::kKey, "does not belong"},
      {identity_.certificate, rsa.key, TlsFaultKind::kKey, "does not belong"},
  };
  for (const auto& wrong : cases) {
    TlsContext* context = TlsContext::Create({}, nullptr);
    ASSERT_FALSE(context->Prepare({}).any());
    const TlsFault fault =
        context->AddIdentity("", BytesOf(wrong.certificate), BytesOf(wrong.key), {});
    EXPECT_EQ(fault.kind, wrong.kind) << fault.reason;
    EXPECT_NE(std::string(fault.reason).find(wrong.text), std::string::npos) << fault.reason;
    context->Release();
  }
}

TEST_F(TlsContextTest, SaysThatNoCipherIsLeftAndThatAnAuthorityIsMissing) {
  TlsSettings settings;
  settings.ciphers = "NO-SUCH-CIPHER";
  TlsContext* context = TlsContext::Create(settings, nullptr);
  ASSERT_FALSE(context->Prepare({}).any());
  EXPECT_EQ(
      context->AddIdentity("", BytesOf(identity_.certificate), BytesOf(identity_.key), {}).kind,
      TlsFaultKind::kSetting);
  EXPECT_EQ(context->Accept(), nullptr);
  context->Release();
  settings.client_certificate = ClientCertificate::kRequire;
  context = TlsContext::Create(settings, nullptr);
  EXPECT_EQ(context->Prepare({}).kind, TlsFaultKind::kCertificate);
  context->Release();
}

TEST_F(TlsContextTest, TellsClientCertificatesApart) {
  const TestIdentity authority = MakeIdentity("authority");
  const TestIdentity stranger = MakeIdentity("stranger");
  const TestIdentity good = MakeIdentity("client.webhooks", &authority);
  const TestIdentity bad = MakeIdentity("client.webhooks", &stranger);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const auto mode :
         {ClientCertificate::kNone, ClientCertificate::kRequest, ClientCertificate::kRequire}) {
      TlsSettings settings;
      settings.client_certificate = mode;
      TlsContext* context = MakeContext(identity_, settings, authority.certificate);
      const TestIdentity* const clients[] = {nullptr, &good, &bad};
      for (const TestIdentity* identity : clients) {
        ClientOptions options;
        options.version = version;
        options.identity = identity;
        TlsClient client(options);
        TlsServer server(context);
        const bool opened = test::Shake(&client, &server);
        const bool wanted = mode != ClientCertificate::kRequire || identity == &good;
        EXPECT_EQ(opened && server.channel->is_open(), wanted);
        if (!opened) continue;
        const SecureDescription description = Describe(server);
        const bool shown = identity != nullptr && mode != ClientCertificate::kNone;
        EXPECT_EQ(server.channel->PeerCertificate(nullptr, 0) > 0, shown);
        EXPECT_EQ(description.authorized, shown && identity == &good);
        EXPECT_EQ(description.reason[0] != '\0', shown && identity == &bad);
      }
      context->Release();
    }
  }
}

TEST_F(TlsContextTest, ResumesByTicketAlsoAfterAReload) {
  TlsSettings settings;
  settings.ticket_lifetime_s = kLifetimeS;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientOptions options;
    options.version = version;
    TlsContext* first = MakeContext(identity_, settings);
    SSL_SESSION* session = Session(first, options);
    ASSERT_NE(session, nullptr);
    EXPECT_TRUE(Resumes(first, options, session));
    SSL_SESSION_free(session);
    // A client uses a ticket of TLS 1.3 once.
    session = Session(first, options);
    TlsContext* second = MakeContext(MakeIdentity("renewed.example"), settings, "", first);
    EXPECT_TRUE(Resumes(second, options, session));
    TlsContext* stranger = MakeContext(identity_, settings);
    EXPECT_FALSE(Resumes(stranger, options, session));
    SSL_SESSION_free(session);
    first->Release();
    second->Release();
    stranger->Release();
  }
}

TEST_F(TlsContextTest, AnotherClientPolicyVoidsTickets) {
  const TestIdentity authority = MakeIdentity("authority");
  const TestIdentity good = MakeIdentity("client", &authority);
  ClientOptions options;
  options.identity = &good;
  TlsSettings settings;
  settings.ticket_lifetime_s = kLifetimeS;
  TlsContext* open = MakeContext(identity_, settings);
  SSL_SESSION* session = Session(open, options);
  settings.client_certificate = ClientCertificate::kRequire;
  TlsContext* strict = MakeContext(identity_, settings, authority.certificate, open);
  EXPECT_FALSE(Resumes(strict, options, session));
  SSL_SESSION_free(session);
  session = Session(strict, options);
  options.session = session;
  {
    TlsClient client(options);
    TlsServer server(strict);
    ASSERT_TRUE(test::Shake(&client, &server));
    EXPECT_TRUE(Describe(server).resumed);
    EXPECT_TRUE(Describe(server).authorized);
    EXPECT_GT(server.channel->PeerCertificate(nullptr, 0), 0U);
  }
  SSL_SESSION_free(session);
  open->Release();
  strict->Release();
}

TEST_F(TlsContextTest, TicketKeysAreReplacedByAgeAndForgottenByAge) {
  TlsSettings settings;
  settings.ticket_lifetime_s = kLifetimeS;
  ClientOptions options;
  options.version = TLS1_2_VERSION;
  TlsContext* context = MakeContext(identity_, settings);
  SSL_SESSION* old = Session(context, options);
  test::TheKernel().clock_offset_ms = int64_t{kLifetimeS} * 1000 + 1000;
  SSL_SESSION* fresh = Session(context, options);
  EXPECT_TRUE(Resumes(context, options, old)) << "the key before still opens";
  test::TheKernel().clock_offset_ms *= 2;
  EXPECT_FALSE(Resumes(context, options, old)) << "its key is forgotten";
  EXPECT_TRUE(Resumes(context, options, fresh));
  SSL_SESSION_free(old);
  SSL_SESSION_free(fresh);
  context->Release();
}

TEST_F(TlsContextTest, WithoutALifetimeThereAreNoTickets) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientOptions options;
    options.version = version;
    TlsContext* context = MakeContext(identity_, {});
    SSL_SESSION* session = Session(context, options);
    if (session != nullptr) {
      EXPECT_FALSE(Resumes(context, options, session));
    }
    SSL_SESSION_free(session);
    context->Release();
  }
}

TEST_F(TlsContextTest, OnlyTheVersionsThatAreSetAreSpoken) {
  TlsSettings settings;
  settings.version_min = TLS1_3_VERSION;
  TlsContext* context = MakeContext(identity_, settings);
  ClientOptions options;
  options.version = TLS1_2_VERSION;
  TlsClient old(options);
  TlsServer refusing(context);
  EXPECT_FALSE(test::Shake(&old, &refusing));
  context->Release();
  settings.version_min = settings.version_max = TLS1_2_VERSION;
  context = MakeContext(identity_, settings);
  TlsClient client;
  {
    TlsServer server(context);
    ASSERT_TRUE(test::Shake(&client, &server));
    EXPECT_STREQ(Describe(server).protocol, "TLSv1.2");
  }
  context->Release();
}

TEST_F(TlsContextTest, AChannelOutlivesItsContext) {
  TlsContext* context = MakeContext(identity_, {});
  TlsClient client;
  TlsServer server(context);
  context->Release();
  ASSERT_TRUE(test::Shake(&client, &server));
  client.Write("still here");
  EXPECT_EQ(server.Feed(client.Take()), SecureStatus::kGoesOn);
  EXPECT_EQ(server.plain, "still here");
}

}  // namespace
}  // namespace sluice
