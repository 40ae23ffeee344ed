// HTTP load: keeps `inflight` requests on each of `connections` keep-alive connections.
//   http_load PORT GET|POST PATH CONNECTIONS INFLIGHT BODY_BYTES
// A POST carries a JSON object of exactly BODY_BYTES bytes (at least 32); a GET says 0. The first
// answer is read with care and tells how long every later one must be. Reads commands from standard
// input: `run MS` drives the load for MS milliseconds, waits for every answer, and prints one line
// of JSON: {"requests":N,"seconds":S}. The connections stay open between slices.

#include <iostream>
#include <vector>

#include "net.h"

namespace {

constexpr char kOk[] = "HTTP/1.1 200";
constexpr size_t kOkBytes = sizeof kOk - 1;
constexpr int kSilenceMsMax = 5000;

struct Client {
  int fd = -1;
  uint64_t owed_bytes = 0;  // bytes of answers still to come
  size_t unsent = 0;        // bytes of the batch that the kernel has not taken
  bool sending = false;     // EPOLLOUT armed
};

struct Load {
  int poller = -1;
  std::vector<Client> clients;
  std::string batch;  // `inflight` requests
  uint64_t answer_bytes = 0;
  uint64_t batch_answer_bytes = 0;
};

[[noreturn]] void Fail(const char* what, const std::string& detail) {
  std::fprintf(stderr, "bench: %s: %s\n", what, detail.c_str());
  std::exit(1);
}

std::string JsonBody(size_t bytes) {
  if (bytes == 0) return "";
  const std::string start = "{\"id\":4711,\"text\":\"";
  const std::string end = "\"}";
  if (bytes < 32) Fail("a body has at least 32 bytes", std::to_string(bytes));
  std::string text;
  while (start.size() + text.size() + end.size() < bytes) {
    text.push_back(static_cast<char>('a' + text.size() % 26));
  }
  return start + text + end;
}

std::string Request(const std::string& method, const std::string& path, const std::string& body) {
  std::string head = method + " " + path +
                     " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: http_load\r\nAccept: */*\r\n";
  if (!body.empty()) {
    head +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return head + "\r\n" + body;
}

// The value of a field of the head, or an empty string.
std::string FieldOf(const std::string& head, const char* name) {
  const size_t length = std::strlen(name);
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    if (strncasecmp(head.c_str() + at + 2, name, length) != 0) continue;
    const size_t start = head.find_first_not_of(' ', at + 2 + length);
    return head.substr(start, head.find("\r\n", start) - start);
  }
  return "";
}

// Sends one request on a blocking connection. @returns the bytes of its whole answer
uint64_t MeasureAnswer(int fd, const std::string& request) {
  bench::SendAll(fd, request);
  std::string rest;
  const std::string head = bench::ReadHead(fd, &rest);
  if (head.compare(0, kOkBytes, kOk) != 0) Fail("answered", head);
  const std::string length = FieldOf(head, "content-length:");
  const bool chunked = strcasecmp(FieldOf(head, "transfer-encoding:").c_str(), "chunked") == 0;
  if (length.empty() && !chunked) Fail("an answer without length", head);
  const size_t wanted = chunked ? SIZE_MAX : static_cast<size_t>(std::atol(length.c_str()));
  const std::string last_chunk = "0\r\n\r\n";
  while (chunked ? rest.find(last_chunk) == std::string::npos : rest.size() < wanted) {
    char buffer[16384];
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) bench::Die("recv of an answer");
    rest.append(buffer, static_cast<size_t>(n));
  }
  return head.size() + rest.size();
}

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
  load.clients[index].unsent = load.batch.size();
  load.clients[index].owed_bytes = load.batch_answer_bytes;
  Push(load, index);
}

// Takes what is there; true when the whole batch has been answered.
bool Pull(const Load& load, Client& client, std::vector<char>& buffer) {
  while (client.owed_bytes > 0) {
    const ssize_t n = recv(client.fd, buffer.data(), buffer.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      bench::Die("recv");
    }
    const auto bytes = static_cast<size_t>(n);
    if (n == 0) Fail("the server closed", "");
    if (bytes > client.owed_bytes) Fail("longer than the first answer", {buffer.data(), bytes});
    const bool at_start = client.owed_bytes % load.answer_bytes == 0;
    if (at_start && bytes >= kOkBytes && std::memcmp(buffer.data(), kOk, kOkBytes) != 0) {
      Fail("answered", std::string(buffer.data(), bytes));
    }
    client.owed_bytes -= bytes;
    if (bytes < buffer.size()) break;
  }
  return client.owed_bytes == 0 && client.unsent == 0;
}

uint64_t RunSlice(Load& load, uint64_t duration_ns) {
  static std::vector<char> buffer(1 << 20);
  const uint64_t deadline = bench::NowNs() + duration_ns;
  size_t busy = load.clients.size();
  uint64_t batches = 0;
  for (size_t i = 0; i < load.clients.size(); i++) StartBatch(load, i);
  epoll_event events[256];
  while (busy > 0) {
    const int count = epoll_wait(load.poller, events, 256, kSilenceMsMax);
    if (count == 0) Fail("no answer within 5 s", "");
    const bool go_on = bench::NowNs() < deadline;
    for (int i = 0; i < count; i++) {
      const size_t index = events[i].data.u64;
      if ((events[i].events & EPOLLOUT) != 0) Push(load, index);
      if (!Pull(load, load.clients[index], buffer)) continue;
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
    std::fprintf(stderr, "usage: http_load PORT GET|POST PATH CONNECTIONS INFLIGHT BODY_BYTES\n");
    return 2;
  }
  const int port = std::atoi(argv[1]);
  const auto connections = static_cast<size_t>(std::atoi(argv[4]));
  const auto inflight = static_cast<uint64_t>(std::atoi(argv[5]));
  const std::string body = JsonBody(static_cast<size_t>(std::atol(argv[6])));
  const std::string request = Request(argv[2], argv[3], body);
  Load load;
  load.poller = epoll_create1(EPOLL_CLOEXEC);
  for (uint64_t i = 0; i < inflight; i++) load.batch += request;
  load.clients.resize(connections);
  for (size_t i = 0; i < load.clients.size(); i++) {
    const int fd = bench::Connect(port);
    load.clients[i].fd = fd;
    if (i == 0) load.answer_bytes = MeasureAnswer(fd, request);
    bench::SetNonBlocking(fd);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(load.poller, EPOLL_CTL_ADD, fd, &event) != 0) bench::Die("epoll_ctl");
  }
  load.batch_answer_bytes = load.answer_bytes * inflight;
  std::printf("{\"ready\":true}\n");
  std::fflush(stdout);
  std::string command;
  uint64_t ms = 0;
  while (std::cin >> command >> ms) {
    const uint64_t started = bench::NowNs();
    const uint64_t requests = RunSlice(load, ms * 1'000'000ull) * inflight;
    const double seconds = static_cast<double>(bench::NowNs() - started) / 1e9;
    std::printf("{\"requests\":%llu,\"seconds\":%.6f}\n", static_cast<unsigned long long>(requests),
                seconds);
    std::fflush(stdout);
  }
  return 0;
}
