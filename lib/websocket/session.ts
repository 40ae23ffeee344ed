// One WebSocket connection's life (RFC 6455 sections 5.5 and 7) above a port that writes frames, and
// below handlers that get messages. Knows no socket and no clock: the port carries one deadline.
//
//                 open()          close() / idle                gone()
//   connecting ------------> open ----------------> closing ------------> closed
//                             |    Close ->            |  <- Close, or deadline
//                             |                        v
//                             |  <- Close, Close ->  port.close(): FIN, linger
//                             +--- violation, throw: Close 1002/1007/1009/1011 ->, port.close()
//                             +--- FIN without Close, reset, terminate(), no pong: 1006
//
// Whatever the way, onSessionClose is called once, when the connection is gone, and is the last call.

import { SluiceError } from '../base/errors.ts';
import { encodeClosePayload } from './frame-encoder.ts';
import { FrameParser, type FrameSink } from './frame-parser.ts';
import {
  CLOSE_CODE,
  CLOSE_REASON_BYTES_MAX,
  isSendableCloseCode,
  OPCODE,
  type Violation,
} from './protocol.ts';
import type { Unmasker } from './unmask.ts';

export type SessionState = 'connecting' | 'open' | 'closing' | 'closed';

/** What the session needs of its connection. */
export interface SessionPort {
  /** Writes a control frame, after everything that was sent before. */
  sendControl(opcode: number, payload: Uint8Array): void;
  /**
   * Whether a pong may still be queued; a peer that pings and does not read gets no more of them.
   */
  readonly canQueue: boolean;
  /** Bytes that the kernel has not taken yet. */
  readonly pendingBytes: number;
  setDeadline(ms: number): void;
  pause(): void;
  resume(): void;
  /** Sends what is pending, FIN, discards input for a bounded while, then closes. */
  close(): void;
  /** Drops everything at once. */
  reset(): void;
}

/** Whoever uses the session. Results that are promises are watched: a rejection is like a throw. */
export interface SessionHandlers {
  onText(text: string): unknown;
  onBinary(data: Buffer): unknown;
  onPing(payload: Buffer): unknown;
  onPong(payload: Buffer): unknown;
  /**
   * Last call, exactly once. @param code of the peer's close frame; 1005 without one in it; 1006
   * without a frame; else why we failed it
   */
  onSessionClose(code: number, reason: string): unknown;
  /** A handler threw or rejected. The connection is closed with 1011 by then. Must not throw. */
  onError(error: unknown): void;
}

export interface SessionOptions {
  readonly messageBytesMax: number;
  /** Silence after which a ping goes out, and again until the connection is dropped. 0 off. */
  readonly idleTimeoutMs: number;
  /** How long the peer's close frame is waited for. */
  readonly closeTimeoutMs: number;
}

/** The idle time is looked at in this many steps: no timer is touched when data comes. */
const IDLE_STEPS = 2;

export class Session implements FrameSink {
  readonly #port: SessionPort;
  readonly #handlers: SessionHandlers;
  readonly #options: SessionOptions;
  readonly #parser: FrameParser;
  #state: SessionState = 'connecting';
  #closeCode: number = CLOSE_CODE.abnormal;
  #closeReason = '';
  #isActive = false;
  #silentSteps = 0;
  /** The port's pending bytes at the last look. */
  #pendingSeen = 0;
  #isPaused = false;
  #isReplaying = false;
  /** What of the last chunk came behind the message whose handler called pause(). */
  #stash: Buffer | undefined;

  constructor(
    port: SessionPort,
    handlers: SessionHandlers,
    options: SessionOptions,
    unmasker: Unmasker,
  ) {
    this.#port = port;
    this.#handlers = handlers;
    this.#options = options;
    this.#parser = new FrameParser(this, options.messageBytesMax, unmasker);
  }

  get state(): SessionState {
    return this.#state;
  }

  // ---- the application's side --------------------------------------------

  /** The 101 answer is written: messages may come and go. */
  open(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#armIdle();
  }

  /**
   * Starts the closing handshake; does nothing unless the session is open.
   * @throws SluiceError ERR_ARG_RANGE for a code or a reason that may not be sent, in every state
   */
  close(code: number = CLOSE_CODE.normal, reason = ''): void {
    if (!isSendableCloseCode(code)) throw new SluiceError('ERR_ARG_RANGE', `close code ${code}`);
    if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', 'close reason above 123 bytes of UTF-8');
    }
    if (this.#state !== 'open') return;
    this.#sendClose(code, reason);
    this.#port.setDeadline(this.#options.closeTimeoutMs);
    // The peer's close frame must be read.
    this.resume();
  }

  /** Drops the connection without a handshake. */
  terminate(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#parser.end();
    this.#port.reset();
  }

  /** No message is delivered from now on, also none of the chunk in hand. */
  pause(): void {
    if (this.#isPaused || this.#state !== 'open') return;
    this.#isPaused = true;
    this.#parser.stop();
    this.#port.pause();
  }

  /** Messages are delivered again, never inside this call. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#parser.resume();
    if (this.#stash === undefined) this.#port.resume();
    else if (!this.#isReplaying) {
      this.#isReplaying = true;
      queueMicrotask(() => this.#replay());
    }
  }

  // ---- the connection's side ---------------------------------------------

  /** Bytes of the peer, borrowed. Throws what a handler throws; the caller then calls fail(). */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#isActive = true;
    const wasPaused = this.#isPaused;
    const at = this.#parser.push(bytes, start, end);
    if (at === end) return;
    this.#keep(bytes.subarray(at, end));
    // Who had the connection before may have resumed it.
    if (wasPaused) this.#port.pause();
  }

  /** The peer sent FIN. Without a close frame before it that is an abnormal end. */
  peerEnded(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#port.close();
  }

  /** Much of what was pending has been taken. */
  drained(): void {
    this.#isActive = true;
  }

  /** The port's deadline passed. */
  deadline(): void {
    if (this.#state === 'closing') this.#port.reset();
    else if (this.#state === 'open') this.#idleStep();
  }

  /** The connection is gone. */
  gone(): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#state = 'closed';
    this.#parser.end();
    this.#stash = undefined;
    if (before !== 'connecting') {
      this.watch(this.#handlers.onSessionClose(this.#closeCode, this.#closeReason));
    }
  }

  /** A handler threw: the error is reported, and an open session fails with 1011. */
  fail(error: unknown): void {
    this.#failWith(CLOSE_CODE.internalError, '');
    this.#handlers.onError(error);
  }

  /** Watches what a handler returned: a promise that rejects fails the session. */
  watch(result: unknown): void {
    if (isThenable(result)) result.then(undefined, (error: unknown) => this.fail(error));
  }

  // ---- FrameSink ---------------------------------------------------------

  onText(text: string): void {
    if (this.#state !== 'open') return;
    const result = this.#handlers.onText(text);
    if (result !== undefined) this.watch(result);
  }

  onBinary(data: Buffer): void {
    if (this.#state !== 'open') return;
    const result = this.#handlers.onBinary(data);
    if (result !== undefined) this.watch(result);
  }

  onPing(payload: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#port.canQueue) this.#port.sendControl(OPCODE.pong, payload);
    this.watch(this.#handlers.onPing(payload));
  }

  onPong(payload: Buffer): void {
    if (this.#state === 'open') this.watch(this.#handlers.onPong(payload));
  }

  onCloseFrame(code: number, reason: string): void {
    this.#closeCode = code;
    this.#closeReason = reason;
    if (this.#state === 'open') this.#sendClose(code, '');
    this.#port.close();
  }

  onViolation(violation: Violation): void {
    this.#failWith(violation.closeCode, violation.message);
  }

  // ------------------------------------------------------------------------

  /**
   * Fails the connection (RFC 6455 section 7.1.7): a close frame if possible, nothing is awaited.
   */
  #failWith(code: number, reason: string): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#parser.end();
    this.#stash = undefined;
    if (before === 'open') {
      this.#closeCode = code;
      this.#closeReason = reason;
      this.#sendClose(code, reason);
    }
    this.#port.close();
  }

  #sendClose(code: number, reason: string): void {
    this.#state = 'closing';
    this.#port.sendControl(OPCODE.close, encodeClosePayload(code, reason));
  }

  #keep(rest: Buffer): void {
    this.#stash = Buffer.concat(this.#stash === undefined ? [rest] : [this.#stash, rest]);
  }

  #replay(): void {
    this.#isReplaying = false;
    const stash = this.#stash;
    if (this.#isPaused || this.#state === 'closed') return;
    this.#stash = undefined;
    try {
      if (stash !== undefined) this.receive(stash, 0, stash.length);
    } catch (error) {
      this.fail(error);
    }
    if (!this.#isPaused) this.#port.resume();
  }

  #armIdle(): void {
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0) this.#port.setDeadline(Math.ceil(idleTimeoutMs / IDLE_STEPS));
  }

  /** Half of the idle time has passed since the last look. */
  #idleStep(): void {
    const pending = this.#port.pendingBytes;
    // A peer on a slow line that takes bytes is alive: our ping waits behind what it has yet to take.
    const isTaking = pending < this.#pendingSeen;
    // While reading is paused nothing can be heard, so silence means nothing.
    if (this.#isActive || isTaking || this.#isPaused) this.#silentSteps = 0;
    else this.#silentSteps++;
    this.#isActive = false;
    this.#pendingSeen = pending;
    if (this.#silentSteps >= 2 * IDLE_STEPS) {
      this.terminate();
      return;
    }
    if (this.#silentSteps === IDLE_STEPS) this.#port.sendControl(OPCODE.ping, NO_BYTES);
    this.#armIdle();
  }
}

const NO_BYTES = new Uint8Array(0);

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { readonly then?: unknown }).then === 'function'
  );
}
