// Listeners of the loop, and the connections that they accept. See event_loop.h.
#include <cerrno>
#include <cstring>
#include <utility>

#include "event_loop.h"
#include "socket_ops.h"

namespace sluice {

/** Takes `fd` over only when it succeeds. */
int EventLoop::AddListener(UniqueFd* fd, uint32_t events) {
  for (uint32_t i = 0; i < kListenersMax; ++i) {
    Listener& listener = listeners_[i];
    if (listener.fd.valid()) continue;
    listener.generation++;
    const int error = poller_.Add(fd->get(), events, MakeToken(kSlotsMax + i, listener.generation));
    if (error != 0) return error;
    listener.fd = std::move(*fd);
    listener.events = events;
    listener.resume_at_ms = 0;
    listener.proxy_required = false;
    listener.gate = {};
    listener.security = {};
    ++listener_count_;
    return static_cast<int>(i);
  }
  return -ENOSPC;
}

int EventLoop::Listen(const char* host, uint16_t port, int backlog) {
  const int made = ListenOn(host, port, backlog);
  if (made < 0) return made;
  UniqueFd fd(made);
  return AddListener(&fd, EPOLLIN);
}

int EventLoop::ListenPath(const std::string& path, int mode, int backlog) {
  SocketFile file;
  const int made = ListenOnPath(path, mode, backlog, &file);
  if (made < 0) return made;
  UniqueFd fd(made);
  const int index = AddListener(&fd, EPOLLIN);
  if (index < 0) {
    file.Remove();
  } else {
    listeners_[static_cast<uint32_t>(index)].file = std::move(file);
  }
  return index;
}

int EventLoop::ListenDescriptor(int fd, bool exclusive) {
  const int error = PrepareListener(fd);
  if (error != 0) return error;
  UniqueFd owned(fd);
  const int index = AddListener(&owned, EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0U));
  if (index < 0) (void)owned.Release();
  return index;
}

int EventLoop::TuneListener(uint32_t index, const AcceptedOptions& options) {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return -EBADF;
  return SetAcceptedOptions(listeners_[index].fd.get(), options);
}

int EventLoop::ListenerName(uint32_t index, SocketName* name) const {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return -EBADF;
  return LocalName(listeners_[index].fd.get(), name);
}

int EventLoop::ListenerPort(uint32_t index) const {
  SocketName name;
  const int error = ListenerName(index, &name);
  return error != 0 ? error : name.port;
}

void EventLoop::CloseListener(uint32_t index) {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return;
  Listener& listener = listeners_[index];
  // Whoever gave us the descriptor may hold the socket, too: closing alone would leave it armed.
  if (listener.resume_at_ms == 0) poller_.Remove(listener.fd.get());
  listener.file.Remove();
  listener.fd.Reset();
  if (listener.proxy_required || listener.security.context.get() != nullptr) {
    CloseUnannounced(index);
  }
  listener.security = {};
  if (listener.resume_at_ms != 0) --listeners_paused_;
  listener.resume_at_ms = 0;
  --listener_count_;
}

void EventLoop::Accept(uint32_t index) {
  Listener& listener = listeners_[index];
  const bool is_secure = listener.security.context.get() != nullptr;
  if (is_secure && !HasHandshakeRoom(&listener.security)) {
    // Whoever comes now waits in the kernel's queue.
    PauseListener(&listener);
    return;
  }
  for (uint32_t i = 0; i < kAcceptsPerTickMax; ++i) {
    sockaddr_storage peer{};
    const int fd = AcceptOne(listener.fd.get(), &peer);
    if (fd >= 0) {
      AdmitConnection(index, fd, peer);
      // Nobody has to go before the next tick says that somebody waits.
      const bool is_full = is_secure && listener.security.handshakes.is_full();
      if (is_full || listener.resume_at_ms != 0) return;
      continue;
    }
    switch (ClassifyAcceptError(fd)) {
      case AcceptAction::kRetry:
        continue;
      case AcceptAction::kYield:
        return;
      case AcceptAction::kPause:
        PauseListener(&listener);
        return;
      case AcceptAction::kFail:
        CloseListener(index);
        PushRecord(index, 0, kEventListenerFailed, 0, 0, fd, 0);
        return;
    }
  }
}

bool EventLoop::IsProxy(const Listener& listener, const sockaddr_storage& peer) {
  AddressBytes address;
  return !AddressOf(peer, &address) || listener.proxies.Contains(address);
}

int EventLoop::GuardListener(uint32_t index, AddressGate gate) {
  if (index >= kListenersMax || !listeners_[index].fd.valid()) return -EBADF;
  listeners_[index].gate = std::move(gate);
  return 0;
}

void EventLoop::AdmitConnection(uint32_t index, int fd, const sockaddr_storage& peer) {
  UniqueFd owned(fd);
  const Listener& listener = listeners_[index];
  // Before anything is read of it or kept; behind a proxy the client is not known yet.
  if (listener.proxy_required && !IsProxy(listener, peer)) {
    refusal_counters_.untrusted++;
    ResetOnClose(fd);
    return;
  }
  if (!listener.proxy_required && listener.gate.Refuses(peer)) {
    refusal_counters_.denied++;
    ResetOnClose(fd);
    return;
  }
  Connection* connection = slots_.Allocate();
  if (connection == nullptr) {
    PauseListener(&listeners_[index]);
    return;
  }
  if (Register(connection, fd) != 0) return;
  (void)owned.Release();
  connection->listener = static_cast<uint8_t>(index);
  if (listener.proxy_required) {
    AwaitProxyHeader(connection);
  } else {
    Welcome(connection, peer);
  }
}

/** Who it is has become known. */
void EventLoop::Welcome(Connection* connection, const sockaddr_storage& client) {
  if (listeners_[connection->listener].security.context.get() != nullptr) {
    BeginHandshake(connection, client);
    return;
  }
  SocketName name;
  FormatPeer(client, &name);
  Announce(connection, name);
}

void EventLoop::Announce(Connection* connection, const SocketName& name) {
  connection->unannounced = false;
  std::memcpy(memory_.receive_slab + receive_cursor_, name.text, name.length);
  PushRecord(connection->slot, connection->generation, kEventOpen, receive_cursor_,
             receive_cursor_ + name.length, connection->listener, name.port);
  receive_cursor_ += AlignReceive(name.length);
}

/** Takes `fd` over only when it succeeds; otherwise the slot is free again. */
int EventLoop::Register(Connection* connection, int fd) {
  const uint32_t events = WantedEvents(*connection);
  const int error = poller_.Add(fd, events, MakeToken(connection->slot, connection->generation));
  if (error != 0) {
    slots_.Release(connection);
    return error;
  }
  connection->armed_events = events;
  connection->fd.Reset(fd);
  memory_.pending[connection->slot] = 0;
  return 0;
}

/** Out of epoll while it rests: a listener that is polled exclusively cannot be modified. */
void EventLoop::PauseListener(Listener* listener) {
  if (listener->resume_at_ms != 0) return;
  poller_.Remove(listener->fd.get());
  listener->resume_at_ms = NowMs() + kAcceptPauseMs;
  ++listeners_paused_;
}

void EventLoop::ResumeListeners(uint64_t now_ms) {
  for (uint32_t i = 0; i < kListenersMax; ++i) {
    Listener& listener = listeners_[i];
    if (listener.resume_at_ms == 0 || listener.resume_at_ms > now_ms) continue;
    const uint64_t token = MakeToken(kSlotsMax + i, listener.generation);
    const int error = poller_.Add(listener.fd.get(), listener.events, token);
    if (error != 0 && error != -EEXIST) {
      // No memory for it either: another rest.
      listener.resume_at_ms = now_ms + kAcceptPauseMs;
      continue;
    }
    listener.resume_at_ms = 0;
    --listeners_paused_;
  }
}

}  // namespace sluice
