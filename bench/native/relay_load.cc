// Relay load: senders post signed webhooks over keep-alive connections, agents receive them.
//   relay_load PORT WEBHOOK_PATH SENDERS AGENTS AGENT_PATH APP_SECRET PAGE_ID [TOKEN]
// With a TOKEN the agents speak sluice.v1 (hello, then events); without, every text frame counts.
// `run MS` on standard input posts for MS milliseconds, waits until each post was answered 200 and
// has reached every agent, and prints one line of JSON.

#include <iostream>
#include <vector>

#include "../../native/core/sha256.h"
#include "net.h"

namespace {

constexpr char kEventStart[] = "{\"type\":\"event\"";

struct Sender {
  int fd = -1;
  std::string user;
  std::string request;
  std::string answer;
};

struct AgentSocket {
  int fd = -1;
  std::vector<char> kept;
  uint64_t events = 0;
  bool ready = false;  // the snapshot has ended
};

struct Load {
  explicit Load(const sluice::HmacKey& app_key) : key(app_key) {}

  int poller = -1;
  std::string path;
  std::string page;
  sluice::HmacKey key;
  bool speaks_protocol = false;
  std::vector<Sender> senders;
  std::vector<AgentSocket> agents;
  uint64_t next_mid = 0;
  uint64_t run_id = 0;
  uint64_t posted = 0;
  uint64_t answered = 0;
};

uint64_t WallMs() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1000 + static_cast<uint64_t>(ts.tv_nsec) / 1'000'000;
}

std::string SignHex(const sluice::HmacKey& key, const std::string& body) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const uint8_t byte : key.Sign(reinterpret_cast<const uint8_t*>(body.data()), body.size())) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

void Post(Load& load, Sender& sender) {
  const std::string now = std::to_string(WallMs());
  const std::string mid = "m_bench-" + std::to_string(load.run_id) + "-" +
                          std::to_string(load.next_mid++) + "-aZ09_eUoTqBiKxYvWrCzEhPn";
  const std::string body = "{\"object\":\"page\",\"entry\":[{\"id\":\"" + load.page +
                           "\",\"time\":" + now + ",\"messaging\":[{\"sender\":{\"id\":\"" +
                           sender.user + "\"},\"recipient\":{\"id\":\"" + load.page +
                           "\"},\"timestamp\":" + now + ",\"message\":{\"mid\":\"" + mid +
                           "\",\"text\":\"Hi, is the blue jacket still available in M?\"}}]}]}";
  sender.request = "POST " + load.path +
                   " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                   "application/json\r\nX-Hub-Signature-256: sha256=" +
                   SignHex(load.key, body) + "\r\nContent-Length: " + std::to_string(body.size()) +
                   "\r\n\r\n" + body;
  bench::SendAll(sender.fd, sender.request);
  load.posted++;
}

// True when the answer is complete (a head and a body of Content-Length).
bool ReadAnswer(Sender& sender) {
  char buffer[4096];
  const ssize_t n = recv(sender.fd, buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) bench::Die("a webhook connection was closed");
  sender.answer.append(buffer, static_cast<size_t>(n));
  const size_t head = sender.answer.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  size_t length_at = sender.answer.find("ontent-Length: ");
  if (length_at == std::string::npos) length_at = sender.answer.find("ontent-length: ");
  const size_t length =
      length_at == std::string::npos
          ? 0
          : static_cast<size_t>(std::atol(sender.answer.c_str() + length_at + 15));
  if (sender.answer.size() < head + 4 + length) return false;
  if (sender.answer.compare(0, 12, "HTTP/1.1 200") != 0) {
    std::fprintf(stderr, "bench: a webhook was answered: %s\n", sender.answer.c_str());
    std::exit(1);
  }
  sender.answer.clear();
  return true;
}

void TakeFrame(const Load& load, AgentSocket& agent, const char* payload, size_t length) {
  if (!load.speaks_protocol || (length >= sizeof kEventStart - 1 &&
                                std::memcmp(payload, kEventStart, sizeof kEventStart - 1) == 0)) {
    agent.events++;
  } else if (std::string(payload, length).find("\"last\":true") != std::string::npos) {
    agent.ready = true;
  }
}

void ReadAgent(const Load& load, AgentSocket& agent) {
  static std::vector<char> buffer(1 << 20);
  const size_t kept = agent.kept.size();
  std::memcpy(buffer.data(), agent.kept.data(), kept);
  const ssize_t n = recv(agent.fd, buffer.data() + kept, buffer.size() - kept, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) bench::Die("an agent was disconnected");
  const size_t size = kept + static_cast<size_t>(n);
  size_t at = 0;
  while (size - at >= 2) {
    const auto* head = reinterpret_cast<const unsigned char*>(buffer.data() + at);
    size_t length = head[1] & 0x7f;
    size_t header = 2;
    if (length == 126) header = 4;
    if (length == 127) header = 10;
    if (size - at < header) break;
    if (header == 4) length = static_cast<size_t>(head[2]) << 8 | head[3];
    if (header == 10) {
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | head[i];
    }
    if (size - at < header + length) break;
    TakeFrame(load, agent, buffer.data() + at + header, length);
    at += header + length;
  }
  agent.kept.assign(buffer.begin() + static_cast<long>(at),
                    buffer.begin() + static_cast<long>(size));
}

bool AllDelivered(const Load& load, uint64_t wanted) {
  for (const AgentSocket& agent : load.agents) {
    if (agent.events < wanted) return false;
  }
  return true;
}

void Turn(Load& load, bool go_on) {
  epoll_event events[256];
  const int count = epoll_wait(load.poller, events, 256, 10'000);
  if (count == 0) {
    std::fprintf(stderr, "bench: nothing happened for 10 s (%llu posted, %llu answered)\n",
                 static_cast<unsigned long long>(load.posted),
                 static_cast<unsigned long long>(load.answered));
    std::exit(1);
  }
  for (int i = 0; i < count; i++) {
    const uint64_t index = events[i].data.u64;
    if (index >= load.senders.size()) {
      ReadAgent(load, load.agents[index - load.senders.size()]);
      continue;
    }
    Sender& sender = load.senders[index];
    if (!ReadAnswer(sender)) continue;
    load.answered++;
    if (go_on) Post(load, sender);
  }
}

void RunSlice(Load& load, uint64_t duration_ns) {
  const uint64_t deadline = bench::NowNs() + duration_ns;
  load.posted = load.answered = 0;
  for (AgentSocket& agent : load.agents) agent.events = 0;
  for (Sender& sender : load.senders) Post(load, sender);
  while (load.answered < load.posted || !AllDelivered(load, load.posted))
    Turn(load, bench::NowNs() < deadline);
}

void Watch(Load& load, int fd, uint64_t index) {
  bench::SetNonBlocking(fd);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  if (epoll_ctl(load.poller, EPOLL_CTL_ADD, fd, &event) != 0) bench::Die("epoll_ctl");
}

void ConnectAgents(Load& load, int port, const std::string& path, const std::string& token) {
  for (size_t i = 0; i < load.agents.size(); i++) {
    AgentSocket& agent = load.agents[i];
    agent.fd = bench::Connect(port);
    const std::string headers = token.empty() ? ""
                                              : "Authorization: Bearer " + token +
                                                    "\r\nSec-WebSocket-Protocol: sluice.v1\r\n";
    const std::string rest = bench::Upgrade(agent.fd, path, headers);
    agent.kept.assign(rest.begin(), rest.end());
    agent.ready = token.empty();
    if (!token.empty()) {
      const std::string hello = "{\"type\":\"hello\",\"id\":\"1\",\"session\":\"bench-" +
                                std::to_string(load.run_id) + "-" + std::to_string(i) + "\"}";
      bench::SendAll(agent.fd, bench::ClientFrame(1, hello, 0x11223344u));
    }
    Watch(load, agent.fd, load.senders.size() + i);
  }
}

bool AllReady(const Load& load) {
  for (const AgentSocket& agent : load.agents) {
    if (!agent.ready) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8 && argc != 9) {
    std::fprintf(stderr,
                 "usage: relay_load PORT WEBHOOK_PATH SENDERS AGENTS AGENT_PATH APP_SECRET PAGE_ID "
                 "[TOKEN]\n");
    return 2;
  }
  const int port = std::atoi(argv[1]);
  const std::string secret = argv[6];
  Load load(sluice::HmacKey(reinterpret_cast<const uint8_t*>(secret.data()), secret.size()));
  load.poller = epoll_create1(EPOLL_CLOEXEC);
  load.path = argv[2];
  load.page = argv[7];
  load.run_id = WallMs();
  load.senders.resize(static_cast<size_t>(std::atoi(argv[3])));
  load.agents.resize(static_cast<size_t>(std::atoi(argv[4])));
  const std::string token = argc == 9 ? argv[8] : "";
  load.speaks_protocol = !token.empty();
  for (size_t i = 0; i < load.senders.size(); i++) {
    load.senders[i].fd = bench::Connect(port);
    load.senders[i].user = std::to_string(7'000'000'000'000'000ull + i);
    Watch(load, load.senders[i].fd, i);
  }
  ConnectAgents(load, port, argv[5], token);
  while (!AllReady(load)) Turn(load, false);
  std::printf("{\"ready\":true}\n");
  std::fflush(stdout);
  std::string command;
  uint64_t ms = 0;
  while (std::cin >> command >> ms) {
    const uint64_t started = bench::NowNs();
    RunSlice(load, ms * 1'000'000ull);
    const double seconds = static_cast<double>(bench::NowNs() - started) / 1e9;
    std::printf("{\"posts\":%llu,\"deliveries\":%llu,\"seconds\":%.6f}\n",
                static_cast<unsigned long long>(load.answered),
                static_cast<unsigned long long>(load.answered * load.agents.size()), seconds);
    std::fflush(stdout);
  }
  return 0;
}
