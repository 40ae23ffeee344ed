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
import { isThenable } from '../base/thenable.ts';
import { requireSendableClose } from './close-payload.ts';
import { encodeClosePayload } from './frame-encoder.ts';
import { FrameParser } from './frame-parser.ts';
import type { FrameSink } from './frame-sink.ts';
import { type GateKeeper, HOLD, InboundGate } from './inbound-gate.ts';
import type { IncomingStream } from './incoming-stream.ts';
import type { MessageInflater } from './message-inflater.ts';
import { CLOSE_CODE, OPCODE, type Violation } from './protocol.ts';
import { IDLE_STEPS, SessionExtras } from './session-extras.ts';
import type { Initiator, SessionHost, SessionState } from './session-types.ts';
import { type StreamHost, StreamReader } from './stream-reader.ts';

/** In place of a count of looks: something has come since the last one. */
const ACTIVE = -1;

export class Session implements FrameSink, GateKeeper, StreamHost {
  readonly #host: SessionHost;
  #state: SessionState = 'connecting';
  /** Looks at the idle time since something came; ACTIVE when that was after the last look. */
  #silentSteps = 0;
  /** While a chunk is parsed, while a message is cut, and always with streams or compression. */
  #parser: FrameParser | undefined;
  #extras: SessionExtras | undefined;

  constructor(host: SessionHost, inflater?: MessageInflater) {
    this.#host = host;
    const { messageBytesMax, streams } = host.sessionOptions;
    if (streams === true) this.#needExtras().streams = new StreamReader(this);
    const pieces = this.#extras?.streams;
    if (pieces === undefined && inflater === undefined) return;
    const { unmasker } = host.parsers;
    this.#parser = new FrameParser(this, messageBytesMax, unmasker, { pieces, inflater });
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
    requireSendableClose(code, reason);
    if (this.#state !== 'open') return;
    this.#needExtras().initiator = initiator;
    this.#isTaking();
    this.#sendClose(code, reason);
    this.#host.setDeadline(this.#host.sessionOptions.closeTimeoutMs);
    // The peer's close frame must be read.
    this.#gate?.open(HOLD.application | HOLD.promise | HOLD.stream);
  }

  /** Drops the connection without a handshake. */
  terminate(): void {
    if (this.#state === 'closed') return;
    this.#needExtras().initiator ??= 'us';
    this.#state = 'closing';
    this.#end();
    this.#extras?.streams?.cut();
    this.#host.reset();
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
    this.#silentSteps = ACTIVE;
    const extras = this.#extras;
    if (extras?.isHeld === true) {
      if (start === end || extras.isDeaf) return;
      extras.gate?.keep(bytes.subarray(start, end));
      // Who had the connection before may have resumed it.
      this.#host.pause();
      return;
    }
    const at = this.#parse(bytes, start, end);
    if (at < end) this.#gate?.keep(bytes.subarray(at, end));
  }

  /** The peer sent FIN. Without a close frame before it that is an abnormal end. */
  peerEnded(): void {
    if (this.#state === 'closed') return;
    this.#needExtras().initiator ??= 'peer';
    this.#state = 'closing';
    this.#extras?.streams?.cut();
    this.#host.close();
  }

  /** Much of what was pending has been taken. */
  drained(): void {
    this.#silentSteps = ACTIVE;
  }

  /** The port's deadline passed. */
  deadline(): void {
    if (this.#state === 'open') this.#idleStep();
    else if (this.#state === 'closing') this.#closeStep();
  }

  /** The connection is gone. */
  gone(): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#state = 'closed';
    this.#end();
    this.#gate?.clear();
    this.#extras?.streams?.cut();
    if (before === 'connecting') return;
    const { closeCode, closeReason, hasSentClose, hasHeardClose, initiator } = this.#needExtras();
    const ending = { wasClean: hasSentClose && hasHeardClose, initiator: initiator ?? 'peer' };
    this.watch(this.#host.onSessionClose(closeCode, closeReason, ending));
  }

  /** A handler threw: the error is reported, and an open session fails with 1011. */
  fail(error: unknown): void {
    this.#failWith(CLOSE_CODE.internalError, '');
    this.#host.onError(error);
  }

  /** Watches what a handler returned: a promise that rejects fails the session. */
  watch(result: unknown): void {
    if (isThenable(result)) result.then(undefined, (error: unknown) => this.fail(error));
  }

  // ---- FrameSink ---------------------------------------------------------

  onText(text: string): void {
    if (this.#state !== 'open') return;
    const result = this.#host.onText(text);
    if (result !== undefined) this.#settle(result);
  }

  onBinary(data: Buffer): void {
    if (this.#state !== 'open') return;
    const result = this.#host.onBinary(data);
    if (result !== undefined) this.#settle(result);
  }

  onPing(payload: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#host.canQueue) this.#host.sendControl(OPCODE.pong, payload);
    this.watch(this.#host.onPing(payload));
  }

  onPong(payload: Buffer): void {
    if (this.#state === 'open') this.watch(this.#host.onPong(payload));
  }

  onCloseFrame(code: number, reason: string): void {
    const extras = this.#needExtras();
    extras.closeCode = code;
    extras.closeReason = reason;
    extras.hasHeardClose = true;
    extras.initiator ??= 'peer';
    if (this.#state === 'open') this.#sendClose(code, '');
    this.#host.close();
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
    return this.#host.onStream?.(chunks, isBinary);
  }

  holdStream(isHeld: boolean): void {
    if (isHeld) this.#shut(HOLD.stream);
    else this.#gate?.open(HOLD.stream);
  }

  waitFor(promise: PromiseLike<unknown>): void {
    this.#needExtras().promiseSteps = 0;
    this.#shut(HOLD.promise);
    const settled = (): void => this.#gate?.open(HOLD.promise);
    promise.then(settled, (error: unknown) => this.fail(error));
  }

  // ---- GateKeeper --------------------------------------------------------

  stopParsing(): void {
    this.#parser?.stop();
  }

  resumeParsing(): void {
    this.#parser?.resume();
  }

  pausePort(): void {
    this.#host.pause();
  }

  resumePort(): void {
    this.#host.resume();
  }

  replay(bytes: Buffer): number {
    this.#silentSteps = ACTIVE;
    try {
      return this.#parse(bytes, 0, bytes.length);
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
    this.#needExtras().initiator ??= 'error';
    this.#end();
    this.#gate?.clear();
    this.#extras?.streams?.cut();
    if (before === 'open') {
      this.#needExtras().closeCode = code;
      this.#needExtras().closeReason = reason;
      this.#sendClose(code, reason);
    }
    this.#host.close();
  }

  #sendClose(code: number, reason: string): void {
    this.#state = 'closing';
    this.#needExtras().hasSentClose = true;
    this.#extras?.streams?.cut();
    this.#host.sendControl(OPCODE.close, encodeClosePayload(code, reason));
  }

  #shut(reason: number): void {
    if (this.#state !== 'open') return;
    const extras = this.#needExtras();
    extras.gate ??= new InboundGate(this);
    extras.gate.shut(reason);
  }

  /** What a message handler has returned. */
  #settle(result: unknown): void {
    if (!isThenable(result)) return;
    if (this.#host.sessionOptions.serial === true) this.waitFor(result);
    else this.watch(result);
  }

  #armIdle(): void {
    const { idleTimeoutMs } = this.#host.sessionOptions;
    if (idleTimeoutMs > 0) this.#host.setDeadline(Math.ceil(idleTimeoutMs / IDLE_STEPS));
  }

  /** The peer's close frame has not come; it cannot while ours waits behind what it has yet to take. */
  #closeStep(): void {
    if (this.#isTaking()) this.#host.setDeadline(this.#host.sessionOptions.closeTimeoutMs);
    else this.#host.reset();
  }

  /** Half of the idle time has passed since the last look. */
  #idleStep(): void {
    // While reading is paused nothing can be heard, so silence means nothing.
    const isHeld = this.#gate?.isShut === true;
    const before = this.#silentSteps;
    if (before === ACTIVE || isHeld) this.#silentSteps = 0;
    // Without an answer to our ping, a peer that takes bytes is alive: the ping waits behind others.
    else if (before < IDLE_STEPS || !this.#isTaking()) this.#silentSteps++;
    if (this.#silentSteps >= 2 * IDLE_STEPS) {
      this.#needExtras().initiator = 'error';
      this.terminate();
      return;
    }
    if (this.#extras?.isPromiseLate() === true) {
      this.#promiseLate();
      return;
    }
    if (this.#isFrameSlow()) {
      this.#failWith(CLOSE_CODE.policyViolation, 'The frame does not move on.');
      return;
    }
    const isPingDue = this.#silentSteps === IDLE_STEPS && before < IDLE_STEPS;
    if (isPingDue) this.#host.sendControl(OPCODE.ping, NO_BYTES);
    this.#armIdle();
  }

  #promiseLate(): void {
    // A handler that waits for a peer that takes nothing (`drained()`) is not at fault.
    if (this.#host.delivery().owedBytes > 0) {
      this.#failWith(CLOSE_CODE.policyViolation, 'Nothing is read.');
    } else {
      this.fail(new SluiceError('ERR_TIMEOUT', "A handler's promise did not settle in time."));
    }
  }

  /** Whether the peer, which may be on a slow line, has taken bytes since the last look. */
  #isTaking(): boolean {
    return this.#needExtras().isTaking(this.#host.delivery());
  }

  #isFrameSlow(): boolean {
    const parser = this.#parser;
    // While we do not read, the peer cannot be slow.
    if (parser !== undefined && parser.frameProgress >= 0 && this.#gate?.isShut !== true) {
      return this.#needExtras().isFrameSlow(parser);
    }
    this.#extras?.betweenFrames();
    return false;
  }

  // ---- the parser on loan ------------------------------------------------

  #parse(bytes: Buffer, start: number, end: number): number {
    const host = this.#host;
    this.#parser ??= host.parsers.lend(this, host.sessionOptions.messageBytesMax);
    const parser = this.#parser;
    const at = parser.push(bytes, start, end);
    if (parser.isFree) {
      this.#parser = undefined;
      host.parsers.takeBack(parser);
      // The next frame in progress is another parser's.
      this.#extras?.betweenFrames();
    }
    return at;
  }

  /** What comes from now on is discarded. */
  #end(): void {
    this.#parser?.end();
    this.#needExtras().isDeaf = true;
  }

  get #gate(): InboundGate | undefined {
    return this.#extras?.gate;
  }

  #needExtras(): SessionExtras {
    this.#extras ??= new SessionExtras();
    return this.#extras;
  }
}

const NO_BYTES = new Uint8Array(0);
