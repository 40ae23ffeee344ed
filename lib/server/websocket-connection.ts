// Joins one net connection to one session and one route: the connection's owner after the 101 answer.
// A small text is written at once if nothing waits. Those behind it wait as a run; every other frame
// writes the run first, so that the order is kept.

import type { Connection, ConnectionOwner } from '../net/types.ts';
import { SHORT_TEXT_LENGTH_MAX } from '../websocket/frame-encoder.ts';
import { fitsRun, OutgoingRun } from '../websocket/outgoing-run.ts';
import { OPCODE } from '../websocket/protocol.ts';
import { Session, type SessionHandlers, type SessionPort } from '../websocket/session.ts';
import { Socket } from './socket.ts';
import type { SendOutcome, ServerRequest } from './types.ts';
import type { WebSocketContext } from './websocket-context.ts';
import type { ResolvedRoute } from './websocket-route.ts';

/** A chunk up to this long holds about one message of SHORT_TEXT_LENGTH_MAX. */
const LONE_CHUNK_BYTES_MAX = 64;

/** What the handshake has settled. */
export interface AcceptedUpgrade {
  readonly connection: Connection;
  readonly request: ServerRequest;
  readonly protocol: string;
  readonly data: unknown;
}

export class WebSocketConnection implements ConnectionOwner, SessionPort, SessionHandlers {
  readonly connection: Connection;
  readonly socket: Socket;
  /** Names of the topics it is subscribed to; kept by Topics. */
  readonly topics = new Set<string>();
  readonly #route: ResolvedRoute;
  readonly #context: WebSocketContext;
  readonly #session: Session;
  readonly #run = new OutgoingRun();
  /** Also the first text of this chunk begins a run, because others are likely to follow it. */
  #joinsTexts = false;

  constructor(accepted: AcceptedUpgrade, route: ResolvedRoute, context: WebSocketContext) {
    this.connection = accepted.connection;
    this.#route = route;
    this.#context = context;
    this.#session = new Session(this, this, route.session, context.unmasker);
    this.socket = new Socket(this, accepted);
  }

  get queueBytesMax(): number {
    return this.#route.queueBytesMax;
  }

  get isOpen(): boolean {
    return this.#session.state === 'open';
  }

  get pendingBytes(): number {
    return this.connection.pendingBytes + this.#run.length;
  }

  /** The 101 answer is written. */
  open(): void {
    this.#context.connections.add(this);
    this.#session.open();
    const { handlers } = this.#route;
    if (handlers.open === undefined) return;
    try {
      this.#session.watch(handlers.open(this.socket));
    } catch (error) {
      this.#session.fail(error);
    }
  }

  // ---- sending -----------------------------------------------------------

  sendText(text: string): SendOutcome {
    const run = this.#run;
    const connection = this.connection;
    const pending = connection.pendingBytes + run.length;
    if (this.#session.state !== 'open' || pending >= this.#route.queueBytesMax) return 'dropped';
    if (pending === 0 && !this.#joinsTexts && text.length <= SHORT_TEXT_LENGTH_MAX) {
      if (this.#context.encoder.shortText(connection, text) < 0) return 'dropped';
    } else if (fitsRun(text)) {
      if (run.add(text)) this.#context.runs.add(this);
      if (run.isFull) this.flushRun();
    } else {
      this.flushRun();
      if (this.#context.encoder.text(connection, text) < 0) return 'dropped';
    }
    return pending + text.length >= this.#route.highWaterBytes ? 'queued' : 'sent';
  }

  sendBytes(opcode: number, payload: Uint8Array): SendOutcome {
    if (!this.isOpen || this.pendingBytes >= this.#route.queueBytesMax) return 'dropped';
    this.flushRun();
    const pending = this.#context.encoder.bytes(this.connection, opcode, payload);
    if (pending < 0) return 'dropped';
    return pending >= this.#route.highWaterBytes ? 'queued' : 'sent';
  }

  /** Writes the small texts that wait. */
  flushRun(): void {
    this.#run.flush(this.connection, this.#context.encoder);
  }

  // ---- what the socket and the server ask for ----------------------------

  closeSession(code?: number, reason?: string): void {
    this.#session.close(code, reason);
  }

  terminate(): void {
    this.#session.terminate();
  }

  pauseSession(): void {
    this.#session.pause();
  }

  resumeSession(): void {
    this.#session.resume();
  }

  subscribe(topic: string): boolean {
    return this.isOpen && this.#context.topics.subscribe(this, topic);
  }

  unsubscribe(topic: string): boolean {
    return this.#context.topics.unsubscribe(this, topic);
  }

  /** A publish has skipped this socket. */
  reportDropped(topic: string): void {
    const { handlers } = this.#route;
    if (handlers.dropped === undefined) return;
    try {
      this.#session.watch(handlers.dropped(this.socket, topic));
    } catch (error) {
      this.#session.fail(error);
    }
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    this.#joinsTexts = end - start > LONE_CHUNK_BYTES_MAX;
    this.#session.receive(slab, start, end);
    this.#joinsTexts = false;
  }

  onEnd(): void {
    this.#session.peerEnded();
  }

  onDrain(): void {
    this.#session.drained();
    const { handlers } = this.#route;
    if (this.isOpen && handlers.drain !== undefined) {
      this.#session.watch(handlers.drain(this.socket));
    }
  }

  onDeadline(): void {
    this.#session.deadline();
  }

  onClose(): void {
    // First of all: the route's close handler may throw.
    this.#context.forget(this);
    this.#session.gone();
  }

  onFailure(_connection: Connection, error: unknown): void {
    this.#session.fail(error);
  }

  // ---- SessionPort -------------------------------------------------------

  get canQueue(): boolean {
    return this.pendingBytes < this.#route.queueBytesMax;
  }

  sendControl(opcode: number, payload: Uint8Array): void {
    this.flushRun();
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
    this.#context.topics.leaveAll(this);
    this.flushRun();
    this.connection.close();
  }

  reset(): void {
    this.#context.topics.leaveAll(this);
    this.connection.reset();
  }

  // ---- SessionHandlers ---------------------------------------------------

  onText(text: string): unknown {
    return this.#route.handlers.message?.(this.socket, text, false);
  }

  onBinary(data: Buffer): unknown {
    return this.#route.handlers.message?.(this.socket, data, true);
  }

  onPing(payload: Buffer): unknown {
    return this.#route.handlers.ping?.(this.socket, payload);
  }

  onPong(payload: Buffer): unknown {
    return this.#route.handlers.pong?.(this.socket, payload);
  }

  onSessionClose(code: number, reason: string): unknown {
    return this.#route.handlers.close?.(this.socket, code, reason);
  }

  onError(error: unknown): void {
    this.#context.report(error);
  }
}
