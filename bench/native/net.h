// What the load clients and the floor share: non-blocking TCP on loopback and small parsing
// helpers. Measuring tools only; nothing of the product includes this.

#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bench {

inline uint64_t NowNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000ull + static_cast<uint64_t>(ts.tv_nsec);
}

[[noreturn]] inline void Die(const char* what) {
  std::fprintf(stderr, "bench: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

inline sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Connects (blocking, loopback), then makes the socket non-blocking without Nagle's delay.
inline int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Die("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

inline void SetNonBlocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) Die("fcntl");
}

// Blocking write of everything; used before a socket becomes non-blocking.
inline void SendAll(int fd, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0) Die("send");
    done += static_cast<size_t>(n);
  }
}

// Reads up to and including the blank line; what follows the head is left in `rest`.
inline std::string ReadHead(int fd, std::string* rest) {
  std::string head;
  char buffer[4096];
  for (;;) {
    const size_t end = head.find("\r\n\r\n");
    if (end != std::string::npos) {
      *rest = head.substr(end + 4);
      return head.substr(0, end + 4);
    }
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) Die("recv of a response head");
    head.append(buffer, static_cast<size_t>(n));
  }
}

// Performs a WebSocket handshake; bytes that came with the answer are returned.
inline std::string Upgrade(int fd, const std::string& path, const std::string& extra_headers) {
  SendAll(fd, "GET " + path +
                  " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
                  extra_headers + "\r\n");
  std::string rest;
  const std::string head = ReadHead(fd, &rest);
  if (head.compare(0, 12, "HTTP/1.1 101") != 0) {
    std::fprintf(stderr, "bench: handshake refused: %s\n", head.c_str());
    std::exit(1);
  }
  return rest;
}

// A masked client text or binary frame.
inline std::string ClientFrame(uint8_t opcode, const std::string& payload, uint32_t mask) {
  std::string frame;
  frame.push_back(static_cast<char>(0x80 | opcode));
  const size_t length = payload.size();
  if (length < 126) {
    frame.push_back(static_cast<char>(0x80 | length));
  } else if (length < 65536) {
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(length >> 8));
    frame.push_back(static_cast<char>(length));
  } else {
    frame.push_back(static_cast<char>(0x80 | 127));
    for (int shift = 56; shift >= 0; shift -= 8)
      frame.push_back(static_cast<char>(length >> shift));
  }
  unsigned char key[4];
  std::memcpy(key, &mask, 4);
  frame.append(reinterpret_cast<char*>(key), 4);
  for (size_t i = 0; i < length; i++) frame.push_back(static_cast<char>(payload[i] ^ key[i & 3]));
  return frame;
}

}  // namespace bench
