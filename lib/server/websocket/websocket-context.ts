// What all WebSocket connections of a server share: the encoder on the loop's slab, the runs that wait
// for the flush, topics, and the set of open connections.

import { loadCodec } from '../../native/load-codec.ts';
import type { Loop, TickTask } from '../../net/types.ts';
import { DeflateStreams } from '../../websocket/deflate-streams.ts';
import { FrameEncoder } from '../../websocket/frame-encoder.ts';
import { OutgoingRun } from '../../websocket/outgoing-run.ts';
import { ParserLoan } from '../../websocket/parser-loan.ts';
import type { Initiator } from '../../websocket/session-types.ts';
import { type NativeFrames, Unmasker } from '../../websocket/unmask.ts';
import type { Admission } from '../admission/admission.ts';
import type { TrustedProxies } from '../admission/http-client-address.ts';
import type { ServerSocket } from '../types.ts';
import { PublishGroups } from './publish-group.ts';
import { QueueBudget } from './queue-budget.ts';
import { SocketCounters } from './socket-counters.ts';
import { Topics } from './topic.ts';
import type { WebSocketConnection } from './websocket-connection.ts';

/** Runs that wait for their next connection; one batch of the loop brings up to 64 of them. */
export const SPARE_RUNS_MAX = 256;

/** Connections whose small texts wait as a run; they are written once before the tick's flush. */
export class RunQueue implements TickTask {
  readonly #loop: Pick<Loop, 'beforeFlush'>;
  readonly #spare: OutgoingRun[] = [];
  #waiting: WebSocketConnection[] = [];
  #isScheduled = false;

  constructor(loop: Pick<Loop, 'beforeFlush'>) {
    this.#loop = loop;
  }

  /** The connection begins a run. @returns an empty one, which takeBack() must get when it is flushed */
  begin(connection: WebSocketConnection): OutgoingRun {
    this.#waiting.push(connection);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#loop.beforeFlush(this);
    }
    return this.#spare.pop() ?? new OutgoingRun();
  }

  takeBack(run: OutgoingRun): void {
    if (this.#spare.length < SPARE_RUNS_MAX) this.#spare.push(run);
  }

  /** Called by the loop. */
  run(): void {
    this.#isScheduled = false;
    this.flushAll();
  }

  /** Writes all runs now, so that what is written next comes behind them. */
  flushAll(): void {
    const waiting = this.#waiting;
    for (let i = 0; i < waiting.length; i++) waiting[i]?.flushRun();
    waiting.length = 0;
  }
}

export interface ContextOptions {
  readonly loop: Loop;
  readonly nativeFrames?: NativeFrames | undefined;
  readonly admission: Admission;
  readonly trustedProxies?: TrustedProxies | undefined;
  /** What all sockets together may owe; 0: no bound but their own. */
  readonly queueBytesTotal?: number | undefined;
  /** Gets what handlers throw; what it throws itself is raised as uncaught. */
  readonly onError: (error: unknown) => void;
  /** A connection has left `connections`. */
  readonly onGone: () => void;
}

export class WebSocketContext {
  readonly encoder: FrameEncoder;
  readonly parsers: ParserLoan;
  readonly runs: RunQueue;
  readonly topics: Topics;
  readonly admission: Admission;
  readonly trustedProxies: TrustedProxies | undefined;
  readonly budget: QueueBudget;
  readonly counters = new SocketCounters();
  readonly publishGroups = new PublishGroups();
  /** Made for the first route with compression. */
  deflate: DeflateStreams | undefined;
  /** Accepted and not yet gone. */
  readonly connections = new Set<WebSocketConnection>();
  /** Times of connections are counted from here: a small difference needs no box. */
  readonly startedAt = Date.now();
  /** In whose chunk also the first text begins a run, because others are likely to follow it. */
  joining: WebSocketConnection | undefined;
  /** New handshakes are refused with 503. */
  isClosing = false;
  readonly #options: ContextOptions;

  constructor(options: ContextOptions) {
    const { loop } = options;
    this.encoder = new FrameEncoder(loop.sendSlab);
    this.parsers = new ParserLoan(new Unmasker(options.nativeFrames));
    this.runs = new RunQueue(loop);
    this.admission = options.admission;
    this.trustedProxies = options.trustedProxies;
    this.budget = new QueueBudget(loop, options.queueBytesTotal ?? 0);
    this.topics = new Topics(loop, this);
    this.#options = options;
  }

  /** @throws SluiceError ERR_CODEC_MISSING without the addon that compresses */
  needDeflate(): void {
    this.deflate ??= new DeflateStreams(loadCodec().deflate, this.#options.loop.sendSlab);
  }

  /** A set may lose members while it is iterated; those are passed over. */
  *openSockets(): Generator<ServerSocket, void> {
    for (const connection of this.connections) yield connection.socket;
  }

  /** Reports a handler's error. Never throws. */
  report(error: unknown): void {
    try {
      this.#options.onError(error);
    } catch (second) {
      raiseUncaught(second);
    }
  }

  /** An opened connection is gone. @param initiator who began its end */
  countGone(connection: WebSocketConnection, initiator: Initiator): void {
    const { counters } = this;
    if (initiator === 'us') counters.closedByUs++;
    else if (initiator === 'peer') counters.closedByPeer++;
    else counters.closedByError++;
    counters.messagesReceived += connection.messagesReceived;
    counters.messagesSent += connection.messagesSent;
  }

  /** The connection is gone: nothing may keep it. */
  forget(connection: WebSocketConnection): void {
    this.topics.leaveAll(connection);
    if (this.joining === connection) this.joining = undefined;
    if (this.connections.delete(connection)) this.#options.onGone();
  }
}

/** Raises an error where no connection can be hurt by it: in a turn of its own, as uncaught. */
export function raiseUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
