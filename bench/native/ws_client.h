// One WebSocket of a load client: over TCP or TLS, plain or compressed. Measuring tools only.

#pragma once

#include <openssl/ssl.h>
#include <zlib.h>

#include <algorithm>

#include <vector>

#include "net.h"

namespace bench {

struct Options {
  int port = 0;
  std::string mode;
  std::string path = "/";
  std::string type = "text";
  int connections = 100;
  int bytes = 32;
  int inflight = 1;
  int senders = 1;
  bool tls = false;
  bool deflate = false;
};

[[noreturn]] inline void Fail(const char* what) {
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

inline Options ReadOptions(int argc, char** argv) {
  Options options;
  options.port = std::atoi(argv[1]);
  options.mode = argv[2];
  for (int i = 3; i < argc; i++) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--connections") options.connections = std::atoi(value.c_str());
    else if (name == "--bytes") options.bytes = std::atoi(value.c_str());
    else if (name == "--inflight") options.inflight = std::atoi(value.c_str());
    else if (name == "--senders") options.senders = std::atoi(value.c_str());
    else if (name == "--type") options.type = value;
    else if (name == "--path") options.path = value;
    else if (name == "--tls") options.tls = true;
    else if (name == "--deflate") options.deflate = true;
    else Fail(("unknown option " + name).c_str());
  }
  return options;
}

struct Client {
  int fd = -1;
  SSL* ssl = nullptr;
  std::string unsent;
  bool watched = false;
  bool writes = false;
  uint64_t owed = 0;
  // The frame that is being read.
  uint8_t header[10] = {};
  size_t header_have = 0;
  uint64_t payload_left = 0;
};

inline SSL_CTX* ClientContext() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

/** Bytes read, 0 when there is nothing now. Ends the program when the server has closed. */
inline size_t ReceiveSome(Client& client, char* into, size_t capacity) {
  if (client.ssl != nullptr) {
    const int n = SSL_read(client.ssl, into, static_cast<int>(capacity));
    if (n > 0) return static_cast<size_t>(n);
    const int why = SSL_get_error(client.ssl, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
    Fail("the TLS connection ended");
  }
  const ssize_t n = recv(client.fd, into, capacity, 0);
  if (n > 0) return static_cast<size_t>(n);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  Fail("the server closed");
}

/** Sends what waits. @returns true when whether something waits has changed */
inline bool Push(Client& client) {
  if (client.unsent.empty()) return false;
  size_t done = 0;
  while (done < client.unsent.size()) {
    const char* from = client.unsent.data() + done;
    const size_t left = client.unsent.size() - done;
    ssize_t n = 0;
    if (client.ssl != nullptr) {
      n = SSL_write(client.ssl, from, static_cast<int>(std::min<size_t>(left, 1 << 20)));
      if (n <= 0) break;
    } else {
      n = send(client.fd, from, left, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) Die("send");
      if (n < 0) break;
    }
    done += static_cast<size_t>(n);
  }
  client.unsent.erase(0, done);
  return done > 0;
}

/** Walks through received bytes. @returns data frames that have ended in them */
inline uint64_t CountFrames(Client& client, const uint8_t* at, size_t size) {
  uint64_t frames = 0;
  size_t i = 0;
  while (i < size || (client.header_have > 0 && client.payload_left == 0)) {
    if (client.payload_left > 0) {
      const size_t step = std::min<uint64_t>(client.payload_left, size - i);
      client.payload_left -= step;
      i += step;
      if (client.payload_left > 0) break;
    } else {
      const size_t small = client.header_have > 1 ? client.header[1] & 0x7f : 0;
      const size_t whole = client.header_have < 2 ? 2 : small < 126 ? 2 : small == 126 ? 4 : 10;
      if (client.header_have < whole) {
        if (i == size) break;
        client.header[client.header_have++] = at[i++];
        if (client.header_have < 2) continue;
        const size_t length = client.header[1] & 0x7f;
        if (client.header_have < (length < 126 ? 2u : length == 126 ? 4u : 10u)) continue;
      }
      uint64_t length = client.header[1] & 0x7f;
      const size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
      if (wide > 0) {
        length = 0;
        for (size_t n = 0; n < wide; n++) length = length << 8 | client.header[2 + n];
      }
      client.payload_left = length;
      if (length > 0) {
        // The header stays until its payload has passed.
        if (i == size) break;
        continue;
      }
    }
    const uint8_t opcode = client.header[0] & 0x0f;
    if (opcode == 8) Fail("the server sent a close frame");
    if (opcode < 8 && (client.header[0] & 0x80) != 0) frames++;
    client.header_have = 0;
  }
  return frames;
}

/** Takes what is there. @returns messages that have arrived */
inline uint64_t Pull(Client& client) {
  static std::vector<char> buffer(1 << 18);
  uint64_t frames = 0;
  for (;;) {
    const size_t n = ReceiveSome(client, buffer.data(), buffer.size());
    if (n == 0) return frames;
    frames += CountFrames(client, reinterpret_cast<const uint8_t*>(buffer.data()), n);
    if (client.ssl == nullptr && n < buffer.size()) return frames;
  }
}

/** JSON of about this many bytes that compresses as real events do. */
inline std::string JsonText(size_t bytes) {
  std::string text = "{\"type\":\"snapshot\",\"conversations\":[";
  uint32_t state = 12345;
  const char* words[] = {"delivery", "order", "please", "tomorrow", "thanks", "invoice", "hello"};
  while (text.size() + 100 < bytes) {
    state = state * 1664525u + 1013904223u;
    text += "{\"conversation\":\"messenger/100200300400500/" + std::to_string(state) +
            "\",\"text\":\"" + words[(state >> 8) % 7] + " " + words[(state >> 16) % 7] +
            "\",\"at\":17" + std::to_string(state % 100000000) + "},";
  }
  text += "{\"end\":\"";
  while (text.size() + 3 < bytes) text += static_cast<char>('a' + text.size() % 26);
  return text + "\"}]";
}

/** Raw deflate with a flush, its last four bytes cut off (RFC 7692 section 7.2.1). */
inline std::string Compress(const std::string& plain) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) Fail("deflate");
  std::string out(plain.size() + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK) Fail("deflate");
  out.resize(out.size() - stream.avail_out - 4);
  deflateEnd(&stream);
  return out;
}

/** The one frame that a load sends again and again. */
inline std::string MessageFrame(const Options& options) {
  const auto bytes = static_cast<size_t>(options.bytes);
  std::string payload;
  if (options.deflate) {
    payload = Compress(JsonText(bytes));
  } else {
    for (size_t i = 0; i < bytes; i++) payload.push_back(static_cast<char>('a' + i % 26));
  }
  std::string frame = ClientFrame(options.type == "binary" ? 2 : 1, payload, 0x5a17c3e9u);
  if (options.deflate) frame[0] = static_cast<char>(frame[0] | 0x40);
  return frame;
}

inline std::string UpgradeRequest(const Options& options) {
  return "GET " + options.path +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         (options.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                            "server_no_context_takeover; client_no_context_takeover\r\n"
                          : "") +
         "\r\n";
}

/**
 * A socket towards the server from one of many loopback addresses, since each address has 28,000
 * ports only. @param number decides on the address
 */
inline int ConnectFrom(int port, size_t number, bool blocking) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
  if (fd < 0) Die("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from = Loopback(0);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(number % 64));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) Die("bind");
  const sockaddr_in to = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
    Die("connect");
  }
  return fd;
}

/** Connects and upgrades, waiting; the socket does not block afterwards. */
inline void OpenWebSocket(const Options& options, SSL_CTX* tls, size_t number, Client* client) {
  client->fd = ConnectFrom(options.port, number, true);
  const std::string request = UpgradeRequest(options);
  std::string head;
  std::string rest;
  if (tls == nullptr) {
    SendAll(client->fd, request);
    head = ReadHead(client->fd, &rest);
  } else {
    client->ssl = SSL_new(tls);
    SSL_set_fd(client->ssl, client->fd);
    if (SSL_connect(client->ssl) != 1) Fail("the TLS handshake failed");
    if (SSL_write(client->ssl, request.data(), static_cast<int>(request.size())) <= 0) Fail("write");
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      const int n = SSL_read(client->ssl, buffer, sizeof buffer);
      if (n <= 0) Fail("no answer to the upgrade");
      head.append(buffer, static_cast<size_t>(n));
    }
    rest = head.substr(head.find("\r\n\r\n") + 4);
  }
  if (head.compare(0, 12, "HTTP/1.1 101") != 0) Fail(("refused: " + head).c_str());
  if (options.deflate && head.find("permessage-deflate") == std::string::npos) {
    Fail("the server does not compress");
  }
  SetNonBlocking(client->fd);
  CountFrames(*client, reinterpret_cast<const uint8_t*>(rest.data()), rest.size());
}

/** Places on which one connection after the other is opened, upgraded and closed. */
class HandshakeRing {
 public:
  HandshakeRing(const Options& options, SSL_CTX* tls, int poller)
      : options_(options), tls_(tls), poller_(poller), request_(UpgradeRequest(options)) {
    places_.resize(static_cast<size_t>(options.connections));
  }

  uint64_t Run(uint64_t deadline) {
    for (size_t i = 0; i < places_.size(); i++) Begin(i);
    size_t busy = places_.size();
    uint64_t done = 0;
    epoll_event events[256];
    while (busy > 0) {
      const int count = epoll_wait(poller_, events, 256, 10'000);
      if (count == 0) Fail("a handshake hangs");
      for (int i = 0; i < count; i++) {
        const size_t index = events[i].data.u64;
        if (!Step(places_[index])) continue;
        done++;
        End(places_[index]);
        if (NowNs() < deadline) {
          Begin(index);
        } else {
          busy--;
        }
      }
    }
    return done;
  }

 private:
  struct Place {
    int fd = -1;
    SSL* ssl = nullptr;
    bool sent = false;
    std::string head;
  };

  void Begin(size_t index) {
    Place& place = places_[index];
    place = Place{};
    place.fd = ConnectFrom(options_.port, number_++, false);
    if (tls_ != nullptr) {
      place.ssl = SSL_new(tls_);
      SSL_set_fd(place.ssl, place.fd);
      SSL_set_connect_state(place.ssl);
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = index;
    if (epoll_ctl(poller_, EPOLL_CTL_ADD, place.fd, &event) != 0) Die("epoll_ctl");
  }

  /** @returns true when the 101 answer is there */
  bool Step(Place& place) {
    if (place.ssl != nullptr && SSL_is_init_finished(place.ssl) == 0 &&
        SSL_do_handshake(place.ssl) != 1) {
      return false;
    }
    if (!place.sent) {
      const ssize_t n =
          place.ssl != nullptr
              ? SSL_write(place.ssl, request_.data(), static_cast<int>(request_.size()))
              : send(place.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      place.sent = true;
    }
    char buffer[2048];
    for (;;) {
      const ssize_t n = place.ssl != nullptr ? SSL_read(place.ssl, buffer, sizeof buffer)
                                             : recv(place.fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      place.head.append(buffer, static_cast<size_t>(n));
    }
    if (place.head.find("\r\n\r\n") == std::string::npos) return false;
    if (place.head.compare(0, 12, "HTTP/1.1 101") != 0) Fail("a handshake was refused");
    return true;
  }

  static void End(Place& place) {
    if (place.ssl != nullptr) SSL_free(place.ssl);
    close(place.fd);
  }

  const Options& options_;
  SSL_CTX* tls_;
  int poller_;
  std::string request_;
  std::vector<Place> places_;
  size_t number_ = 0;
};

}  // namespace bench
