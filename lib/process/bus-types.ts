// The public words of the bus between workers.

import type { PublishOptions, PublishResult, Server } from '../server/types.ts';

/** Text arrives as text, bytes as a Buffer of the receiver's own. Structured data: JSON of yours. */
export type BusData = string | Uint8Array;

export interface BusPeer {
  readonly serial: number;
  /** Two have the same while one of them is replaced. */
  readonly slot: number;
}

export type SignalHandler = (data: string | Buffer, from: BusPeer) => void;
export type RequestHandler = (
  data: string | Buffer,
  from: BusPeer,
) => BusData | undefined | Promise<BusData | undefined>;

export interface WorkerBus {
  /** The other workers that are reachable now, oldest first. */
  readonly peers: readonly BusPeer[];
  /** The youngest worker in a place; undefined when none is reachable, and for one's own. */
  peerAt(slot: number): BusPeer | undefined;
  /** Called when a worker becomes reachable, and once it is so no more. */
  onPeer(handler: (peer: BusPeer, isReachable: boolean) => void): void;
  /**
   * Tells one worker, or all others, without waiting. In order per receiver; dropped and counted when
   * that one's queue is full.
   * @param to a serial, or 'all'
   * @param name 1..200 bytes
   * @param data at most 1 MiB
   * @returns to how many it was given
   * @throws SluiceError ERR_ARG_RANGE for a name or data out of bounds
   */
  signal(to: number | 'all', name: string, data: BusData): number;
  /**
   * Asks one worker and waits for its answer. In order per receiver; never dropped while that one
   * lives: it waits here while more than 1 MiB is unanswered there.
   * @param timeoutMs 1..600,000; default 5,000
   * @returns what its handler returned; '' for undefined
   * @throws SluiceError (rejects) ERR_CLOSED when the peer is not there or goes, ERR_TIMEOUT,
   *   ERR_STATE when 65,536 wait already, ERR_REMOTE when the handler threw or there is none
   */
  request(to: number, name: string, data: BusData, timeoutMs?: number): Promise<string | Buffer>;
  /** Hears signals of that name; a new handler takes the place of the one before. */
  onSignal(name: string, handler: SignalHandler): void;
  /** Answers requests of that name; the same. */
  onRequest(name: string, handler: RequestHandler): void;
  /**
   * Lets what is published reach the subscribers of all workers. Each worker calls it for its server.
   * @param channel apart from others, for programs with several servers. Default 'topics'
   */
  shareTopics(server: Server, channel?: string): SharedTopics;
  readonly stats: BusStats;
}

export interface SharedTopics {
  /**
   * To the subscribers here at once, and to those of all others by a signal. `options` hold for the
   * subscribers here. @returns the local result
   */
  publish(topic: string, data: BusData, options?: PublishOptions): PublishResult;
  /**
   * The same by requests: never dropped on the way. `options` hold for the subscribers here.
   * @returns the sums over the workers that answered, and how many did, this one included
   */
  publishAllWorkers(
    topic: string,
    data: BusData,
    options?: PublishOptions,
  ): Promise<PublishResult & { readonly workers: number }>;
}

export interface BusStats {
  readonly signalsSent: number;
  readonly signalsReceived: number;
  /** Not sent, because a peer's queue was full. */
  readonly signalsDropped: number;
  readonly requestsSent: number;
  readonly requestsReceived: number;
  /** Bytes that peers have not taken yet. */
  readonly queuedBytes: number;
  /** Requests that wait for credit. */
  readonly waiting: number;
}
