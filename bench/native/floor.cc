// The floor: a raw C-style epoll loop that answers WebSocket echo with as little work as the kernel
// allows. No limits, no checks, one receive buffer, answers of one read sent by one send. Not a
// server: what a server is compared with. Prints its port.

#include <vector>

#include "net.h"

namespace {

struct Peer {
  int fd = -1;
  bool upgraded = false;
  std::vector<uint8_t> kept;  // a frame that is not complete yet
  std::vector<uint8_t> unsent;
};

constexpr size_t kReadBytes = 512 * 1024;

// XOR with the mask, eight bytes at a time.
void Unmask(uint8_t* to, const uint8_t* from, size_t length, uint32_t mask) {
  const uint64_t wide = (static_cast<uint64_t>(mask) << 32) | mask;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, from + i, 8);
    word ^= wide;
    std::memcpy(to + i, &word, 8);
  }
  const uint8_t* key = reinterpret_cast<const uint8_t*>(&mask);
  for (; i < length; i++) to[i] = from[i] ^ key[i & 3];
}

struct Frame {
  size_t header = 0;
  size_t length = 0;
};

// False when the header is not complete.
bool ReadHeader(const uint8_t* at, size_t available, Frame* frame) {
  if (available < 6) return false;
  const size_t small = at[1] & 0x7f;
  frame->header = small < 126 ? 6 : small == 126 ? 8 : 14;
  if (available < frame->header) return false;
  frame->length = small;
  if (small == 126) frame->length = static_cast<size_t>(at[2]) << 8 | at[3];
  if (small == 127) {
    frame->length = 0;
    for (int i = 2; i < 10; i++) frame->length = frame->length << 8 | at[i];
  }
  return true;
}

size_t WriteHeader(uint8_t* to, uint8_t first, size_t length) {
  to[0] = first;
  if (length < 126) {
    to[1] = static_cast<uint8_t>(length);
    return 2;
  }
  if (length < 65536) {
    to[1] = 126;
    to[2] = static_cast<uint8_t>(length >> 8);
    to[3] = static_cast<uint8_t>(length);
    return 4;
  }
  to[1] = 127;
  for (int i = 0; i < 8; i++) to[2 + i] = static_cast<uint8_t>(length >> (56 - 8 * i));
  return 10;
}

// Answers every complete frame of [data, data + size) into `out`; returns the bytes consumed.
size_t Echo(const uint8_t* data, size_t size, uint8_t* out, size_t* out_size) {
  size_t at = 0;
  size_t written = 0;
  Frame frame;
  while (ReadHeader(data + at, size - at, &frame) && size - at >= frame.header + frame.length) {
    uint32_t mask;
    std::memcpy(&mask, data + at + frame.header - 4, 4);
    written += WriteHeader(out + written, data[at], frame.length);
    Unmask(out + written, data + at + frame.header, frame.length, mask);
    written += frame.length;
    at += frame.header + frame.length;
  }
  *out_size = written;
  return at;
}

void Answer101(Peer& peer) {
  // The load clients always send the key of RFC 6455 section 1.3.
  bench::SendAll(peer.fd,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  peer.upgraded = true;
}

void Send(int poller, Peer& peer, size_t index, const uint8_t* bytes, size_t size) {
  if (peer.unsent.empty()) {
    const ssize_t n = send(peer.fd, bytes, size, MSG_NOSIGNAL);
    const size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
    if (sent == size) return;
    bytes += sent;
    size -= sent;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.u64 = index;
    epoll_ctl(poller, EPOLL_CTL_MOD, peer.fd, &event);
  }
  peer.unsent.insert(peer.unsent.end(), bytes, bytes + size);
}

void Flush(int poller, Peer& peer, size_t index) {
  const ssize_t n = send(peer.fd, peer.unsent.data(), peer.unsent.size(), MSG_NOSIGNAL);
  if (n <= 0) return;
  peer.unsent.erase(peer.unsent.begin(), peer.unsent.begin() + n);
  if (!peer.unsent.empty()) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  epoll_ctl(poller, EPOLL_CTL_MOD, peer.fd, &event);
}

struct Buffers {
  std::vector<uint8_t> in = std::vector<uint8_t>(kReadBytes);
  std::vector<uint8_t> out = std::vector<uint8_t>(kReadBytes * 2);
};

// False when the peer is gone.
bool Read(int poller, Peer& peer, size_t index, Buffers& buffers) {
  const size_t kept = peer.kept.size();
  if (kept > 0) std::memcpy(buffers.in.data(), peer.kept.data(), kept);
  const ssize_t n = recv(peer.fd, buffers.in.data() + kept, buffers.in.size() - kept, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
  if (n < 0) return true;
  if (!peer.upgraded) {
    Answer101(peer);
    return true;
  }
  const size_t size = kept + static_cast<size_t>(n);
  size_t out_size = 0;
  const size_t used = Echo(buffers.in.data(), size, buffers.out.data(), &out_size);
  if (out_size > 0) Send(poller, peer, index, buffers.out.data(), out_size);
  peer.kept.assign(buffers.in.begin() + static_cast<long>(used),
                   buffers.in.begin() + static_cast<long>(size));
  return true;
}

int Listen() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = bench::Loopback(0);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) bench::Die("bind");
  if (listen(fd, 4096) != 0) bench::Die("listen");
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("{\"port\":%d}\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace

int main() {
  const int listener = Listen();
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  std::vector<Peer> peers(1);
  Buffers buffers;
  epoll_event events[1024];
  for (;;) {
    const int count = epoll_wait(poller, events, 1024, -1);
    for (int i = 0; i < count; i++) {
      const size_t index = events[i].data.u64;
      if (index == 0) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        peers.emplace_back();
        peers.back().fd = fd;
        event.events = EPOLLIN;
        event.data.u64 = peers.size() - 1;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        continue;
      }
      Peer& peer = peers[index];
      if ((events[i].events & EPOLLOUT) != 0) Flush(poller, peer, index);
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) continue;
      if (!Read(poller, peer, index, buffers)) close(peer.fd);
    }
  }
}
