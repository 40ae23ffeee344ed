// Every bound of the engine, with its unit in the name. lib/native/layout.ts repeats those that
// TypeScript needs; a test compares the two through the addon's `layout` export.
#pragma once

#include <cstdint>

namespace sluice {

inline constexpr uint32_t kSlotBits = 20;
/** Connections per loop. A token is generation << 32 | slot. */
inline constexpr uint32_t kSlotsMax = 1U << kSlotBits;
inline constexpr uint32_t kGenerationMax = 0x7fffffff;
inline constexpr uint32_t kListenersMax = 64;
inline constexpr int kBacklogMax = 65535;
/** unix(7): sun_path has 108 bytes, the last one is for the zero. */
inline constexpr uint32_t kSocketPathBytesMax = 107;

/** Keep-alive probes that may stay unanswered. */
inline constexpr uint32_t kKeepAliveProbes = 3;

/** Ready events taken from the kernel per wake-up. */
inline constexpr uint32_t kEventsPerWaitMax = 256;
/** Connections whose state is loaded ahead of their events. */
inline constexpr uint32_t kPrefetchAhead = 4;
/** Records per crossing into JavaScript; one source may add kAcceptsPerTickMax on top. */
inline constexpr uint32_t kEventsPerBatchMax = 64;
inline constexpr uint32_t kAcceptsPerTickMax = 64;
inline constexpr uint32_t kReceiveRecordsMax = kEventsPerBatchMax + kAcceptsPerTickMax + 8;
inline constexpr uint32_t kSendRecordsMax = 16 * 1024;
inline constexpr uint32_t kFanoutSlotsMax = 256 * 1024;

inline constexpr uint32_t kReadBytesPerConnectionMax = 128 * 1024;
/** What may come with an adopted socket. */
inline constexpr uint32_t kAdoptHeadBytesMax = 1024 * 1024;
inline constexpr uint32_t kReceiveSlabBytes = 512 * 1024;
/** Reads start at multiples of this: a copy to a slightly higher page offset is 15 times slower. */
inline constexpr uint32_t kReceiveAlignment = 64;
[[nodiscard]] constexpr uint32_t AlignReceive(uint32_t offset) {
  return (offset + kReceiveAlignment - 1) & ~(kReceiveAlignment - 1);
}
/**
 * Ciphertext per read. Smaller than a read without TLS by more than one record, since the plaintext
 * of a record that began in an earlier read comes out with it.
 */
inline constexpr uint32_t kCipherReadBytesMax = 110 * 1024;
/** Ciphertext that is collected before it is sent; one record may come on top. */
inline constexpr uint32_t kCipherOutBytes = 256 * 1024;
/** Steps of handshakes per tick; the rest waits in the kernel. */
inline constexpr uint32_t kHandshakesPerTickMax = 8;
/** One client may have this part of a listener's handshakes, but never fewer than the other. */
inline constexpr uint32_t kHandshakeShares = 8;
inline constexpr uint32_t kHandshakesPerClientMin = 16;
/** How long a client may say nothing when others wait for its place. */
inline constexpr uint32_t kSilentHandshakeMs = 1000;
/** What a peer that reads nothing may make us queue by asking for answers of the protocol itself.
 */
inline constexpr uint32_t kControlBytesQueuedMax = 64 * 1024;
/** Only touched pages cost memory; those above kSendSlabSoftBytes are given back after a flush. */
inline constexpr uint32_t kSendSlabBytes = 64 * 1024 * 1024;
inline constexpr uint32_t kSendSlabSoftBytes = 1024 * 1024;
inline constexpr uint32_t kIovecsPerSendMax = 256;
inline constexpr uint32_t kPendingBytesMax = 256 * 1024 * 1024;

/**
 * onDrain comes when pending bytes fall below the low mark after having reached the high one. These
 * are the marks until a connection gets others.
 */
inline constexpr uint32_t kHighWaterBytes = 64 * 1024;
inline constexpr uint32_t kLowWaterBytes = 16 * 1024;

/** After our FIN: how long, and how much, input is discarded before close(2). */
inline constexpr uint32_t kLingerMs = 2000;
inline constexpr uint32_t kLingerBytesMax = 64 * 1024 * 1024;
/**
 * After close(), while bytes are still queued: within this time the peer must take so many, again
 * and again until the queue is empty.
 */
inline constexpr uint32_t kCloseFlushMs = 10000;
inline constexpr uint32_t kCloseProgressBytes = 4096;
/** Out of descriptors: how long a listener rests. */
inline constexpr uint32_t kAcceptPauseMs = 100;

/** Longest PROXY header: what the document asks a receiver to take at once, 232 bytes and 304 of
 * TLVs. */
inline constexpr uint32_t kProxyHeaderBytesMax = 536;
/** From the accept to the end of the PROXY header. */
inline constexpr uint32_t kProxyHeaderMs = 3000;
/** Blocks of trusted proxies per listener. */
inline constexpr uint32_t kProxyBlocksMax = 1024;
/** Blocks of each list of whom a listener takes in. */
inline constexpr uint32_t kGateBlocksMax = 100 * 1000;

inline constexpr uint32_t kWheelTickMs = 32;
inline constexpr uint32_t kWheelBuckets = 1024;

/** Commit crossings per tick; appends made later wait for the next tick. */
inline constexpr int kCommitRoundsMax = 2;

/** Batches per tick that consist of drain and close records only. */
inline constexpr int kDeferredBatchesMax = 4;

inline constexpr uint8_t kPoisonByte = 0xdd;

}  // namespace sluice
