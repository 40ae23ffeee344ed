// What a session needs below it and above it, and its bounds. The session itself is in session.ts.

import type { IncomingStream } from './incoming-stream.ts';
import type { ParserLoan } from './parser-loan.ts';

export type SessionState = 'connecting' | 'open' | 'closing' | 'closed';

/** What the session needs of its connection. */
export interface SessionPort {
  /** Writes a control frame, after everything that was sent before. */
  sendControl(opcode: number, payload: Uint8Array): void;
  /**
   * Whether a pong may still be queued; a peer that pings and does not read gets no more of them.
   */
  readonly canQueue: boolean;
  /** Asks the kernel: not for every message. */
  delivery(): Delivery;
  setDeadline(ms: number): void;
  pause(): void;
  resume(): void;
  /** Sends what is pending, FIN, discards input for a bounded while, then closes. */
  close(): void;
  /** Drops everything at once. */
  reset(): void;
}

/** How far what was written has come. */
export interface Delivery {
  /** The peer's side has them. */
  readonly takenBytes: number;
  /** It does not have them yet. */
  readonly owedBytes: number;
}

/** Whoever uses the session. Results that are promises are watched: a rejection is like a throw. */
export interface SessionHandlers {
  onText(text: string): unknown;
  onBinary(data: Buffer): unknown;
  onPing(payload: Buffer): unknown;
  onPong(payload: Buffer): unknown;
  /** A message that does not lie whole in one chunk; only with `streams`. */
  onStream?(chunks: IncomingStream, isBinary: boolean): unknown;
  /**
   * Last call, exactly once. @param code of the peer's close frame; 1005 without one in it; 1006
   * without a frame; else why we failed it
   */
  onSessionClose(code: number, reason: string, ending: SessionEnding): unknown;
  /** A handler threw or rejected. The connection is closed with 1011 by then. Must not throw. */
  onError(error: unknown): void;
}

/** One object is all that a session holds on to: there may be a great many sessions. */
export interface SessionHost extends SessionPort, SessionHandlers {
  readonly sessionOptions: SessionOptions;
  readonly parsers: ParserLoan;
}

/** How a session came to its end. */
export interface SessionEnding {
  /** Both sides have sent a close frame. */
  readonly wasClean: boolean;
  /** Who began it: our close() or terminate(), the peer, or a fault of either that we cut off. */
  readonly initiator: Initiator;
}

export type Initiator = 'us' | 'peer' | 'error';

export interface SessionOptions {
  readonly messageBytesMax: number;
  /** The next message waits until the promise of the former has settled. */
  readonly serial?: boolean;
  /** Messages that do not lie whole in one chunk are handed over while they arrive. */
  readonly streams?: boolean;
  /** Silence after which a ping goes out, and again until the connection is dropped. 0 off. */
  readonly idleTimeoutMs: number;
  /** How long the peer's close frame is waited for. */
  readonly closeTimeoutMs: number;
}
