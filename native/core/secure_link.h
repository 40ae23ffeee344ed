// What the engine keeps for an encrypted connection beside the rest, and for the listener that it
// came from. Plain state; event_loop_secure.cc has the rules.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "handshakes.h"
#include "secure_channel.h"

namespace sluice {

struct DestroyChannel {
  void operator()(SecureChannel* channel) const { channel->Destroy(); }
};

/** A share of a context. */
class SecureContextRef {
 public:
  SecureContextRef() = default;
  /** Adds an owner. */
  explicit SecureContextRef(SecureContext* context) : context_(context) {
    if (context_ != nullptr) context_->Acquire();
  }
  ~SecureContextRef() {
    if (context_ != nullptr) context_->Release();
  }
  SecureContextRef(const SecureContextRef&) = delete;
  SecureContextRef& operator=(const SecureContextRef&) = delete;
  SecureContextRef& operator=(SecureContextRef&& other) noexcept {
    std::swap(context_, other.context_);
    return *this;
  }

  [[nodiscard]] SecureContext* get() const { return context_; }

 private:
  SecureContext* context_ = nullptr;
};

struct SecureLink {
  /** nullptr once the connection is closed, or its handshake has failed. */
  std::unique_ptr<SecureChannel, DestroyChannel> channel;
  /** As long as it counts as one of its listener's; nullptr when it is over. */
  std::unique_ptr<Handshake> handshake;
  /** Queued answers to what the peer asks of the protocol itself while it reads nothing. */
  uint32_t control_bytes = 0;
};

struct ListenerSecurity {
  SecureContextRef context;
  uint32_t handshake_timeout_ms = 0;
  Handshakes handshakes;
};

/** Handshakes of a loop so far. */
struct SecureCounts {
  uint64_t completed = 0;
  uint64_t failed = 0;
  uint64_t timed_out = 0;
  /** Reset so that others find a place. */
  uint64_t crowded = 0;
};

/** Ciphertext on its way out, of one connection at a time. */
class CipherBuffer final : public CipherSink {
 public:
  void PutCipher(const uint8_t* bytes, uint32_t count) override {
    bytes_.insert(bytes_.end(), bytes, bytes + count);
  }
  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(bytes_.size()); }
  [[nodiscard]] uint8_t* bytes() { return bytes_.data(); }
  void Clear() { bytes_.clear(); }

 private:
  std::vector<uint8_t> bytes_;
};

/** Shared by all encrypted connections of a loop; made when the first listener is secured. */
struct SecureScratch {
  std::vector<uint8_t> cipher;
  std::vector<uint8_t> record;
  CipherBuffer out;
};

}  // namespace sluice
