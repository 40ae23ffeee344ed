// The numbers and names of the `ws` API: states, types of binary data, and the bounds that its options
// have when they are left out.

/** WebSocket.readyState (HTML, section "The WebSocket interface"). */
export const READY_STATE = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;

export const READY_STATE_NAMES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'] as const;

export const BINARY_TYPES = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'] as const;
export type BinaryType = (typeof BINARY_TYPES)[number];

/** What an option is when it is left out. */
export const WS_DEFAULTS = {
  /** Longest message in bytes; 0 switches the bound off. */
  maxPayload: 100 * 1024 * 1024,
  /** Frames of one message; 0 switches the bound off. */
  maxFragments: 16 * 1024,
  /** Pongs that the peer has not taken; one more ping then ends the connection. 0: no bound. */
  maxPendingAutoPongs: 60,
  /** The wait for the end of a closing handshake, in milliseconds. */
  closeTimeout: 30_000,
  /** Length of the queue of connections that were not accepted yet. */
  backlog: 511,
} as const;
