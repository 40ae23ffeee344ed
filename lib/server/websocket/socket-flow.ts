// The slow side of sending, beside the hot path: what becomes of messages for a peer that does not keep
// up, or that is being sent a fragmented message; and who waits for the drain. Most sockets never need it.
//
//   send ── pending below the care mark ──► written (WebSocketConnection)
//     └─► judge: not open           ► dropped
//                a message streams  ► kept behind it, or dropped
//                queue is full      ► dropped; closed with 1013; with a key: the newest is kept

import { SluiceError } from '../../base/errors.ts';
import type { Connection } from '../../net/types.ts';
import { encodeFragmentHeader, encodeFrame } from '../../websocket/frame-encoder.ts';
import { CLOSE_CODE, OPCODE } from '../../websocket/protocol.ts';
import { DrainWait } from './drain-wait.ts';
import type { OutgoingStream, SendOutcome } from './flow-types.ts';
import { HeldFrames } from './held-frames.ts';
import { type FragmentPort, OutgoingFragments } from './outgoing-fragments.ts';
import type { QueueBudget } from './queue-budget.ts';
import type { SocketCounters } from './socket-counters.ts';
import type { ResolvedRoute } from './websocket-route.ts';

/** What a flow needs of its socket's connection. */
export interface FlowPort {
  readonly isOpen: boolean;
  readonly connection: Connection;
  readonly route: ResolvedRoute;
  readonly budget: QueueBudget;
  readonly counters: SocketCounters;
  messagesSent: number;
  /** Pending bytes without what the flow holds. */
  readonly writtenBytes: number;
  /** Writes what the hot path has collected. */
  flushRun(): void;
  closeFor(code: number, reason: string): void;
  /** From how many pending bytes on sends must be judged. */
  setCare(bytes: number): void;
}

export class SocketFlow implements FragmentPort {
  readonly #port: FlowPort;
  readonly #held: HeldFrames;
  #fragments: OutgoingFragments | undefined;
  readonly #drain = new DrainWait();
  /** Of who streams a message. */
  readonly #fragmentsDrain = new DrainWait();
  /** A drain was asked for, or must be once held frames have left. */
  #isNoticed = false;
  /** What was held, and cannot be sent any more. */
  lostBytes = 0;

  constructor(port: FlowPort) {
    this.#port = port;
    this.#held = new HeldFrames(port.budget);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  get isOpen(): boolean {
    return this.#port.isOpen;
  }

  /** A send that cannot simply be written. @returns undefined when it can be after all */
  judge(opcode: number, data: string | Uint8Array): SendOutcome | undefined {
    if (!this.#port.isOpen) return 'dropped';
    if (this.#fragments !== undefined && opcode < OPCODE.close) {
      return this.#keepBehind(encodeFrame(opcode, data)) ? 'queued' : this.#overflow();
    }
    return this.#pendingBytes < this.#bound ? undefined : this.#overflow();
  }

  /** A message with a key, on a route that keeps the newest. @returns undefined: write it */
  judgeKeyed(opcode: number, data: string | Uint8Array, key: string): SendOutcome | undefined {
    if (!this.#port.isOpen || !this.#keepsLatest) return this.judge(opcode, data);
    return this.#keepLatest(key, encodeFrame(opcode, data)) ? 'queued' : this.#overflow();
  }

  /** Frames of a publish that the fan-out has passed over. @returns whether they were accepted */
  takePublished(frames: Uint8Array, key: string | undefined): boolean {
    const port = this.#port;
    if (!port.isOpen) return false;
    let isTaken: boolean;
    if (this.#fragments !== undefined) isTaken = this.#keepBehind(frames);
    else if (key !== undefined && this.#keepsLatest) isTaken = this.#keepLatest(key, frames);
    else isTaken = this.#pendingBytes < this.#bound && this.#write(frames);
    if (!isTaken) this.#overflow();
    return isTaken;
  }

  /** @throws SluiceError ERR_STATE while another message is on its way */
  openStream(isBinary: boolean): OutgoingStream {
    if (this.#fragments !== undefined) {
      throw new SluiceError('ERR_STATE', 'A message is being streamed to this socket already.');
    }
    const fragments = new OutgoingFragments(this, isBinary);
    if (this.#port.isOpen) this.#fragments = fragments;
    this.#changed();
    return fragments;
  }

  drained(): Promise<boolean> {
    if (!this.#port.isOpen) return Promise.resolve(false);
    if (this.#pendingBytes < this.#port.route.lowWaterBytes) return Promise.resolve(true);
    this.#notice();
    return this.#drain.wait();
  }

  /**
   * The connection owes less than the low mark. @returns false when held frames have taken its place,
   * so that nobody is to be told
   */
  release(): boolean {
    this.#isNoticed = false;
    const { route } = this.#port;
    this.#releaseFragments();
    while (this.#fragments === undefined && this.#port.writtenBytes < route.highWaterBytes) {
      const frame = this.#held.takeLatest();
      if (frame === undefined) break;
      this.#write(frame);
    }
    this.#changed();
    if (this.#pendingBytes >= route.lowWaterBytes) {
      // Behind a fragmented message only its end can change that: see fragmentsEnded().
      if (this.#fragments === undefined) this.#notice();
      else this.#isNoticed = true;
      return false;
    }
    this.#drain.settle(true);
    return true;
  }

  /** Our close frame goes next, behind what was accepted; nothing may follow a cut message. */
  finish(): void {
    while (this.#fragments === undefined) {
      const frame = this.#held.takeLatest();
      if (frame === undefined) break;
      this.#write(frame);
    }
    this.end();
  }

  /** Nothing more will be sent. */
  end(): void {
    this.lostBytes += this.#held.bytes;
    this.#held.clear();
    this.#fragments = undefined;
    this.#changed();
    this.#drain.settle(false);
    this.#fragmentsDrain.settle(false);
  }

  // ---- FragmentPort ------------------------------------------------------

  sendFragment(opcode: number, isFinal: boolean, payload: Uint8Array): SendOutcome {
    const { connection, route } = this.#port;
    const { length } = payload;
    if (!this.#port.isOpen) return 'dropped';
    // What waits behind this message must not keep it from its end.
    const isFree = isFinal && length === 0;
    if (!isFree && this.#port.writtenBytes >= this.#bound) return this.#overflow();
    this.#port.flushRun();
    let pending = connection.write(encodeFragmentHeader(opcode, isFinal, length));
    if (pending >= 0 && length > 0) pending = connection.write(payload);
    if (pending < 0) return 'dropped';
    if (isFinal) this.#port.messagesSent++;
    return pending >= route.highWaterBytes ? 'queued' : 'sent';
  }

  /** Without what waits behind the message: that leaves after its end only. */
  fragmentsDrained(): Promise<boolean> {
    if (!this.#port.isOpen) return Promise.resolve(false);
    if (this.#port.writtenBytes < this.#port.route.lowWaterBytes) return Promise.resolve(true);
    this.#port.connection.noticeDrain();
    return this.#fragmentsDrain.wait();
  }

  fragmentsEnded(): void {
    if (this.#fragments === undefined) return;
    this.#fragments = undefined;
    for (const frames of this.#held.takeBehind()) this.#write(frames);
    this.#changed();
    if (!this.#isNoticed) return;
    this.#isNoticed = false;
    this.#notice();
  }

  // ------------------------------------------------------------------------

  get #pendingBytes(): number {
    return this.#port.writtenBytes + this.#held.bytes;
  }

  get #bound(): number {
    return this.#port.budget.boundOf(this.#port.route.queueBytesMax);
  }

  /** Whether a message with a key is to be kept now rather than written. */
  get #keepsLatest(): boolean {
    if (this.#port.route.slow !== 'latest' || this.#fragments !== undefined) return false;
    return this.#held.hasLatest || this.#port.writtenBytes >= this.#port.route.highWaterBytes;
  }

  #keepLatest(key: string, frame: Uint8Array): boolean {
    const saved = this.#held.replaceable(key);
    if (saved < 0 || this.#pendingBytes - saved >= this.#bound) return false;
    if (this.#held.keepLatest(key, frame)) this.#port.counters.superseded++;
    this.#notice();
    this.#changed();
    return true;
  }

  #keepBehind(frames: Uint8Array): boolean {
    if (this.#pendingBytes >= this.#bound || !this.#held.keepBehind(frames)) return false;
    this.#isNoticed ||= this.#pendingBytes >= this.#port.route.highWaterBytes;
    return true;
  }

  /** The queue is full: what that means is the route's policy. */
  #overflow(): SendOutcome {
    const { route, counters } = this.#port;
    counters.dropped++;
    if (route.slow === 'close') {
      counters.slowCloses++;
      this.#port.closeFor(CLOSE_CODE.tryAgainLater, 'too slow');
    } else {
      this.#notice();
    }
    return 'dropped';
  }

  #write(frames: Uint8Array): boolean {
    this.#port.flushRun();
    return this.#port.connection.write(frames) >= 0;
  }

  /** A drain is owed, also if the high mark was never reached. */
  #notice(): void {
    if (this.#isNoticed) return;
    this.#isNoticed = true;
    this.#port.connection.noticeDrain();
  }

  #releaseFragments(): void {
    if (!this.#fragmentsDrain.isAwaited) return;
    const { writtenBytes, route, connection } = this.#port;
    if (writtenBytes < route.lowWaterBytes) this.#fragmentsDrain.settle(true);
    else connection.noticeDrain();
  }

  /** While something is held every send is judged, and publishes ask for this socket. */
  #changed(): void {
    const holds = this.#fragments !== undefined || this.#held.bytes > 0;
    this.#port.setCare(holds ? 0 : this.#port.route.careBytes);
    this.#port.connection.hold(holds);
  }
}
