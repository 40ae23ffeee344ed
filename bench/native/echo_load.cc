// Echo load: keeps `inflight` messages of `bytes` bytes on each of `connections` WebSockets.
//   echo_load PORT PATH CONNECTIONS BYTES INFLIGHT text|binary
// Reads commands from standard input: `run MS` drives the load for MS milliseconds, waits for every
// answer, and prints one line of JSON. The connections stay open between slices.

#include <algorithm>
#include <iostream>
#include <vector>

#include "net.h"

namespace {

struct Client {
  int fd = -1;
  uint64_t owed_bytes = 0;      // bytes of answers still to come
  uint64_t received_bytes = 0;  // of the current slice
  size_t unsent = 0;            // bytes of the batch that the kernel has not taken
  bool sending = false;         // EPOLLOUT armed
};

struct Load {
  int poller = -1;
  std::vector<Client> clients;
  std::string batch;      // `inflight` frames
  uint64_t answer_bytes;  // of one batch
  uint64_t frame_answer;  // of one message
  uint64_t messages = 0;
};

void Arm(Load& load, size_t index, bool want_write) {
  Client& client = load.clients[index];
  if (client.sending == want_write) return;
  epoll_event event{};
  event.events = EPOLLIN | (want_write ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  event.data.u64 = index;
  if (epoll_ctl(load.poller, EPOLL_CTL_MOD, client.fd, &event) != 0) bench::Die("epoll_ctl");
  client.sending = want_write;
}

void Push(Load& load, size_t index) {
  Client& client = load.clients[index];
  while (client.unsent > 0) {
    const char* from = load.batch.data() + (load.batch.size() - client.unsent);
    const ssize_t n = send(client.fd, from, client.unsent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) break;
      bench::Die("send");
    }
    client.unsent -= static_cast<size_t>(n);
  }
  Arm(load, index, client.unsent > 0);
}

void StartBatch(Load& load, size_t index) {
  Client& client = load.clients[index];
  client.unsent = load.batch.size();
  client.owed_bytes = load.answer_bytes;
  Push(load, index);
}

// Takes what is there; true when the whole batch has been answered.
bool Pull(Client& client, std::vector<char>& buffer) {
  while (client.owed_bytes > 0) {
    const ssize_t n = recv(client.fd, buffer.data(), buffer.size(), 0);
    if (n == 0) {
      errno = ECONNRESET;
      bench::Die("server closed");
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      bench::Die("recv");
    }
    if (static_cast<uint64_t>(n) > client.owed_bytes) {
      std::fprintf(stderr, "bench: more bytes than were sent\n");
      std::exit(1);
    }
    client.owed_bytes -= static_cast<uint64_t>(n);
    client.received_bytes += static_cast<uint64_t>(n);
    if (static_cast<size_t>(n) < buffer.size()) break;
  }
  return client.owed_bytes == 0 && client.unsent == 0;
}

uint64_t RunSlice(Load& load, uint64_t duration_ns) {
  static std::vector<char> buffer(1 << 18);
  const uint64_t deadline = bench::NowNs() + duration_ns;
  size_t busy = load.clients.size();
  uint64_t batches = 0;
  for (size_t i = 0; i < load.clients.size(); i++) StartBatch(load, i);
  epoll_event events[256];
  while (busy > 0) {
    const int count = epoll_wait(load.poller, events, 256, 5000);
    if (count == 0) {
      std::fprintf(stderr, "bench: no answer within 5 s\n");
      std::exit(1);
    }
    const bool go_on = bench::NowNs() < deadline;
    for (int i = 0; i < count; i++) {
      const size_t index = events[i].data.u64;
      if ((events[i].events & EPOLLOUT) != 0) Push(load, index);
      if (!Pull(load.clients[index], buffer)) continue;
      batches++;
      if (go_on) {
        StartBatch(load, index);
      } else {
        busy--;
      }
    }
  }
  return batches;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: echo_load PORT PATH CONNECTIONS BYTES INFLIGHT text|binary\n");
    return 2;
  }
  const int port = std::atoi(argv[1]);
  const int connections = std::atoi(argv[3]);
  const size_t bytes = static_cast<size_t>(std::atol(argv[4]));
  const int inflight = std::atoi(argv[5]);
  const uint8_t opcode = std::strcmp(argv[6], "text") == 0 ? 1 : 2;
  Load load;
  load.poller = epoll_create1(EPOLL_CLOEXEC);
  load.frame_answer = bytes + (bytes < 126 ? 2 : bytes < 65536 ? 4 : 10);
  load.answer_bytes = load.frame_answer * static_cast<uint64_t>(inflight);
  std::string payload;
  for (size_t i = 0; i < bytes; i++) payload.push_back(static_cast<char>('a' + i % 26));
  for (int i = 0; i < inflight; i++) {
    load.batch +=
        bench::ClientFrame(opcode, payload, 0x5a17c3e9u + static_cast<uint32_t>(i) * 2654435761u);
  }
  load.clients.resize(static_cast<size_t>(connections));
  for (size_t i = 0; i < load.clients.size(); i++) {
    load.clients[i].fd = bench::Connect(port);
    bench::Upgrade(load.clients[i].fd, argv[2], "");
    bench::SetNonBlocking(load.clients[i].fd);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(load.poller, EPOLL_CTL_ADD, load.clients[i].fd, &event) != 0)
      bench::Die("epoll_ctl");
  }
  std::printf("{\"ready\":true}\n");
  std::fflush(stdout);
  std::string command;
  uint64_t ms = 0;
  while (std::cin >> command >> ms) {
    const uint64_t started = bench::NowNs();
    const uint64_t messages = RunSlice(load, ms * 1'000'000ull) * static_cast<uint64_t>(inflight);
    const double seconds = static_cast<double>(bench::NowNs() - started) / 1e9;
    std::printf("{\"messages\":%llu,\"seconds\":%.6f}\n", static_cast<unsigned long long>(messages),
                seconds);
    std::fflush(stdout);
  }
  return 0;
}
