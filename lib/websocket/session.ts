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
import { FramePace } from './frame-pace.ts';
import { FrameParser } from './frame-parser.ts';
import type { FrameSink } from './frame-sink.ts';
import { type GateKeeper, HOLD, InboundGate } from './inbound-gate.ts';
import type { IncomingStream } from './incoming-stream.ts';
import type { MessageInflater } from './message-inflater.ts';
import {
  CLOSE_CODE,
  CLOSE_REASON_BYTES_MAX,
  isSendableCloseCode,
  OPCODE,
  type Violation,
} from './protocol.ts';
import type {
  Initiator,
  SessionHandlers,
  SessionOptions,
  SessionPort,
  SessionState,
} from './session-types.ts';
import { isThenable, type StreamHost, StreamReader } from './stream-reader.ts';
import type { Unmasker } from './unmask.ts';

export type {
  Initiator,
  SessionEnding,
  SessionHandlers,
  SessionOptions,
  SessionPort,
  SessionState,
} from './session-types.ts';

/** The idle time is looked at in this many steps: no timer is touched when data comes. */
const IDLE_STEPS = 2;

/** With `serial`: looks at the idle time that a handler's promise may take, twice that of a peer. */
const PROMISE_STEPS_MAX = 4 * IDLE_STEPS;

export class Session implements FrameSink, GateKeeper, StreamHost {
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
  /** While a frame was in progress at the last look. */
  #pace: FramePace | undefined;
  /** Made when something first holds messages back. */
  #gate: InboundGate | undefined;
  #promiseSteps = 0;
  /** Only with `streams`. */
  readonly #streams: StreamReader | undefined;
  #initiator: Initiator | undefined;
  #hasSentClose = false;
  #hasHeardClose = false;

  constructor(
    port: SessionPort,
    handlers: SessionHandlers,
    options: SessionOptions,
    unmasker: Unmasker,
    inflater?: MessageInflater,
  ) {
    this.#port = port;
    this.#handlers = handlers;
    this.#options = options;
    this.#streams = options.streams === true ? new StreamReader(this) : undefined;
    this.#parser = new FrameParser(this, options.messageBytesMax, unmasker, {
      pieces: this.#streams,
      inflater,
    });
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
   * @param initiator 'error' when it is closed for a fault
   * @throws SluiceError ERR_ARG_RANGE for a code or a reason that may not be sent, in every state
   */
  close(code: number = CLOSE_CODE.normal, reason = '', initiator: Initiator = 'us'): void {
    if (!isSendableCloseCode(code)) throw new SluiceError('ERR_ARG_RANGE', `close code ${code}`);
    if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', 'close reason above 123 bytes of UTF-8');
    }
    if (this.#state !== 'open') return;
    this.#initiator = initiator;
    this.#sendClose(code, reason);
    this.#port.setDeadline(this.#options.closeTimeoutMs);
    // The peer's close frame must be read.
    this.#gate?.open(HOLD.application | HOLD.promise | HOLD.stream);
  }

  /** Drops the connection without a handshake. */
  terminate(): void {
    if (this.#state === 'closed') return;
    this.#initiator ??= 'us';
    this.#state = 'closing';
    this.#parser.end();
    this.#streams?.cut();
    this.#port.reset();
  }

  /** No message is delivered from now on, also none of the chunk in hand. */
  pause(): void {
    this.#shut(HOLD.application);
  }

  /** Messages are delivered again, never inside this call. */
  resume(): void {
    this.#gate?.open(HOLD.application);
  }

  get isPaused(): boolean {
    return this.#gate?.has(HOLD.application) === true;
  }

  // ---- the connection's side ---------------------------------------------

  /** Bytes of the peer, borrowed. Throws what a handler throws; the caller then calls fail(). */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#isActive = true;
    const wasShut = this.#gate !== undefined && this.#gate.isShut;
    const at = this.#parser.push(bytes, start, end);
    if (at === end) return;
    this.#gate?.keep(bytes.subarray(at, end));
    // Who had the connection before may have resumed it.
    if (wasShut) this.#port.pause();
  }

  /** The peer sent FIN. Without a close frame before it that is an abnormal end. */
  peerEnded(): void {
    if (this.#state === 'closed') return;
    this.#initiator ??= 'peer';
    this.#state = 'closing';
    this.#streams?.cut();
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
    this.#gate?.clear();
    this.#streams?.cut();
    if (before === 'connecting') return;
    const wasClean = this.#hasSentClose && this.#hasHeardClose;
    const ending = { wasClean, initiator: this.#initiator ?? 'peer' };
    this.watch(this.#handlers.onSessionClose(this.#closeCode, this.#closeReason, ending));
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
    if (result !== undefined) this.#settle(result);
  }

  onBinary(data: Buffer): void {
    if (this.#state !== 'open') return;
    const result = this.#handlers.onBinary(data);
    if (result !== undefined) this.#settle(result);
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
    this.#hasHeardClose = true;
    this.#initiator ??= 'peer';
    if (this.#state === 'open') this.#sendClose(code, '');
    this.#port.close();
  }

  onTurnSpent(): void {
    if (this.#state !== 'open') return;
    this.#shut(HOLD.turn);
    setImmediate(() => this.#gate?.open(HOLD.turn));
  }

  onViolation(violation: Violation): void {
    this.#failWith(violation.closeCode, violation.message);
  }

  // ---- StreamHost --------------------------------------------------------

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  beginStream(chunks: IncomingStream, isBinary: boolean): unknown {
    return this.#handlers.onStream?.(chunks, isBinary);
  }

  holdStream(isHeld: boolean): void {
    if (isHeld) this.#shut(HOLD.stream);
    else this.#gate?.open(HOLD.stream);
  }

  waitFor(promise: PromiseLike<unknown>): void {
    this.#promiseSteps = 0;
    this.#shut(HOLD.promise);
    const settled = (): void => this.#gate?.open(HOLD.promise);
    promise.then(settled, (error: unknown) => this.fail(error));
  }

  // ---- GateKeeper --------------------------------------------------------

  stopParsing(): void {
    this.#parser.stop();
  }

  resumeParsing(): void {
    this.#parser.resume();
  }

  pausePort(): void {
    this.#port.pause();
  }

  resumePort(): void {
    this.#port.resume();
  }

  replay(bytes: Buffer): number {
    this.#isActive = true;
    try {
      return this.#parser.push(bytes, 0, bytes.length);
    } catch (error) {
      this.fail(error);
      return bytes.length;
    }
  }

  // ------------------------------------------------------------------------

  /**
   * Fails the connection (RFC 6455 section 7.1.7): a close frame if possible, nothing is awaited.
   */
  #failWith(code: number, reason: string): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#initiator ??= 'error';
    this.#parser.end();
    this.#gate?.clear();
    this.#streams?.cut();
    if (before === 'open') {
      this.#closeCode = code;
      this.#closeReason = reason;
      this.#sendClose(code, reason);
    }
    this.#port.close();
  }

  #sendClose(code: number, reason: string): void {
    this.#state = 'closing';
    this.#hasSentClose = true;
    this.#streams?.cut();
    this.#port.sendControl(OPCODE.close, encodeClosePayload(code, reason));
  }

  #shut(reason: number): void {
    if (this.#state !== 'open') return;
    this.#gate ??= new InboundGate(this);
    this.#gate.shut(reason);
  }

  /** What a message handler has returned. */
  #settle(result: unknown): void {
    if (!isThenable(result)) return;
    if (this.#options.serial === true) this.waitFor(result);
    else this.watch(result);
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
    if (this.#isActive || isTaking || this.#gate?.isShut === true) this.#silentSteps = 0;
    else this.#silentSteps++;
    this.#isActive = false;
    this.#pendingSeen = pending;
    if (this.#silentSteps >= 2 * IDLE_STEPS) {
      this.#initiator = 'error';
      this.terminate();
      return;
    }
    if (this.#gate?.has(HOLD.promise) === true && ++this.#promiseSteps >= PROMISE_STEPS_MAX) {
      this.fail(new SluiceError('ERR_TIMEOUT', "A handler's promise did not settle in time."));
      return;
    }
    if (this.#isFrameSlow()) {
      this.#failWith(CLOSE_CODE.policyViolation, 'The frame does not move on.');
      return;
    }
    if (this.#silentSteps === IDLE_STEPS) this.#port.sendControl(OPCODE.ping, NO_BYTES);
    this.#armIdle();
  }

  #isFrameSlow(): boolean {
    // While we do not read, the peer cannot be slow.
    const isOpen = this.#gate?.isShut !== true && this.#parser.frameProgress >= 0;
    this.#pace = isOpen ? (this.#pace ?? new FramePace()) : undefined;
    return this.#pace !== undefined && this.#pace.look(this.#parser) >= 2 * IDLE_STEPS;
  }
}

const NO_BYTES = new Uint8Array(0);
