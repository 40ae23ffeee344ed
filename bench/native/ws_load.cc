// WebSocket load of every kind but the plain echo (echo_load.cc): over TLS, compressed, fan-out,
// at an offered rate, handshakes, and connections that are only held.
//   ws_load PORT MODE [--connections=N] [--bytes=N] [--inflight=N] [--senders=N] [--type=text|binary]
//           [--tls] [--deflate] [--path=/]
// MODE: echo, fanout, latency, handshake, hold. Commands on standard input, one line of JSON each:
//   run MS          echo, fanout, handshake: {"messages", "seconds"}
//   run MS RATE     latency: RATE messages per second in all; {"messages", "seconds", "p50", "p99", "late"}
//   open N          hold: N connections in all; {"open"}
// Answers are read frame by frame, since servers compress and batch differently.

#include <poll.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <vector>

#include "ws_client.h"

namespace {

using bench::Client;
using bench::Options;

constexpr int kEventsMax = 512;
constexpr int kSilenceMs = 10'000;

struct Load {
  Options options;
  int poller = -1;
  SSL_CTX* tls = nullptr;
  std::vector<Client> clients;
  std::string message;  // one frame
};

void Watch(Load& load, size_t index) {
  Client& client = load.clients[index];
  const bool want_write = !client.unsent.empty();
  if (client.watched && client.writes == want_write) return;
  epoll_event event{};
  event.events = EPOLLIN | (want_write ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  event.data.u64 = index;
  const int operation = client.watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(load.poller, operation, client.fd, &event) != 0) bench::Die("epoll_ctl");
  client.watched = true;
  client.writes = want_write;
}

void Send(Load& load, size_t index, int count) {
  Client& client = load.clients[index];
  for (int i = 0; i < count; i++) client.unsent += load.message;
  bench::Push(client);
  Watch(load, index);
}

/** Says one message and waits for its answer, so that the connection has sent and received. */
void SayOnce(Load& load, size_t index) {
  Send(load, index, 1);
  pollfd waiting{load.clients[index].fd, POLLIN, 0};
  while (bench::Pull(load.clients[index]) == 0) {
    if (poll(&waiting, 1, 10'000) == 0) bench::Fail("no answer in time");
  }
}

void Open(Load& load, size_t total) {
  while (load.clients.size() < total) {
    load.clients.emplace_back();
    const size_t index = load.clients.size() - 1;
    bench::OpenWebSocket(load.options, load.tls, index, &load.clients[index]);
    Watch(load, index);
    if (load.options.mode == "hold") SayOnce(load, index);
  }
}

int Wait(Load& load, epoll_event* events, int timeout_ms) {
  const int count = epoll_wait(load.poller, events, kEventsMax, timeout_ms);
  if (count < 0 && errno != EINTR) bench::Die("epoll_wait");
  return std::max(count, 0);
}

/** One answer for each message, `inflight` at a time on every connection. */
uint64_t RunEcho(Load& load, uint64_t duration_ns) {
  const uint64_t deadline = bench::NowNs() + duration_ns;
  const auto inflight = static_cast<uint64_t>(load.options.inflight);
  size_t busy = load.clients.size();
  uint64_t messages = 0;
  for (size_t i = 0; i < load.clients.size(); i++) {
    load.clients[i].owed = inflight;
    Send(load, i, load.options.inflight);
  }
  epoll_event events[kEventsMax];
  while (busy > 0) {
    const int count = Wait(load, events, kSilenceMs);
    if (count == 0) bench::Fail("no answer in time");
    const bool go_on = bench::NowNs() < deadline;
    for (int i = 0; i < count; i++) {
      const size_t index = events[i].data.u64;
      Client& client = load.clients[index];
      if (bench::Push(client)) Watch(load, index);
      client.owed -= std::min(client.owed, bench::Pull(client));
      if (client.owed > 0) continue;
      messages += inflight;
      client.owed = inflight;
      if (go_on) {
        Send(load, index, load.options.inflight);
      } else {
        busy--;
      }
    }
  }
  return messages;
}

/** Rounds: every sender sends one message, everybody gets all of them. Counts deliveries. */
uint64_t RunFanout(Load& load, uint64_t duration_ns) {
  const uint64_t deadline = bench::NowNs() + duration_ns;
  const auto senders = static_cast<uint64_t>(load.options.senders);
  uint64_t deliveries = 0;
  epoll_event events[kEventsMax];
  while (bench::NowNs() < deadline) {
    uint64_t owed = senders * load.clients.size();
    deliveries += owed;
    for (size_t i = 0; i < senders; i++) Send(load, i, 1);
    while (owed > 0) {
      const int count = Wait(load, events, kSilenceMs);
      if (count == 0) bench::Fail("a delivery is missing");
      for (int i = 0; i < count; i++) {
        const size_t index = events[i].data.u64;
        if (bench::Push(load.clients[index])) Watch(load, index);
        owed -= std::min(owed, bench::Pull(load.clients[index]));
      }
    }
  }
  return deliveries;
}

struct Latencies {
  std::vector<uint32_t> us;
  uint64_t late = 0;

  [[nodiscard]] uint32_t At(double part) {
    if (us.empty()) return 0;
    const auto place = static_cast<size_t>(part * static_cast<double>(us.size() - 1));
    std::nth_element(us.begin(), us.begin() + static_cast<long>(place), us.end());
    return us[place];
  }
};

/**
 * An open loop: messages leave at their moments whatever comes back, and their time counts from the
 * moment at which they were due.
 */
uint64_t RunLatency(Load& load, uint64_t duration_ns, double rate, Latencies* latencies) {
  const uint64_t started = bench::NowNs();
  const double step = 1e9 / rate;
  const auto total = static_cast<uint64_t>(static_cast<double>(duration_ns) / step);
  std::vector<std::vector<uint64_t>> due(load.clients.size());
  std::vector<size_t> answered(load.clients.size(), 0);
  uint64_t sent = 0;
  uint64_t received = 0;
  epoll_event events[kEventsMax];
  while (received < total) {
    uint64_t now = bench::NowNs();
    if (now > started + duration_ns + 10'000'000'000ull) bench::Fail("the server is overloaded");
    while (sent < total && static_cast<double>(now - started) >= step * static_cast<double>(sent)) {
      const auto moment = started + static_cast<uint64_t>(step * static_cast<double>(sent));
      if (now - moment > 1'000'000) latencies->late++;
      const size_t index = sent % load.clients.size();
      due[index].push_back(moment);
      Send(load, index, 1);
      sent++;
      if (sent % 32 == 0) now = bench::NowNs();
    }
    const int count = Wait(load, events, 0);
    now = bench::NowNs();
    for (int i = 0; i < count; i++) {
      const size_t index = events[i].data.u64;
      if (bench::Push(load.clients[index])) Watch(load, index);
      for (uint64_t n = bench::Pull(load.clients[index]); n > 0; n--, received++) {
        const uint64_t moment = due[index][answered[index]++];
        latencies->us.push_back(static_cast<uint32_t>((now - moment) / 1000));
      }
    }
  }
  return received;
}

/** Connects, upgrades, closes, one after the other on `connections` places. */
uint64_t RunHandshakes(Load& load, uint64_t duration_ns) {
  const uint64_t deadline = bench::NowNs() + duration_ns;
  bench::HandshakeRing ring(load.options, load.tls, load.poller);
  return ring.Run(deadline);
}

void Command(Load& load, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  uint64_t amount = 0;
  double rate = 0;
  words >> verb >> amount >> rate;
  if (verb == "open") {
    Open(load, amount);
    std::printf("{\"open\":%zu}\n", load.clients.size());
    return;
  }
  const uint64_t duration = amount * 1'000'000ull;
  const std::string& mode = load.options.mode;
  const uint64_t started = bench::NowNs();
  Latencies latencies;
  uint64_t messages = 0;
  if (mode == "fanout") {
    messages = RunFanout(load, duration);
  } else if (mode == "latency" && rate > 0) {
    messages = RunLatency(load, duration, rate, &latencies);
  } else if (mode == "handshake") {
    messages = RunHandshakes(load, duration);
  } else {
    messages = RunEcho(load, duration);
  }
  const double seconds = static_cast<double>(bench::NowNs() - started) / 1e9;
  std::printf("{\"messages\":%llu,\"seconds\":%.6f", static_cast<unsigned long long>(messages),
              seconds);
  if (!latencies.us.empty()) {
    std::printf(",\"p50\":%u,\"p99\":%u,\"late\":%llu", latencies.At(0.5), latencies.At(0.99),
                static_cast<unsigned long long>(latencies.late));
  }
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: ws_load PORT echo|fanout|latency|handshake|hold [options]\n");
    return 2;
  }
  Load load;
  load.options = bench::ReadOptions(argc, argv);
  load.poller = epoll_create1(EPOLL_CLOEXEC);
  if (load.options.tls) load.tls = bench::ClientContext();
  load.message = bench::MessageFrame(load.options);
  const bool opens = load.options.mode != "handshake" && load.options.mode != "hold";
  if (opens) Open(load, static_cast<size_t>(load.options.connections));
  std::printf("{\"ready\":true}\n");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    Command(load, line);
    std::fflush(stdout);
  }
  return 0;
}
