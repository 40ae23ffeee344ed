// One accepted socket. Every method only writes into shared memory: bytes into the send slab, wishes
// as records behind them; the engine acts on them at the flush of the tick.

import { TIMER_MS_MAX } from '../base/clock.ts';
import { ERROR_NAMES } from '../native/error-names.ts';
import {
  ID_GENERATION,
  PENDING_BYTES_MAX,
  SEND_CLOSE,
  SEND_DEADLINE,
  SEND_DROP,
  SEND_END,
  SEND_MARKS,
  SEND_NOTICE,
  SEND_PAUSE,
  SEND_RESET,
  SEND_RESUME,
  SEND_SLAB_SOFT_BYTES,
} from '../native/layout.ts';
import type { SocketAudience } from './audience.ts';
import { type SendBuffer, WRITABLE, WRITABLE_HELD } from './send-buffer.ts';
import type { TlsInfo } from './tls-info.ts';
import type {
  ByteCounters,
  Connection,
  ConnectionInfo,
  ConnectionLease,
  ConnectionOwner,
} from './types.ts';

/** Open, our FIN asked for, close asked for, gone. */
export const ConnectionState = { OPEN: 0, ENDED: 1, CLOSING: 2, CLOSED: 3 } as const;

/** Up to here a loop is faster than a call of TypedArray.prototype.set. */
const COPY_BY_LOOP_MAX = 48;
/** Most bytes that one UTF-16 unit becomes in UTF-8. */
const UTF8_BYTES_PER_UNIT = 3;

/** What was asked for once; few connections are asked, so none has a field for it. */
const tlsInfos = new WeakMap<Connection, TlsInfo>();

/** What few connections have, or all of them only at their end. */
class Extras {
  audiences: SocketAudience[] | undefined;
  lease: ConnectionLease | undefined;
  unsentBytes = 0;
}

export class SocketConnection implements Connection {
  owner: ConnectionOwner;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly slot: number;
  readonly generation: number;
  state: number = ConnectionState.OPEN;
  /** Batch in which the deadline was last set: an expiry that was already collected is void. */
  deadlineBatch = -1;
  readonly buffer: SendBuffer;
  #extras: Extras | undefined;

  constructor(
    slot: number,
    generation: number,
    address: string,
    port: number,
    owner: ConnectionOwner,
    buffer: SendBuffer,
  ) {
    this.owner = owner;
    this.remoteAddress = address;
    this.remotePort = port;
    this.slot = slot;
    this.generation = generation;
    this.buffer = buffer;
  }

  get id(): number {
    return this.generation * ID_GENERATION + this.slot;
  }

  get audiences(): SocketAudience[] | undefined {
    return this.#extras?.audiences;
  }

  set audiences(audiences: SocketAudience[]) {
    this.#needExtras().audiences = audiences;
  }

  get lease(): ConnectionLease | undefined {
    return this.#extras?.lease;
  }

  set lease(lease: ConnectionLease | undefined) {
    if (lease !== undefined || this.#extras !== undefined) this.#needExtras().lease = lease;
  }

  get unsentBytes(): number {
    return this.#extras?.unsentBytes ?? 0;
  }

  get isOpen(): boolean {
    return this.state < ConnectionState.CLOSING;
  }

  get isSecure(): boolean {
    return this.state < ConnectionState.CLOSED && this.buffer.secure[this.slot] === 1;
  }

  tlsInfo(): TlsInfo | undefined {
    const known = tlsInfos.get(this);
    if (known !== undefined || !this.isSecure) return known;
    const info = this.buffer.tlsInfo(this.slot, this.generation);
    if (info !== undefined) tlsInfos.set(this, info);
    return info;
  }

  get pendingBytes(): number {
    return this.state < ConnectionState.CLOSED ? (this.buffer.pending[this.slot] as number) : 0;
  }

  write(bytes: Uint8Array): number {
    const length = bytes.length;
    if (length > SEND_SLAB_SOFT_BYTES) return this.#writeLarge(bytes);
    const start = this.reserve(length);
    if (start < 0) return start;
    const slab = this.buffer.slab;
    if (length <= COPY_BY_LOOP_MAX) {
      for (let i = 0; i < length; i++) slab[start + i] = bytes[i] as number;
    } else {
      slab.set(bytes, start);
    }
    return this.commit(length);
  }

  /** In pieces, so that the slab's upper pages stay untouched. */
  #writeLarge(bytes: Uint8Array): number {
    if (this.pendingBytes + bytes.length > PENDING_BYTES_MAX) {
      return this.state === ConnectionState.OPEN ? ERROR_NAMES.ENOBUFS : this.#refusal();
    }
    let owed = 0;
    for (let at = 0; at < bytes.length; at += SEND_SLAB_SOFT_BYTES) {
      owed = this.write(bytes.subarray(at, at + SEND_SLAB_SOFT_BYTES));
      if (owed < 0) return owed;
    }
    return owed;
  }

  writeLatin1(text: string): number {
    const length = text.length;
    if (length > SEND_SLAB_SOFT_BYTES) return this.write(Buffer.from(text, 'latin1'));
    const start = this.reserve(length);
    if (start < 0) return start;
    this.buffer.slab.latin1Write(text, start, length);
    return this.commit(length);
  }

  writeUtf8(text: string): number {
    const most = text.length * UTF8_BYTES_PER_UNIT;
    if (most > SEND_SLAB_SOFT_BYTES) return this.write(Buffer.from(text, 'utf8'));
    const start = this.reserve(most);
    if (start < 0) return start;
    return this.commit(this.buffer.slab.utf8Write(text, start, most));
  }

  reserve(length: number): number {
    if (this.state !== ConnectionState.OPEN) return this.#refusal();
    if ((this.buffer.pending[this.slot] as number) + length > PENDING_BYTES_MAX) {
      return ERROR_NAMES.ENOBUFS;
    }
    return this.buffer.room(length);
  }

  commit(length: number): number {
    if (this.state !== ConnectionState.OPEN) return this.#refusal();
    const buffer = this.buffer;
    if (length === 0) return buffer.pending[this.slot] as number;
    return buffer.commit(this.slot, this.generation, buffer.reservedAt, length);
  }

  #refusal(): number {
    return this.state === ConnectionState.ENDED ? ERROR_NAMES.EPIPE : ERROR_NAMES.EBADF;
  }

  pause(): void {
    if (this.isOpen) this.buffer.control(SEND_PAUSE, this.slot, this.generation, 0);
  }

  resume(): void {
    if (this.isOpen) this.buffer.control(SEND_RESUME, this.slot, this.generation, 0);
  }

  setMarks(highWaterBytes: number, lowWaterBytes: number): void {
    if (!this.isOpen) return;
    const { slot, generation } = this;
    this.buffer.control(SEND_MARKS, slot, generation, highWaterBytes, lowWaterBytes);
  }

  noticeDrain(): void {
    if (this.isOpen) this.buffer.control(SEND_NOTICE, this.slot, this.generation, 0);
  }

  hold(isHeld: boolean): void {
    if (this.state === ConnectionState.OPEN) {
      this.buffer.writable[this.slot] = isHeld ? WRITABLE_HELD : WRITABLE;
    }
  }

  info(): ConnectionInfo | undefined {
    if (this.state === ConnectionState.CLOSED) return undefined;
    return this.buffer.connectionInfo(this.slot, this.generation);
  }

  readCounters(): ByteCounters {
    return this.buffer.readCounters(this.slot, this.generation);
  }

  setDeadline(ms: number): void {
    if (!this.isOpen) return;
    this.deadlineBatch = this.buffer.batch;
    const bounded = ms > 0 ? Math.min(Math.ceil(ms), TIMER_MS_MAX) : 0;
    this.buffer.control(SEND_DEADLINE, this.slot, this.generation, bounded);
  }

  end(): void {
    if (this.state === ConnectionState.OPEN) this.#leave(ConnectionState.ENDED, SEND_END);
  }

  close(): void {
    if (this.isOpen) this.#leave(ConnectionState.CLOSING, SEND_CLOSE);
  }

  reset(): void {
    if (this.state < ConnectionState.CLOSED) this.#leave(ConnectionState.CLOSING, SEND_RESET);
  }

  /** Hands what all connections have written to the kernel now. */
  flush(): void {
    this.buffer.flush();
  }

  /** Closes the descriptor at the next flush, after one attempt to send, without lingering. */
  drop(): void {
    if (this.state < ConnectionState.CLOSED) this.#leave(ConnectionState.CLOSING, SEND_DROP);
  }

  /** The engine has said that it is gone. */
  markClosed(unsentBytes: number): void {
    this.state = ConnectionState.CLOSED;
    this.buffer.writable[this.slot] = 0;
    if (unsentBytes > 0) this.#needExtras().unsentBytes = unsentBytes;
    const extras = this.#extras;
    extras?.lease?.release();
    const audiences = extras?.audiences;
    if (extras === undefined || audiences === undefined) return;
    for (let last = audiences.pop(); last !== undefined; last = audiences.pop()) last.forget(this);
    extras.audiences = undefined;
  }

  #needExtras(): Extras {
    this.#extras ??= new Extras();
    return this.#extras;
  }

  #leave(state: number, operation: number): void {
    this.state = state;
    this.buffer.writable[this.slot] = 0;
    this.buffer.control(operation, this.slot, this.generation, 0);
  }
}
