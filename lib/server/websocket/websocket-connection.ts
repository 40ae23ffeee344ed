// Joins one net connection to one session and one route: the connection's owner after the 101 answer.
// A small text is written at once if nothing waits. Those behind it wait as a run; every other frame
// writes the run first, so that the order is kept.

import type { Connection, ConnectionOwner } from '../../net/types.ts';
import { SHORT_TEXT_LENGTH_MAX } from '../../websocket/frame-encoder.ts';
import type { IncomingStream } from '../../websocket/incoming-stream.ts';
import type { MessageDeflater } from '../../websocket/message-deflater.ts';
import { fitsRun, type OutgoingRun } from '../../websocket/outgoing-run.ts';
import type { ParserLoan } from '../../websocket/parser-loan.ts';
import { OPCODE } from '../../websocket/protocol.ts';
import { Session } from '../../websocket/session.ts';
import type {
  Delivery,
  SessionEnding,
  SessionHost,
  SessionOptions,
} from '../../websocket/session-types.ts';
import type { TrustedProxies } from '../admission/http-client-address.ts';
import type { OutgoingStream, SendOutcome } from '../types.ts';
import type { AcceptedUpgrade } from './accepted-upgrade.ts';
import type { PublishGroup } from './publish-group.ts';
import type { QueueBudget } from './queue-budget.ts';
import { Socket } from './socket.ts';
import type { SocketCounters } from './socket-counters.ts';
import { type FlowPort, SocketFlow } from './socket-flow.ts';
import type { WebSocketContext } from './websocket-context.ts';
import type { ResolvedRoute } from './websocket-route.ts';

/** A chunk up to this long holds about one message of SHORT_TEXT_LENGTH_MAX. */
const LONE_CHUNK_BYTES_MAX = 64;

/** Shared by the sockets without a topic, and always empty: a set of its own costs 190 bytes. */
export const NO_TOPICS = new Set<string>();

export class WebSocketConnection implements ConnectionOwner, SessionHost, FlowPort {
  readonly connection: Connection;
  readonly socket: Socket;
  /** Names of the topics it is subscribed to; kept by Topics. */
  topics: Set<string> = NO_TOPICS;
  readonly route: ResolvedRoute;
  messagesReceived = 0;
  messagesSent = 0;
  readonly #context: WebSocketContext;
  readonly session: Session;
  /** Milliseconds from the context's start. */
  readonly #openedAfter: number;
  /** Lent as long as texts wait. */
  #run: OutgoingRun | undefined;
  /** Pending bytes from which on a send is the flow's to judge. */
  #careBytes: number;
  /** Made when something is out of the ordinary. */
  #flow: SocketFlow | undefined;
  readonly #deflater: MessageDeflater | undefined;

  constructor(accepted: AcceptedUpgrade, route: ResolvedRoute, context: WebSocketContext) {
    this.connection = accepted.connection;
    this.route = route;
    this.#careBytes = route.careBytes;
    this.#context = context;
    this.#openedAfter = Date.now() - context.startedAt;
    const { compression } = accepted;
    this.#deflater = compression?.deflater;
    this.session = new Session(this, compression?.inflater);
    this.socket = new Socket(this, accepted);
  }

  /** Milliseconds since 1970. */
  get openedAt(): number {
    return this.#context.startedAt + this.#openedAfter;
  }

  get extensions(): string {
    return this.#deflater?.extensions ?? '';
  }

  get trustedProxies(): TrustedProxies | undefined {
    return this.#context.trustedProxies;
  }

  get isOpen(): boolean {
    return this.session.state === 'open';
  }

  /** With whom it shares the bytes of a publish. */
  get publishGroup(): PublishGroup {
    return this.#context.publishGroups.of(this.route, this.#deflater?.shared);
  }

  get pendingBytes(): number {
    return this.writtenBytes + (this.#flow === undefined ? 0 : this.#flow.heldBytes);
  }

  /** The 101 answer is written. */
  open(): void {
    this.#context.connections.add(this);
    this.session.open();
    const { handlers, hasOwnMarks, highWaterBytes, lowWaterBytes } = this.route;
    if (hasOwnMarks) this.connection.setMarks(highWaterBytes, lowWaterBytes);
    if (handlers.open === undefined) return;
    try {
      this.session.watch(handlers.open(this.socket));
    } catch (error) {
      this.session.fail(error);
    }
  }

  // ---- sending -----------------------------------------------------------

  sendText(text: string, compress?: boolean): SendOutcome {
    if (this.#deflater?.wants(text.length, compress) === true) {
      return this.#sendDeflated(this.#deflater, OPCODE.text, text);
    }
    const connection = this.connection;
    const run = this.#run;
    const pending = connection.pendingBytes + (run === undefined ? 0 : run.length);
    if (this.session.state !== 'open' || pending >= this.#careBytes) {
      const outcome = this.#needFlow().judge(OPCODE.text, text);
      if (outcome !== undefined) return this.#counted(outcome);
    }
    this.messagesSent++;
    if (pending === 0 && this.#context.joining !== this && text.length <= SHORT_TEXT_LENGTH_MAX) {
      if (this.#context.encoder.shortText(connection, text) < 0) return 'dropped';
    } else if (fitsRun(text)) {
      this.#run ??= this.#context.runs.begin(this);
      if (this.#run.add(text)) this.flushRun();
    } else {
      this.flushRun();
      if (this.#context.encoder.text(connection, text) < 0) return 'dropped';
    }
    return pending + text.length >= this.route.highWaterBytes ? 'queued' : 'sent';
  }

  sendBytes(opcode: number, payload: Uint8Array, compress?: boolean): SendOutcome {
    if (this.#deflater?.wants(payload.length, compress) === true && opcode < OPCODE.close) {
      return this.#sendDeflated(this.#deflater, opcode, payload);
    }
    if (this.session.state !== 'open' || this.writtenBytes >= this.#careBytes) {
      const outcome = this.#needFlow().judge(opcode, payload);
      if (outcome !== undefined) return this.#counted(outcome);
    }
    this.flushRun();
    const pending = this.#context.encoder.bytes(this.connection, opcode, payload);
    if (pending < 0) return 'dropped';
    if (opcode < OPCODE.close) this.messagesSent++;
    return pending >= this.route.highWaterBytes ? 'queued' : 'sent';
  }

  /** A message of which a slow peer gets the newest only, if the route says so. */
  sendKeyed(
    opcode: number,
    data: string | Uint8Array,
    key: string,
    compress?: boolean,
  ): SendOutcome {
    if (this.route.slow === 'latest') {
      const outcome = this.#needFlow().judgeKeyed(opcode, data, key);
      if (outcome !== undefined) return this.#counted(outcome);
    }
    if (typeof data !== 'string') return this.sendBytes(opcode, data, compress);
    if (opcode === OPCODE.text) return this.sendText(data, compress);
    return this.sendBytes(opcode, Buffer.from(data), compress);
  }

  openStream(isBinary: boolean): OutgoingStream {
    return this.#needFlow().openStream(isBinary);
  }

  drained(): Promise<boolean> {
    return this.#needFlow().drained();
  }

  /** A publish has passed over this socket. @returns whether it was accepted nevertheless */
  takePublished(topic: string, frames: Uint8Array, key: string | undefined): boolean {
    const isTaken = this.#needFlow().takePublished(frames, key);
    if (!isTaken) this.#reportDropped(topic);
    return isTaken;
  }

  /** Writes the small texts that wait. */
  flushRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    run.flush(this.connection, this.#context.encoder);
    this.#context.runs.takeBack(run);
  }

  subscribe(topic: string): boolean {
    return this.isOpen && this.#context.topics.subscribe(this, topic);
  }

  unsubscribe(topic: string): boolean {
    return this.#context.topics.unsubscribe(this, topic);
  }

  #reportDropped(topic: string): void {
    const { handlers } = this.route;
    if (handlers.dropped === undefined) return;
    try {
      this.session.watch(handlers.dropped(this.socket, topic));
    } catch (error) {
      this.session.fail(error);
    }
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    if (end - start > LONE_CHUNK_BYTES_MAX) this.#context.joining = this;
    this.session.receive(slab, start, end);
    this.#context.joining = undefined;
  }

  onEnd(): void {
    this.session.peerEnded();
  }

  onDrain(): void {
    this.session.drained();
    if (this.#flow?.release() === false) return;
    const { handlers } = this.route;
    if (this.isOpen && handlers.drain !== undefined) {
      this.session.watch(handlers.drain(this.socket));
    }
  }

  onDeadline(): void {
    this.session.deadline();
  }

  onClose(): void {
    // First of all: the route's close handler may throw.
    this.#flow?.end();
    this.#deflater?.end();
    this.#context.forget(this);
    this.session.gone();
  }

  onFailure(_connection: Connection, error: unknown): void {
    this.session.fail(error);
  }

  // ---- SessionPort -------------------------------------------------------

  get sessionOptions(): SessionOptions {
    return this.route.session;
  }

  get parsers(): ParserLoan {
    return this.#context.parsers;
  }

  get canQueue(): boolean {
    return this.pendingBytes < this.route.queueBytesMax;
  }

  delivery(): Delivery {
    const { sentBytes, takenBytes } = this.connection.readCounters();
    return { takenBytes, owedBytes: sentBytes - takenBytes + this.pendingBytes };
  }

  sendControl(opcode: number, payload: Uint8Array): void {
    this.flushRun();
    if (opcode === OPCODE.close) this.#flow?.finish();
    this.#context.encoder.bytes(this.connection, opcode, payload);
    // Nothing may follow a close frame.
    if (opcode === OPCODE.close) this.#context.topics.leaveAll(this);
  }

  setDeadline(ms: number): void {
    this.connection.setDeadline(ms);
  }

  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  close(): void {
    this.#leave();
    this.flushRun();
    this.connection.close();
  }

  reset(): void {
    this.#leave();
    this.connection.reset();
  }

  // ---- FlowPort ----------------------------------------------------------

  get budget(): QueueBudget {
    return this.#context.budget;
  }

  get counters(): SocketCounters {
    return this.#context.counters;
  }

  get writtenBytes(): number {
    return this.connection.pendingBytes + this.#runBytes;
  }

  closeFor(code: number, reason: string): void {
    this.session.close(code, reason, 'error');
  }

  setCare(bytes: number): void {
    this.#careBytes = bytes;
  }

  // ---- SessionHandlers ---------------------------------------------------

  onText(text: string): unknown {
    this.messagesReceived++;
    return this.route.handlers.message?.(this.socket, text, false);
  }

  onBinary(data: Buffer): unknown {
    this.messagesReceived++;
    return this.route.handlers.message?.(this.socket, data, true);
  }

  onStream(chunks: IncomingStream, isBinary: boolean): unknown {
    this.messagesReceived++;
    return this.route.handlers.stream?.(this.socket, chunks, isBinary);
  }

  onPing(payload: Buffer): unknown {
    this.counters.pingsReceived++;
    return this.route.handlers.ping?.(this.socket, payload);
  }

  onPong(payload: Buffer): unknown {
    this.counters.pongsReceived++;
    return this.route.handlers.pong?.(this.socket, payload);
  }

  onSessionClose(code: number, reason: string, ending: SessionEnding): unknown {
    this.#context.countGone(this, ending.initiator);
    const lostBytes = this.#runBytes + (this.#flow?.lostBytes ?? 0);
    const bytesUnsent = this.connection.unsentBytes + lostBytes;
    return this.route.handlers.close?.(this.socket, code, reason, { ...ending, bytesUnsent });
  }

  onError(error: unknown): void {
    this.#context.report(error);
  }

  // ------------------------------------------------------------------------

  #sendDeflated(deflater: MessageDeflater, opcode: number, data: string | Uint8Array): SendOutcome {
    if (this.session.state !== 'open' || this.writtenBytes >= this.#careBytes) {
      const outcome = this.#needFlow().judge(opcode, data);
      if (outcome !== undefined) return this.#counted(outcome);
    }
    this.flushRun();
    const pending = deflater.write(this.connection, this.#context.encoder, opcode, data);
    if (pending < 0) return 'dropped';
    this.messagesSent++;
    return pending >= this.route.highWaterBytes ? 'queued' : 'sent';
  }

  get #runBytes(): number {
    return this.#run === undefined ? 0 : this.#run.length;
  }

  #needFlow(): SocketFlow {
    this.#flow ??= new SocketFlow(this);
    return this.#flow;
  }

  #counted(outcome: SendOutcome): SendOutcome {
    if (outcome !== 'dropped') this.messagesSent++;
    return outcome;
  }

  #leave(): void {
    this.#context.topics.leaveAll(this);
    this.#flow?.end();
    this.#deflater?.end();
  }
}
