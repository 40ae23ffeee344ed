// The engine without Node: sockets in, records out, and back. One tick:
//
//   Wait        ready events from the kernel, once per wake-up
//   Collect  <- accept (budget), read (budget), expired deadlines, deferred drain and close
//   |           -> up to kEventsPerBatchMax records; the caller delivers them (crossing 1)
//   Delivered   poisons the slab in tests, releases the slots whose `close` was delivered
//   Flush       chains the send records per slot, one sendmsg per touched slot
//   `- again while HasMore()
//
// The caller runs the commit (crossing 2) between the last Delivered and the last Flush.
// Connections are polled edge-triggered, listeners level-triggered. An edge is taken only to be
// acted on: a short read has emptied the socket; after any other one Rearm has the kernel look
// again, and so does every change of what we wait for (pause, resume, EPOLLOUT). Level-triggered,
// the kernel would look at each socket twice per message.
//
// Close is a request: the descriptor goes in Flush, the record comes in the next Collect, the slot
// is free after it was delivered.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "limits.h"
#include "listener.h"
#include "poller.h"
#include "shared_memory.h"
#include "slot_table.h"
#include "socket_info.h"
#include "timer_wheel.h"

namespace sluice {

/** Connections that were reset without being announced. */
struct RefusalCounters {
  uint32_t denied = 0;
  uint32_t untrusted = 0;
  uint32_t malformed = 0;
  uint32_t late = 0;
};

/** A connected socket that somebody else has used so far. */
struct Adoption {
  int fd = -1;
  /** The loop takes a duplicate (close-on-exec), and `fd` stays its owner's. */
  bool duplicate = false;
  /** What was read from it already, 0..kAdoptHeadBytesMax bytes; copied. */
  const uint8_t* head = nullptr;
  uint32_t head_bytes = 0;
};

class EventLoop {
 public:
  /** @param memory borrowed, must outlive the loop. @param poison overwrite delivered bytes */
  EventLoop(const SharedMemory& memory, bool poison);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /** @returns 0, or a negative errno. To be called once, before anything else. */
  [[nodiscard]] int Open();
  /** Closes every descriptor. No records come of it. */
  void Close();
  /** Readable when Wait would find something. Borrowed. */
  [[nodiscard]] int fd() const { return poller_.fd(); }

  /** @returns a listener's index, or a negative errno. Host: numeric. */
  [[nodiscard]] int Listen(const char* host, uint16_t port, int backlog);
  /** The same for a Unix stream socket; see ListenOnPath. */
  [[nodiscard]] int ListenPath(const std::string& path, int mode, int backlog);
  /**
   * The same for a descriptor that listens already. On success it belongs to the loop.
   * @param exclusive EPOLLEXCLUSIVE: others poll the same socket
   */
  [[nodiscard]] int ListenDescriptor(int fd, bool exclusive);
  /** @returns 0 or a negative errno */
  [[nodiscard]] int TuneListener(uint32_t index, const AcceptedOptions& options);
  /** What a listener is bound to. @returns 0 or a negative errno */
  [[nodiscard]] int ListenerName(uint32_t index, SocketName* name) const;
  [[nodiscard]] int ListenerPort(uint32_t index) const;
  /** Removes it from epoll, closes it, and unlinks the file of a path. */
  void CloseListener(uint32_t index);
  /**
   * From now on every connection of the listener has to begin with a PROXY header, and only
   * `proxies` may connect. @returns 0, or -EBADF
   */
  [[nodiscard]] int RequireProxyHeader(uint32_t index, AddressBlocks proxies);
  /**
   * Who is refused is reset: nothing of him is read, and nobody hears of him. Behind a PROXY header
   * that is judged by the address in it. For connections to come. @returns 0, or -EBADF
   */
  [[nodiscard]] int GuardListener(uint32_t index, AddressGate gate);
  [[nodiscard]] const RefusalCounters& refusal_counters() const { return refusal_counters_; }

  /**
   * Makes a connected stream socket a connection of the loop; its descriptor becomes non-blocking,
   * and with it every duplicate elsewhere.
   * @returns 0 and the token, or -EBADF, -ENOTSOCK, -EPROTOTYPE, -EINVAL (it listens), -ENOTCONN,
   * -EEXIST (adopted already), -ENOSPC (no slot), or what dup or epoll say
   */
  [[nodiscard]] int Adopt(const Adoption& adoption, uint64_t* token);
  /** What the kernel knows of a connection. @returns 0, or -EBADF when it is gone */
  [[nodiscard]] int ReadInfo(uint32_t slot, uint32_t generation, SocketInfo* info);

  /**
   * Encrypts what the listener accepts from now on; replaces the context of an earlier call.
   * @param handshakes_max at once; beyond it clients wait in the backlog, unless somebody who has
   *   said nothing for kSilentHandshakeMs can go. A client's share is reset beyond its bound.
   * @returns 0 or a negative errno
   */
  [[nodiscard]] int SecureListener(uint32_t index, SecureContext* context,
                                   uint32_t handshake_timeout_ms, uint32_t handshakes_max);
  /** The channel of an encrypted connection that is open, or nullptr. Borrowed until the next call.
   */
  [[nodiscard]] const SecureChannel* ChannelOf(uint32_t slot, uint32_t generation);
  [[nodiscard]] const SecureCounts& secure_counts() const { return secure_counts_; }

  void Wait();
  /** Fills the receive records. @returns their number, 0 when the wake-up is used up */
  [[nodiscard]] uint32_t Collect();
  void Delivered();
  /** Sends what the send records say and resets their cursors. */
  void Flush();

  /** Puts a connection's bytes into the header. @returns false when it is gone */
  [[nodiscard]] bool ReadCounters(uint32_t slot, uint32_t generation);

  /** True while this wake-up still has something from the kernel or the clock to collect. */
  [[nodiscard]] bool HasReady() const {
    return ready_next_ < ready_count_ || expired_next_ < expired_.size();
  }
  /** The same, or a drain or close record is owed; handlers may bring about new ones for ever. */
  [[nodiscard]] bool HasMore() const { return HasReady() || !deferred_.empty(); }
  [[nodiscard]] bool HasSendRecords() const { return memory_.header[kHeaderSendCount] > 0; }
  /** Moment (NowMs) at which Wait has something to do without the kernel; TimerWheel::kNever if
   * none. */
  [[nodiscard]] uint64_t NextDeadlineMs() const;
  /** Listeners and connections that are not closed and delivered. */
  [[nodiscard]] uint32_t open_count() const { return listener_count_ + slots_.live_count(); }

  /** Monotonic, coarse. */
  [[nodiscard]] static uint64_t NowMs();

 private:
  struct ChainEntry {
    uint32_t start;
    uint32_t length;
    uint32_t next;
    uint32_t record;
  };

  /** Bytes of an adopted connection that are delivered before its socket is read. */
  struct Head {
    uint64_t token;
    std::vector<uint8_t> bytes;
    size_t next;
  };

  // event_loop_accept.cc: listeners and what they accept.
  [[nodiscard]] int AddListener(UniqueFd* fd, uint32_t events);
  void Accept(uint32_t index);
  [[nodiscard]] static bool IsProxy(const Listener& listener, const sockaddr_storage& peer);
  void AdmitConnection(uint32_t index, int fd, const sockaddr_storage& peer);
  [[nodiscard]] int Register(Connection* connection, int fd);
  void PauseListener(Listener* listener);
  void Welcome(Connection* connection, const sockaddr_storage& client);
  void Announce(Connection* connection, const SocketName& name);
  void ResumeListeners(uint64_t now_ms);

  // event_loop_adopt.cc: connections that began elsewhere.
  void DeliverHead(Connection* connection);
  void DropHead(Connection* connection);
  void ForgetAdopted(Connection* connection);

  // event_loop.cc: receiving.
  void PrefetchReady(uint32_t index);
  void CollectReady(const epoll_event& event);
  void Read(Connection* connection, uint32_t events);
  void RearmForEnd(Connection* connection, uint32_t events);
  void EndReading(Connection* connection);
  void Discard(Connection* connection, uint32_t events);
  void CollectExpired(uint32_t slot);
  void CollectDeferred(Connection* connection);
  void PushRecord(uint32_t slot, uint32_t generation, EventKind kind, uint32_t start, uint32_t end,
                  int32_t value, int32_t port);
  void PushEvent(const Connection& connection, EventKind kind, int32_t value);
  void PushData(Connection* connection, uint32_t count);
  [[nodiscard]] bool BatchHasRoom() const;

  // event_loop_proxy.cc: connections that JavaScript does not know of yet.
  void AwaitProxyHeader(Connection* connection);
  void ReadProxyHeader(Connection* connection, uint32_t events);
  void CloseUnannounced(uint32_t listener);

  // event_loop_flush.cc: sending.
  void ChainRecords(uint32_t count);
  void ApplyRecord(const int32_t* record, uint32_t index);
  void ApplyControl(const int32_t* record, Connection* connection);
  void ChainFanout(const int32_t* record, uint32_t index);
  void Chain(Connection* connection, uint32_t start, uint32_t length, uint32_t record);
  void Touch(Connection* connection);
  void SendTouched(Connection* connection);
  void SendChain(Connection* connection);
  void QueueChain(Connection* connection, uint32_t entry, uint32_t skip);
  void SendQueue(Connection* connection);
  void ResetSendCursors();
  void CountSent(Connection* connection, int64_t bytes);
  void CountReceived(Connection* connection, int64_t bytes);

  // event_loop_secure.cc: encrypted connections.
  [[nodiscard]] bool HasHandshakeRoom(ListenerSecurity* security);
  [[nodiscard]] bool TakesFrom(const Listener& listener, Handshake* handshake,
                               const sockaddr_storage& client);
  void BeginHandshake(Connection* connection, const sockaddr_storage& client);
  void EndHandshake(Connection* connection, uint64_t* outcome);
  void CompleteHandshake(Connection* connection);
  void Dismiss(Connection* connection);
  void EndSecure(Connection* connection);
  void ReadSecure(Connection* connection, uint32_t events);
  void TakeCipher(Connection* connection, uint32_t count);
  void FailSecure(Connection* connection);
  void EndOfCipher(Connection* connection);
  void ExpireHandshake(Connection* connection);
  void SendControl(Connection* connection);
  void SendCipher(Connection* connection);
  void SendSecureChain(Connection* connection);
  [[nodiscard]] bool SendRecord(SecureChannel* channel);
  [[nodiscard]] bool SayGoodbye(Connection* connection);

  // event_loop_close.cc: states of one connection.
  [[nodiscard]] static uint64_t TakenBytes(const Connection& connection);
  [[nodiscard]] static bool TakesItsRest(Connection* connection);
  void AfterSend(Connection* connection);
  void SetPending(Connection* connection, uint32_t owed);
  void FinishWriting(Connection* connection);
  void Break(Connection* connection, int error);
  void CloseNow(Connection* connection, int error, bool reset);
  void Defer(Connection* connection);
  void UpdateInterest(Connection* connection);
  void Rearm(Connection* connection);
  void HangUpPaused(Connection* connection);
  void Detach(Connection* connection);
  void Reattach(Connection* connection);
  void SetPaused(Connection* connection, bool paused);

  [[nodiscard]] uint32_t WantedEvents(const Connection& connection) const;

  SharedMemory memory_;
  bool poison_;
  Poller poller_;
  SlotTable slots_;
  TimerWheel wheel_;
  std::array<Listener, kListenersMax> listeners_;
  uint32_t listener_count_ = 0;
  uint32_t listeners_paused_ = 0;
  RefusalCounters refusal_counters_;

  std::array<epoll_event, kEventsPerWaitMax> ready_;
  uint32_t ready_next_ = 0;
  uint32_t ready_count_ = 0;
  std::vector<uint32_t> expired_;
  size_t expired_next_ = 0;
  /** Tokens of connections that owe a drain or a close record. */
  std::vector<uint64_t> deferred_;
  std::vector<uint64_t> deferred_taken_;
  std::vector<Connection*> delivered_closes_;

  std::vector<Head> heads_;
  /** Cookies of the adopted connections that are not closed. */
  std::unordered_set<uint64_t> adopted_;
  /** nullptr until a listener is secured. */
  std::unique_ptr<SecureScratch> secure_;
  SecureCounts secure_counts_;
  uint32_t handshakes_left_ = kHandshakesPerTickMax;

  uint64_t queued_bytes_ = 0;
  uint64_t queued_bytes_max_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t received_bytes_ = 0;

  uint32_t record_count_ = 0;
  uint32_t receive_cursor_ = 0;
  /** First offset of the slab whose address is aligned. */
  uint32_t receive_origin_ = 0;

  std::vector<ChainEntry> chain_;
  std::vector<Connection*> touched_;
  /** Per send record of this flush: the bytes that several slow connections owe, copied once. */
  std::vector<Block*> shared_blocks_;
};

}  // namespace sluice
