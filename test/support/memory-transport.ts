// An in-memory Loop and Connection: protocols are tested on it without sockets and without time.
// The test plays the kernel and the peer: it feeds bytes, stalls, fires deadlines and reaps.
//
//   feed -> slab (odd offset) -> owner.onData -> slab poisoned with 0xDD -> before-flush tasks

import type { TlsInfo } from '../../lib/net/tls-info.ts';
import type {
  AdoptOptions,
  Audience,
  ByteCounters,
  Connection,
  ConnectionInfo,
  ConnectionLease,
  ConnectionOwner,
  Listener,
  ListenOptions,
  Loop,
  LoopStats,
  RefusalCounters,
  TickTask,
  TlsCounts,
} from '../../lib/net/types.ts';

const EBADF = -9;
const ENOBUFS = -105;
const POISON = 0xdd;
const SEND_SLAB_BYTES = 4 * 1024 * 1024;
const FEED_BYTES_MAX = 64 * 1024;
/** Data starts at another offset each time, so that a parser that forgets `start` fails. */
const OFFSETS = [0, 1, 7, 64];
const SETTLE_TURNS = 8;

/** What the owner asked for last; 'closed' after reap(). */
export type MemoryConnectionState = 'open' | 'ending' | 'closing' | 'reset' | 'closed';

const NO_OWNER: ConnectionOwner = {
  onData: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onDeadline: () => undefined,
  onClose: () => undefined,
  onFailure: () => undefined,
};

export class MemoryConnection implements Connection {
  readonly id: number;
  owner: ConnectionOwner = NO_OWNER;
  remoteAddress = '192.0.2.1';
  remotePort = 40_000;
  /** What the owner sees; set it, or let `stalled` count. */
  pendingBytes = 0;
  unsentBytes = 0;
  lease: ConnectionLease | undefined = undefined;
  /** What setMarks() was given. */
  marks: readonly [number, number] | undefined;
  /** Audiences skip it. */
  isHeld = false;
  /** noticeDrain() was called; drain() forgets it. */
  wantsDrain = false;
  /** While true, written bytes stay pending; drain() takes them. */
  stalled = false;
  state: MemoryConnectionState = 'open';
  isPaused = false;
  /** The deadline in milliseconds as the owner set it last; 0 is off. */
  deadlineMs = 0;
  /** Errors that owner callbacks threw or rejected with, before onFailure was called. */
  readonly failures: unknown[] = [];
  /** How many write calls (commits included) were made. */
  writeCount = 0;

  readonly #loop: MemoryLoop;
  #output: Buffer[] = [];
  #inbox: Buffer[] = [];
  #peerEnded = false;
  #endDelivered = false;
  #reserved: { start: number; length: number } | undefined;
  #feeds = 0;
  #writtenBytes = 0;
  #receivedBytes = 0;

  constructor(loop: MemoryLoop, id: number) {
    this.#loop = loop;
    this.id = id;
  }

  get isOpen(): boolean {
    return this.state === 'open' || this.state === 'ending';
  }

  // ---- the owner's side --------------------------------------------------

  write(bytes: Uint8Array): number {
    if (this.state !== 'open') return EBADF;
    this.#output.push(Buffer.from(bytes));
    this.#writtenBytes += bytes.length;
    this.writeCount++;
    if (this.stalled) this.pendingBytes += bytes.length;
    return this.pendingBytes;
  }

  writeLatin1(text: string): number {
    return this.write(Buffer.from(text, 'latin1'));
  }

  writeUtf8(text: string): number {
    return this.write(Buffer.from(text, 'utf8'));
  }

  reserve(length: number): number {
    if (this.state !== 'open') return EBADF;
    const start = this.#loop.takeSlab(length);
    if (start < 0) return start;
    this.#reserved = { start, length };
    return start;
  }

  commit(length: number): number {
    const reserved = this.#reserved;
    this.#reserved = undefined;
    if (this.state !== 'open') return EBADF;
    if (reserved === undefined) throw new Error('commit() without reserve()');
    if (length > reserved.length) throw new Error('commit() of more than was reserved');
    const { start } = reserved;
    const pending = this.write(this.#loop.sendSlab.subarray(start, start + length));
    this.#loop.sendSlab.fill(POISON, start, start + reserved.length);
    return pending;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    // As on the real loop, data comes in a later turn and not inside the call.
    setImmediate(() => this.#pump());
  }

  setMarks(highWaterBytes: number, lowWaterBytes: number): void {
    this.marks = [highWaterBytes, lowWaterBytes];
  }

  noticeDrain(): void {
    this.wantsDrain = true;
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
  }

  info(): ConnectionInfo | undefined {
    if (this.state === 'closed') return undefined;
    const { remoteAddress, remotePort } = this;
    return {
      transport: 'tcp',
      localAddress: '192.0.2.2',
      localPort: 80,
      remoteAddress,
      remotePort,
      incomingCpu: undefined,
      tcp: undefined,
      peer: undefined,
      ...this.readCounters(),
    };
  }

  readCounters(): ByteCounters {
    const takenBytes = Math.max(0, this.#writtenBytes - this.pendingBytes);
    return { sentBytes: takenBytes, receivedBytes: this.#receivedBytes, takenBytes };
  }

  isSecure = false;
  tls: TlsInfo | undefined;

  tlsInfo(): TlsInfo | undefined {
    return this.tls;
  }

  setDeadline(ms: number): void {
    if (this.isOpen) this.deadlineMs = ms;
  }

  end(): void {
    if (this.state === 'open') this.state = 'ending';
  }

  close(): void {
    if (!this.isOpen) return;
    this.state = 'closing';
    this.deadlineMs = 0;
  }

  reset(): void {
    if (this.state === 'closed') return;
    this.state = 'reset';
    this.deadlineMs = 0;
  }

  // ---- the test's side ---------------------------------------------------

  /** The peer sends bytes. They wait while the owner has paused, and are discarded after close or reset. */
  feed(bytes: Uint8Array | string): void {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    for (let at = 0; at < all.length; at += FEED_BYTES_MAX) {
      this.#inbox.push(all.subarray(at, at + FEED_BYTES_MAX));
    }
    this.#pump();
  }

  /** The peer sends FIN, after what it fed. */
  feedEnd(): void {
    this.#peerEnded = true;
    this.#pump();
  }

  /** The deadline passes. @returns false when none was set */
  fireDeadline(): boolean {
    if (this.deadlineMs === 0 || !this.isOpen) return false;
    this.deadlineMs = 0;
    this.#call(() => this.owner.onDeadline(this));
    this.#loop.flush();
    return true;
  }

  /** The kernel takes everything that is pending, and the owner is told. */
  drain(): void {
    this.stalled = false;
    this.wantsDrain = false;
    this.pendingBytes = 0;
    if (!this.isOpen) return;
    this.#call(() => this.owner.onDrain(this));
    this.#loop.flush();
  }

  /** The connection is gone: onClose, once. @param errno negative when the peer reset it */
  reap(errno = 0): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.unsentBytes = this.pendingBytes;
    this.lease?.release();
    this.#inbox = [];
    this.#call(() => this.owner.onClose(this, errno));
    this.#loop.flush();
  }

  /** Everything written so far; before-flush tasks run first. */
  get output(): Buffer {
    this.#loop.flush();
    if (this.#output.length > 1) this.#output = [Buffer.concat(this.#output)];
    return this.#output[0] ?? Buffer.alloc(0);
  }

  get outputText(): string {
    return this.output.toString('latin1');
  }

  /** The same as output, and forgets it. */
  takeOutput(): Buffer {
    const taken = this.output;
    this.#output = [];
    return taken;
  }

  /** Bytes that were fed and wait for resume(). */
  get inboxBytes(): number {
    return this.#inbox.reduce((sum, piece) => sum + piece.length, 0);
  }

  #pump(): void {
    while (!this.isPaused && this.isOpen) {
      const piece = this.#inbox.shift();
      if (piece === undefined) break;
      this.#deliver(piece);
    }
    if (!this.#peerEnded || this.#endDelivered || this.isPaused || !this.isOpen) return;
    this.#endDelivered = true;
    this.#call(() => this.owner.onEnd(this));
    this.#loop.flush();
  }

  #deliver(piece: Buffer): void {
    const offset = OFFSETS[this.#feeds++ % OFFSETS.length] ?? 0;
    const slab = this.#loop.receiveSlab;
    piece.copy(slab, offset);
    this.#receivedBytes += piece.length;
    const end = offset + piece.length;
    this.#call(() => this.owner.onData(this, slab, offset, end));
    slab.fill(POISON, 0, end + 8);
    this.#loop.flush();
  }

  #call(callback: () => unknown): void {
    try {
      const result = callback();
      if (result instanceof Promise) result.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.failures.push(error);
    this.owner.onFailure(this, error);
  }
}

class MemoryAudience implements Audience {
  readonly #members = new Set<Connection>();
  readonly #highWaterBytes: number;
  queuedCount = 0;

  constructor(highWaterBytes: number) {
    this.#highWaterBytes = highWaterBytes;
  }

  get size(): number {
    return this.#members.size;
  }

  add(connection: Connection): void {
    this.#members.add(connection);
  }

  remove(connection: Connection): void {
    this.#members.delete(connection);
  }

  has(connection: Connection): boolean {
    return this.#members.has(connection);
  }

  write(
    bytes: Uint8Array,
    pendingBytesMax: number,
    skipped?: (connection: Connection) => void,
    except?: Connection,
  ): number {
    let sent = 0;
    for (const member of [...this.#members]) {
      if (member === except) continue;
      const isHeld = member instanceof MemoryConnection && member.isHeld;
      const isTaken = !isHeld && member.pendingBytes < pendingBytesMax && member.write(bytes) >= 0;
      if (!isTaken) {
        skipped?.(member);
        continue;
      }
      sent++;
      if (member.pendingBytes >= this.#highWaterBytes) this.queuedCount++;
    }
    return sent;
  }
}

export class MemoryLoop implements Loop {
  readonly sendSlab = Buffer.alloc(SEND_SLAB_BYTES);
  readonly receiveSlab = Buffer.alloc(FEED_BYTES_MAX + 128, POISON);
  readonly connections: MemoryConnection[] = [];
  #slabUsed = 0;
  #accept: ((connection: Connection) => ConnectionOwner) | undefined;
  #beforeFlush: TickTask[] = [];
  #commits: TickTask[] = [];
  #commitScheduled = false;

  get queuedBytes(): number {
    return this.connections.reduce((sum, each) => sum + each.pendingBytes, 0);
  }

  get queuedConnections(): number {
    return this.connections.filter((each) => each.pendingBytes > 0).length;
  }

  get stats(): LoopStats {
    const { queuedBytes, queuedConnections } = this;
    let sentBytes = 0;
    let receivedBytes = 0;
    for (const each of this.connections) {
      sentBytes += each.readCounters().sentBytes;
      receivedBytes += each.readCounters().receivedBytes;
    }
    const sendCalls = this.connections.reduce((sum, each) => sum + each.writeCount, 0);
    const counts = { batches: 0, flushes: 0, sendCalls, sentBytes, receivedBytes };
    return { ...counts, queuedBytes, queuedBytesMax: queuedBytes, queuedConnections };
  }

  tlsCounts(): TlsCounts {
    return { completed: 0, failed: 0, timedOut: 0, crowded: 0 };
  }

  /** A client connects; its owner comes from listen()'s accept, or is set by the test. */
  connect(owner?: (connection: MemoryConnection) => ConnectionOwner): MemoryConnection {
    const connection = new MemoryConnection(this, (1 << 20) + this.connections.length);
    this.connections.push(connection);
    if (owner !== undefined) connection.owner = owner(connection);
    else if (this.#accept !== undefined) connection.owner = this.#accept(connection);
    return connection;
  }

  listen(options: ListenOptions, accept: (connection: Connection) => ConnectionOwner): Listener {
    this.#accept = accept;
    const close = (): void => {
      this.#accept = undefined;
    };
    const { host = '0.0.0.0', port = 0, path } = options;
    return {
      host,
      port: port || 1,
      path,
      isSecure: false,
      setTls: () => undefined,
      guard: () => undefined,
      close,
    };
  }

  /** Whoever adopts gets a connection as if a client had connected. */
  adopt(
    _fd: number,
    options: AdoptOptions,
    accept: (connection: Connection) => ConnectionOwner,
  ): Connection {
    const connection = this.connect(accept);
    if (options.head !== undefined && options.head.length > 0) connection.feed(options.head);
    return connection;
  }

  refusalCounters(): RefusalCounters {
    return { denied: 0, untrusted: 0, malformed: 0, late: 0 };
  }

  audience(highWaterBytes = Number.POSITIVE_INFINITY): Audience {
    return new MemoryAudience(highWaterBytes);
  }

  beforeFlush(task: TickTask): void {
    this.#beforeFlush.push(task);
    queueMicrotask(() => this.flush());
  }

  commitSoon(task: TickTask): void {
    this.#commits.push(task);
    if (this.#commitScheduled) return;
    this.#commitScheduled = true;
    setImmediate(() => {
      this.#commitScheduled = false;
      for (const commit of this.#commits.splice(0)) commit.run();
    });
  }

  /** Runs the before-flush tasks, those that they add included. */
  flush(): void {
    for (;;) {
      const task = this.#beforeFlush.shift();
      if (task === undefined) break;
      task.run();
    }
    this.#slabUsed = 0;
  }

  /** Reserves a range of the send slab; used by MemoryConnection. */
  takeSlab(length: number): number {
    if (length > this.sendSlab.length) return ENOBUFS;
    if (this.#slabUsed + length > this.sendSlab.length) this.#slabUsed = 0;
    const start = this.#slabUsed;
    this.#slabUsed += length;
    return start;
  }

  async close(): Promise<void> {
    this.#accept = undefined;
    for (const connection of this.connections) connection.reap();
    await settle();
  }
}

/** Lets promises, immediates and what they start come to rest. Not a sleep: it waits for no time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
