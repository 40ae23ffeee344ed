// Many WebSockets in one process, for tests that need thousands of them and a clock that waits for
// nobody. A line on standard input is a command, a line of JSON its answer.
//   crowd_client PORT
//   open COUNT PATH      opens connections that are read
//   mute COUNT PATH      opens connections that never read
//   capacity MS FLIGHT   echoes on FLIGHT connections as fast as they return: {perSecond}
//   paced RATE MS        sends at RATE a second whatever comes back: {sent, received, p50, p99, max}
//                        in milliseconds from the moment at which a message was due; it sends what
//                        is due, and looks for answers, every kPaceNs
//   churn COUNT FLIGHT   connects, upgrades, sends, hears, and ends in four ways: {done, failed}
// Echoes begin with 'E'; whatever else comes is counted and dropped.

#include <sys/resource.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <vector>

#include "../../../bench/native/net.h"

namespace {

using bench::NowNs;

constexpr size_t kPayloadBytes = 32;
constexpr int kMutedReceiveBytes = 4096;
constexpr size_t kHandshakesAtOnce = 256;
constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kNsPerS = 1'000'000'000;
/**
 * Between two looks of `paced`. Woken for each message, the client would take more of the machine
 * than the server, and what it measured would be its own queue.
 */
constexpr uint64_t kPaceNs = kNsPerMs / 5;

std::string Handshake(const std::string& path) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

/** 'E', and the moment at which the message was due. */
std::string EchoFrame(uint64_t due_ns) {
  char text[kPayloadBytes + 1];
  std::snprintf(text, sizeof text, "E%020llu...........", static_cast<unsigned long long>(due_ns));
  return bench::ClientFrame(1, std::string(text, kPayloadBytes), 0x3d21fa37);
}

struct Reader {
  int fd = -1;
  std::string rest;  // An incomplete frame.
};

struct Crowd {
  int port = 0;
  int poller = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Reader> readers;
  std::vector<int> muted;
  uint64_t others = 0;  // Frames that are no echoes.
};

/** Calls found(payload, length) for each whole server frame, and keeps the rest. */
template <typename Found>
void TakeFrames(std::string* bytes, Found found) {
  size_t at = 0;
  while (bytes->size() - at >= 2) {
    const auto* head = reinterpret_cast<const unsigned char*>(bytes->data() + at);
    size_t length = head[1];
    size_t head_bytes = 2;
    if (length == 126) {
      if (bytes->size() - at < 4) break;
      length = static_cast<size_t>(head[2]) << 8 | head[3];
      head_bytes = 4;
    } else if (length == 127) {
      if (bytes->size() - at < 10) break;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | head[i];
      head_bytes = 10;
    }
    if (bytes->size() - at < head_bytes + length) break;
    found(bytes->data() + at + head_bytes, length, head[0] & 0x0f);
    at += head_bytes + length;
  }
  bytes->erase(0, at);
}

/** Reads what is there. @returns false at the end of the stream */
bool ReadSome(int fd, std::string* into) {
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) {
      into->append(buffer, static_cast<size_t>(n));
      if (static_cast<size_t>(n) < sizeof buffer) return true;
    } else if (n == 0) {
      return false;
    } else {
      return errno == EAGAIN || errno == EINTR;
    }
  }
}

void OpenMany(Crowd& crowd, size_t count, const std::string& path, bool muted) {
  const std::string handshake = Handshake(path);
  while (count > 0) {
    std::vector<int> batch;
    for (size_t i = 0; i < std::min(count, kHandshakesAtOnce); i++) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0) bench::Die("socket");
      if (muted) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kMutedReceiveBytes, sizeof kMutedReceiveBytes);
      }
      const sockaddr_in address = bench::Loopback(crowd.port);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        bench::Die("connect");
      }
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      bench::SendAll(fd, handshake);
      batch.push_back(fd);
    }
    for (const int fd : batch) {
      std::string rest;
      const std::string head = bench::ReadHead(fd, &rest);
      if (head.compare(0, 12, "HTTP/1.1 101") != 0) {
        std::cerr << "refused: " << head << std::endl;
        std::exit(1);
      }
      bench::SetNonBlocking(fd);
      if (muted) {
        crowd.muted.push_back(fd);
        continue;
      }
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = crowd.readers.size();
      if (epoll_ctl(crowd.poller, EPOLL_CTL_ADD, fd, &event) != 0) bench::Die("epoll_ctl");
      crowd.readers.push_back({fd, rest});
    }
    count -= batch.size();
  }
}

void SendEcho(Crowd& crowd, size_t index, uint64_t due_ns) {
  const std::string frame = EchoFrame(due_ns);
  const ssize_t n = send(crowd.readers[index].fd, frame.data(), frame.size(), MSG_NOSIGNAL);
  if (n != static_cast<ssize_t>(frame.size())) bench::Die("send of an echo");
}

/** Takes what has come, waiting up to timeout_ms for it. echoed(index, due) per echo. */
template <typename Echoed>
void Poll(Crowd& crowd, int timeout_ms, Echoed echoed) {
  epoll_event events[512];
  const int count = epoll_wait(crowd.poller, events, 512, timeout_ms);
  for (int i = 0; i < count; i++) {
    const size_t index = events[i].data.u64;
    Reader& reader = crowd.readers[index];
    if (!ReadSome(reader.fd, &reader.rest)) {
      std::cerr << "a reader was closed" << std::endl;
      std::exit(1);
    }
    TakeFrames(&reader.rest, [&](const char* payload, size_t length, int) {
      if (length == kPayloadBytes && payload[0] == 'E') {
        echoed(index, std::strtoull(std::string(payload + 1, 20).c_str(), nullptr, 10));
      } else {
        crowd.others++;
      }
    });
  }
}

void Capacity(Crowd& crowd, uint64_t ms, size_t flight) {
  flight = std::min(flight, crowd.readers.size());
  const size_t stride = crowd.readers.size() / flight;
  const uint64_t start = NowNs();
  const uint64_t end = start + ms * kNsPerMs;
  uint64_t echoes = 0;
  size_t open = flight;
  for (size_t i = 0; i < flight; i++) SendEcho(crowd, i * stride, 0);
  while (open > 0) {
    Poll(crowd, 1000, [&](size_t index, uint64_t) {
      echoes++;
      if (NowNs() < end) {
        SendEcho(crowd, index, 0);
      } else {
        open--;
      }
    });
  }
  const double seconds = static_cast<double>(NowNs() - start) / 1e9;
  std::cout << "{\"perSecond\":" << static_cast<double>(echoes) / seconds << "}" << std::endl;
}

void SleepUntil(uint64_t ns) {
  const timespec moment{static_cast<time_t>(ns / kNsPerS), static_cast<long>(ns % kNsPerS)};
  (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr);
}

void Paced(Crowd& crowd, uint64_t rate, uint64_t ms) {
  constexpr uint64_t kPatienceNs = 5'000 * kNsPerMs;
  const uint64_t total = rate * ms / 1000;
  const double step = 1e9 / static_cast<double>(rate);
  std::vector<uint64_t> delays;
  delays.reserve(total);
  const uint64_t start = NowNs();
  uint64_t sent = 0;
  uint64_t next = start;
  uint64_t last = start;
  while (delays.size() < total) {
    const uint64_t now = NowNs();
    while (sent < total && next <= now) {
      SendEcho(crowd, sent * 7919 % crowd.readers.size(), next);
      sent++;
      next = start + static_cast<uint64_t>(static_cast<double>(sent) * step);
      last = now;
    }
    if (sent == total && now - last > kPatienceNs) break;
    SleepUntil(now - (now - start) % kPaceNs + kPaceNs);
    Poll(crowd, 0, [&](size_t, uint64_t due) { delays.push_back(NowNs() - due); });
  }
  std::sort(delays.begin(), delays.end());
  const auto at = [&](double part) {
    if (delays.empty()) return 0.0;
    const auto index = static_cast<size_t>(part * static_cast<double>(delays.size() - 1));
    return static_cast<double>(delays[index]) / 1e6;
  };
  std::cout << "{\"sent\":" << sent << ",\"received\":" << delays.size() << ",\"p50\":" << at(0.5)
            << ",\"p99\":" << at(0.99) << ",\"max\":" << at(1) << ",\"others\":" << crowd.others
            << "}" << std::endl;
}

// ---- churn
// ---------------------------------------------------------------------------------------

enum class Stage { kUpgrading, kEchoing, kEnding };

struct Visit {
  int fd = -1;
  uint64_t number = 0;
  Stage stage = Stage::kUpgrading;
  std::string bytes;
};

struct Churn {
  int port = 0;
  int poller = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Visit> visits;
  uint64_t begun = 0;
  uint64_t done = 0;
  uint64_t failed = 0;
  uint64_t total = 0;
};

constexpr uint64_t kWays = 4;  // Close frame, reset within a frame, FIN, a plain request.

void Begin(Churn& churn, size_t slot) {
  Visit& visit = churn.visits[slot];
  visit = Visit{};
  if (churn.begun == churn.total) return;
  visit.number = churn.begun++;
  visit.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (visit.fd < 0) bench::Die("socket");
  // Many addresses, so that ports that rest in TIME_WAIT do not run out.
  sockaddr_in from = bench::Loopback(0);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + visit.number % 64);
  const int on = 1;
  setsockopt(visit.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (bind(visit.fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) {
    bench::Die("bind");
  }
  const sockaddr_in address = bench::Loopback(churn.port);
  if (connect(visit.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    bench::Die("connect");
  }
  const bool plain = visit.number % kWays == 3;
  bench::SendAll(visit.fd, plain ? "GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                                 : Handshake("/echo"));
  if (plain) visit.stage = Stage::kEnding;
  bench::SetNonBlocking(visit.fd);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = slot;
  if (epoll_ctl(churn.poller, EPOLL_CTL_ADD, visit.fd, &event) != 0) bench::Die("epoll_ctl");
}

void Finish(Churn& churn, size_t slot, bool good) {
  const linger abort{1, 0};
  Visit& visit = churn.visits[slot];
  (void)setsockopt(visit.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  (void)close(visit.fd);
  churn.done++;
  if (!good) churn.failed++;
  Begin(churn, slot);
}

/** The echo is there: the visit ends in its way. */
void Leave(Churn& churn, size_t slot) {
  Visit& visit = churn.visits[slot];
  visit.stage = Stage::kEnding;
  switch (visit.number % kWays) {
    case 0:
      bench::SendAll(visit.fd, bench::ClientFrame(8, std::string("\x03\xe8", 2), 0x01020304));
      break;
    case 1:
      bench::SendAll(visit.fd, bench::ClientFrame(2, std::string(100, 'x'), 1).substr(0, 50));
      Finish(churn, slot, true);
      break;
    default:
      (void)shutdown(visit.fd, SHUT_WR);
  }
}

void Visited(Churn& churn, size_t slot) {
  Visit& visit = churn.visits[slot];
  const bool lives = ReadSome(visit.fd, &visit.bytes);
  if (visit.stage == Stage::kUpgrading) {
    const size_t end = visit.bytes.find("\r\n\r\n");
    if (end != std::string::npos) {
      if (visit.bytes.compare(0, 12, "HTTP/1.1 101") != 0) return Finish(churn, slot, false);
      visit.bytes.erase(0, end + 4);
      visit.stage = Stage::kEchoing;
      bench::SendAll(visit.fd, EchoFrame(visit.number));
    }
  }
  if (visit.stage == Stage::kEchoing) {
    bool echoed = false;
    TakeFrames(&visit.bytes, [&](const char*, size_t length, int opcode) {
      echoed = echoed || (opcode == 1 && length == kPayloadBytes);
    });
    if (echoed) return Leave(churn, slot);
  }
  if (lives) return;
  const bool plain = visit.number % kWays == 3;
  const bool answered = !plain || visit.bytes.compare(0, 12, "HTTP/1.1 200") == 0;
  Finish(churn, slot, visit.stage == Stage::kEnding && answered);
}

void RunChurn(int port, uint64_t count, size_t flight) {
  Churn churn;
  churn.port = port;
  churn.total = count;
  churn.visits.resize(std::min<uint64_t>(flight, count));
  for (size_t slot = 0; slot < churn.visits.size(); slot++) Begin(churn, slot);
  while (churn.done < count) {
    epoll_event events[256];
    const int ready = epoll_wait(churn.poller, events, 256, 15'000);
    if (ready == 0) {
      std::cerr << "nothing has happened for 15 s" << std::endl;
      std::exit(1);
    }
    for (int i = 0; i < ready; i++) Visited(churn, events[i].data.u64);
  }
  (void)close(churn.poller);
  std::cout << "{\"done\":" << churn.done << ",\"failed\":" << churn.failed << "}" << std::endl;
}

void Command(Crowd& crowd, const std::string& line) {
  std::istringstream words(line);
  std::string name;
  uint64_t first = 0;
  words >> name >> first;
  if (name == "open" || name == "mute") {
    std::string path;
    words >> path;
    OpenMany(crowd, first, path, name == "mute");
    std::cout << "{\"open\":" << crowd.readers.size() + crowd.muted.size() << "}" << std::endl;
    return;
  }
  uint64_t second = 0;
  words >> second;
  if (name == "capacity") {
    Capacity(crowd, first, second);
  } else if (name == "paced") {
    Paced(crowd, first, second);
  } else if (name == "churn") {
    RunChurn(crowd.port, first, second);
  } else {
    std::cerr << "no such command: " << line << std::endl;
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  rlimit files{};
  (void)getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &files);
  Crowd crowd;
  crowd.port = std::atoi(argv[1]);
  std::string line;
  while (std::getline(std::cin, line)) Command(crowd, line);
  return 0;
}
