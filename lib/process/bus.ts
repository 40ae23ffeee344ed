// The bus: every worker has a line to every other one, so that a peer that is dead, slow or stopped
// concerns nobody else. The younger of two connects to the older.

import { SluiceError } from '../base/errors.ts';
import { ERROR_NAMES } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';
import { createLoop, type EventLoop } from '../net/event-loop.ts';
import type { Server } from '../server/types.ts';
import { BusLine, type LineHandler } from './bus-line.ts';
import { busRecordBytes } from './bus-record.ts';
import type {
  BusData,
  BusPeer,
  BusStats,
  RequestHandler,
  SharedTopics,
  SignalHandler,
  WorkerBus,
} from './bus-types.ts';
import { shareTopics } from './shared-topics.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS_MAX = 600_000;
const EXPIRE_EVERY_MS = 50;
/** A peer whose backlog is full is tried again so often. */
const CONNECT_EVERY_MS = 50;
const SOCKET_MODE = 0o600;

export class Bus implements WorkerBus, LineHandler {
  readonly identity: BusPeer;
  readonly #folder: string;
  readonly #loop: EventLoop = createLoop();
  /** By serial; those that have said hello. */
  readonly #lines = new Map<number, BusLine>();
  readonly #connecting = new Set<number>();
  readonly #signalHandlers = new Map<string, SignalHandler>();
  readonly #requestHandlers = new Map<string, RequestHandler>();
  readonly #peerHandlers: ((peer: BusPeer, isReachable: boolean) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #expected = new Set<number>();
  #isClosed = false;
  #signalsSent = 0;
  #signalsReceived = 0;
  #signalsDropped = 0;
  #requestsSent = 0;
  #requestsReceived = 0;

  /** @param folder of the supervisor: every worker's socket lies there */
  constructor(identity: BusPeer, folder: string) {
    this.identity = identity;
    this.#folder = folder;
    const path = socketPath(folder, identity.serial);
    this.#loop.listen({ path, mode: SOCKET_MODE }, (connection) => new BusLine(connection, this));
    this.#timer = setInterval(() => this.#expire(), EXPIRE_EVERY_MS);
    this.#timer.unref();
  }

  /** Who else is there, as the supervisor says; connects to those that are older. */
  setPeers(serials: readonly number[]): void {
    this.#expected = new Set(serials);
    for (const serial of serials) if (serial < this.identity.serial) this.#connect(serial);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#loop.close();
  }

  // ---- WorkerBus ---------------------------------------------------------

  get peers(): readonly BusPeer[] {
    const peers = [...this.#lines.values()].map((line) => line.peer as BusPeer);
    return peers.sort((a, b) => a.serial - b.serial);
  }

  peerAt(slot: number): BusPeer | undefined {
    return this.peers.findLast((peer) => peer.slot === slot);
  }

  onPeer(handler: (peer: BusPeer, isReachable: boolean) => void): void {
    this.#peerHandlers.push(handler);
  }

  signal(to: number | 'all', name: string, data: BusData): number {
    const bytes = busRecordBytes(name, data);
    const one = to === 'all' ? undefined : this.#lines.get(to);
    const lines = to === 'all' ? this.#lines.values() : one === undefined ? [] : [one];
    let given = 0;
    for (const line of lines) {
      if (line.signal(name, data, bytes)) given++;
      else this.#signalsDropped++;
    }
    this.#signalsSent += given;
    return given;
  }

  request(
    to: number,
    name: string,
    data: BusData,
    timeoutMs: number = REQUEST_TIMEOUT_MS,
  ): Promise<string | Buffer> {
    return new Promise((resolve, reject) => {
      if (!(timeoutMs >= 1 && timeoutMs <= REQUEST_TIMEOUT_MS_MAX)) {
        const text = `timeoutMs must be from 1 to ${REQUEST_TIMEOUT_MS_MAX}.`;
        throw new SluiceError('ERR_ARG_RANGE', text);
      }
      const bytes = busRecordBytes(name, data);
      const line = this.#lines.get(to);
      if (line === undefined) throw new SluiceError('ERR_CLOSED', `Worker ${to} is not there.`);
      this.#requestsSent++;
      const deadline = performance.now() + timeoutMs;
      line.requests.add({ name, data, bytes, deadline, resolve, reject });
    });
  }

  onSignal(name: string, handler: SignalHandler): void {
    this.#signalHandlers.set(name, handler);
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#requestHandlers.set(name, handler);
  }

  shareTopics(server: Server, channel?: string): SharedTopics {
    return shareTopics(this, server, channel);
  }

  get stats(): BusStats {
    const lines = [...this.#lines.values()];
    return {
      signalsSent: this.#signalsSent,
      signalsReceived: this.#signalsReceived,
      signalsDropped: this.#signalsDropped,
      requestsSent: this.#requestsSent,
      requestsReceived: this.#requestsReceived,
      queuedBytes: lines.reduce((sum, line) => sum + line.queuedBytes, 0),
      waiting: lines.reduce((sum, line) => sum + line.requests.waitingCount, 0),
    };
  }

  // ---- LineHandler -------------------------------------------------------

  get sendSlab(): Buffer {
    return this.#loop.sendSlab;
  }

  joined(line: BusLine): boolean {
    const peer = line.peer as BusPeer;
    this.#connecting.delete(peer.serial);
    if (this.#lines.has(peer.serial) || peer.serial === this.identity.serial) return false;
    this.#lines.set(peer.serial, line);
    this.#tellPeer(peer, true);
    return true;
  }

  signalled(name: string, data: string | Buffer, from: BusPeer): void {
    this.#signalsReceived++;
    this.#guard(() => this.#signalHandlers.get(name)?.(data, from));
  }

  requested(line: BusLine, id: number, name: string, data: string | Buffer): void {
    this.#requestsReceived++;
    const handler = this.#requestHandlers.get(name);
    if (handler === undefined) {
      line.fail(id, `Worker ${this.identity.serial} has no handler for ${name}.`);
      return;
    }
    void this.#answer(line, id, async () => handler(data, line.peer as BusPeer));
  }

  gone(line: BusLine): void {
    const { peer, expected } = line;
    if (expected !== undefined) this.#connecting.delete(expected);
    if (peer === undefined || this.#lines.get(peer.serial) !== line) return;
    this.#lines.delete(peer.serial);
    this.#tellPeer(peer, false);
  }

  failed(error: unknown): void {
    setImmediate(() => {
      throw error;
    });
  }

  // ------------------------------------------------------------------------

  /** What a handler throws goes back to who asked. */
  async #answer(
    line: BusLine,
    id: number,
    handle: () => Promise<BusData | undefined>,
  ): Promise<void> {
    try {
      line.answer(id, (await handle()) ?? '');
    } catch (error) {
      line.fail(id, String(error).slice(0, 1000));
    }
  }

  /** What a handler throws is its own fault, not the peer's. */
  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.failed(error);
    }
  }

  #tellPeer(peer: BusPeer, isReachable: boolean): void {
    for (const handler of this.#peerHandlers) this.#guard(() => handler(peer, isReachable));
  }

  #connect(serial: number): void {
    if (this.#isClosed || this.#lines.has(serial) || this.#connecting.has(serial)) return;
    if (!this.#expected.has(serial)) return;
    const fd = loadNative().connectPath(Buffer.from(socketPath(this.#folder, serial)));
    if (fd === ERROR_NAMES.EAGAIN) {
      setTimeout(() => this.#connect(serial), CONNECT_EVERY_MS);
      return;
    }
    // It has just died; the supervisor will say so.
    if (fd < 0) return;
    this.#connecting.add(serial);
    this.#loop.adopt(fd, {}, (connection) => new BusLine(connection, this, serial));
  }

  #expire(): void {
    const now = performance.now();
    for (const line of this.#lines.values()) line.requests.expire(now);
  }
}

function socketPath(folder: string, serial: number): string {
  return `${folder}/bus-${serial}`;
}
