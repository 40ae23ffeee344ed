// The bounds of WebSocket connections and topics, with their defaults.

export const WEBSOCKET_LIMITS = {
  /** Longest message in bytes; above it the peer gets 1009. */
  messageBytesMax: 1024 * 1024,
  /** Pending bytes at which send() and publish() drop. */
  queueBytesMax: 1024 * 1024,
  /** Silence before a ping, and again before the connection is dropped. */
  idleTimeoutMs: 120_000,
  /** The wait for the peer's close frame. */
  closeTimeoutMs: 5_000,
  /** The wait for everybody when the server closes. */
  drainTimeoutMs: 10_000,
} as const;

/** Frames per socket that wait behind a fragmented message, and keys of which the newest waits. */
export const HELD_FRAMES_MAX = 4096;
/** Length of a message's key in UTF-16 units; longer ones are dropped when the peer is slow. */
export const KEY_LENGTH_MAX = 1024;
/** Topics that one socket may be subscribed to; subscribe() refuses more. */
export const TOPICS_PER_SOCKET_MAX = 4096;
/** Length of a topic's name in UTF-16 units. */
export const TOPIC_LENGTH_MAX = 1024;
