// A connection on any Duplex of Node, for what the engine cannot take over: TLS sockets, pipes, tests.
// Bytes of one tick are gathered and written together; what the stream has not confirmed is pending.

import type { Duplex } from 'node:stream';
import { ERROR_NAMES } from '../../native/error-names.ts';
import {
  HIGH_WATER_BYTES,
  LINGER_MS,
  LOW_WATER_BYTES,
  PENDING_BYTES_MAX,
} from '../../native/layout.ts';
import type {
  ByteCounters,
  ConnectionInfo,
  ConnectionLease,
  ConnectionOwner,
} from '../../net/types.ts';
import type { Transport } from './transport.ts';

/**
 * What reserve() hands out: one range at a time, copied out at commit(). Compressed frames of up to 256 KiB
 * are made in it; pages that are never touched cost nothing.
 */
export const STREAM_SLAB_BYTES = 512 * 1024;

const ignore = (): void => undefined;

type StreamState = 'open' | 'ended' | 'closing' | 'closed';

export class StreamConnection implements Transport {
  readonly id: number;
  owner: ConnectionOwner;
  readonly remoteAddress: string;
  readonly remotePort: number;
  unsentBytes = 0;
  lease: ConnectionLease | undefined = undefined;
  readonly #stream: Duplex;
  readonly #slab: Buffer;
  #state: StreamState = 'open';
  /** Written by the owner, not yet by us. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #highWaterBytes = HIGH_WATER_BYTES;
  #lowWaterBytes = LOW_WATER_BYTES;
  #isDrainDue = false;
  #deadline: NodeJS.Timeout | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  readonly #onWritten = (length: number, error: Error | null | undefined): void => {
    if (error === null || error === undefined) this.#sentBytes += length;
    else this.unsentBytes += length;
    if (this.#state !== 'closed') this.#lookAtMarks();
  };

  /** @param slab of STREAM_SLAB_BYTES, may be shared by all connections of the thread */
  constructor(stream: Duplex, slab: Buffer, id: number, owner: ConnectionOwner) {
    const { remoteAddress, remotePort } = stream as {
      remoteAddress?: unknown;
      remotePort?: unknown;
    };
    this.remoteAddress = typeof remoteAddress === 'string' ? remoteAddress : '';
    this.remotePort = typeof remotePort === 'number' ? remotePort : 0;
    this.id = id;
    this.#stream = stream;
    this.#slab = slab;
    this.owner = owner;
  }

  /** Sends what was written so far and begins to read. @param head bytes that were read before */
  start(head: Uint8Array): void {
    const stream = this.#stream;
    this.flush();
    stream.on('error', () => stream.destroy());
    stream.on('close', () => this.#closed());
    if (head.length > 0) stream.unshift(head);
    stream.on('data', (chunk: Buffer | string) => this.#received(chunk));
    stream.on('end', () => this.#call(() => this.owner.onEnd(this)));
  }

  get isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'ended';
  }

  get pendingBytes(): number {
    return this.#state === 'closed' ? 0 : this.#gatheredBytes + this.#stream.writableLength;
  }

  // ---- writing -----------------------------------------------------------

  write(bytes: Uint8Array): number {
    return this.#gather(Buffer.from(bytes));
  }

  writeLatin1(text: string): number {
    return this.#gather(Buffer.from(text, 'latin1'));
  }

  writeUtf8(text: string): number {
    return this.#gather(Buffer.from(text, 'utf8'));
  }

  reserve(length: number): number {
    if (this.#state !== 'open') return this.#refusal();
    return length > this.#slab.length || this.pendingBytes + length > PENDING_BYTES_MAX
      ? ERROR_NAMES.ENOBUFS
      : 0;
  }

  commit(length: number): number {
    return this.#gather(Buffer.from(this.#slab.subarray(0, length)));
  }

  flush(): void {
    const gathered = this.#gathered;
    const stream = this.#stream;
    if (gathered.length === 0 || stream.destroyed) return;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    stream.cork();
    for (const piece of gathered) {
      stream.write(piece, (error) => this.#onWritten(piece.length, error));
    }
    stream.uncork();
  }

  #gather(bytes: Buffer): number {
    if (this.#state !== 'open') return this.#refusal();
    if (this.pendingBytes + bytes.length > PENDING_BYTES_MAX) return ERROR_NAMES.ENOBUFS;
    if (this.#gathered.push(bytes) === 1) process.nextTick(() => this.flush());
    this.#gatheredBytes += bytes.length;
    return this.pendingBytes;
  }

  #refusal(): number {
    return this.#state === 'ended' ? ERROR_NAMES.EPIPE : ERROR_NAMES.EBADF;
  }

  #lookAtMarks(): void {
    const pending = this.pendingBytes;
    if (pending >= this.#highWaterBytes) this.#isDrainDue = true;
    if (!this.#isDrainDue || pending >= this.#lowWaterBytes) return;
    this.#isDrainDue = false;
    this.#call(() => this.owner.onDrain(this));
  }

  // ---- wishes ------------------------------------------------------------

  setMarks(highWaterBytes: number, lowWaterBytes: number): void {
    this.#highWaterBytes = highWaterBytes;
    this.#lowWaterBytes = lowWaterBytes;
  }

  noticeDrain(): void {
    this.#isDrainDue = true;
    if (this.pendingBytes < this.#lowWaterBytes) process.nextTick(() => this.#lookAtMarks());
  }

  /** Audiences are the engine's; none of them has this connection. */
  readonly hold = ignore;

  readCounters(): ByteCounters {
    // What the stream has confirmed is all that can be known.
    const sentBytes = this.#sentBytes;
    return { sentBytes, receivedBytes: this.#receivedBytes, takenBytes: sentBytes };
  }

  /** The kernel is not asked: there may be more than a socket between it and us. */
  info(): ConnectionInfo | undefined {
    return undefined;
  }

  /** A TLS socket of Node says so itself; what it agreed on is for whoever holds it to ask. */
  get isSecure(): boolean {
    return (this.#stream as { encrypted?: unknown }).encrypted === true;
  }

  tlsInfo(): undefined {
    return undefined;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  setDeadline(ms: number): void {
    clearTimeout(this.#deadline);
    if (ms <= 0 || !this.isOpen) return;
    this.#deadline = setTimeout(() => this.#call(() => this.owner.onDeadline(this)), ms);
  }

  // ---- the end -----------------------------------------------------------

  end(): void {
    if (this.#state !== 'open') return;
    this.flush();
    this.#state = 'ended';
    this.#stream.end();
  }

  close(): void {
    if (!this.isOpen) return;
    this.end();
    this.#state = 'closing';
    this.#stream.resume();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#stream.destroy(), LINGER_MS);
  }

  reset(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#stream.destroy();
  }

  drop(): void {
    if (this.#state === 'open') this.flush();
    this.reset();
  }

  // ------------------------------------------------------------------------

  #received(chunk: Buffer | string): void {
    if (!this.isOpen) return;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#receivedBytes += bytes.length;
    this.#call(() => this.owner.onData(this, bytes, 0, bytes.length));
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    clearTimeout(this.#deadline);
    this.unsentBytes += this.#gatheredBytes;
    this.#state = 'closed';
    this.#gathered = [];
    this.lease?.release();
    this.#call(() => this.owner.onClose(this, 0));
  }

  /** What an owner throws costs its own connection, as on the engine. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.owner.onFailure(this, error);
    }
  }
}
