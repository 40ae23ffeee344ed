// The outgoing half of the shared memory: bytes into the send slab, records that say whose they
// are. Its cursors live in the shared header, and only the engine resets them, after a flush: what a
// microtask writes behind the batch must not land on bytes that are not sent yet.

import type { NativeLoop } from '../native/binding.ts';
import { ERROR_NAMES } from '../native/error-names.ts';
import {
  FANOUT_SLOTS_MAX,
  HEADER_FANOUT_CURSOR,
  HEADER_ONE_RECEIVED_BYTES,
  HEADER_ONE_SENT_BYTES,
  HEADER_ONE_TAKEN_BYTES,
  HEADER_SEND_COUNT,
  HEADER_SEND_CURSOR,
  HEADER_WORDS,
  SEND_FANOUT,
  SEND_RECORDS_MAX,
  SEND_SLAB_BYTES,
  SEND_SLAB_SOFT_BYTES,
  SEND_STRIDE,
  SEND_WRITE,
  SLOTS_MAX,
} from '../native/layout.ts';
import { type RawBuffer, rawBuffer } from '../native/raw-buffer.ts';
import { describeConnection } from './connection-info.ts';
import { type TlsInfo, tlsInfoOf } from './tls-info.ts';
import type { ByteCounters, ConnectionInfo } from './types.ts';

const TWO_POW_32 = 4_294_967_296;
const NO_BYTES: ByteCounters = { sentBytes: 0, receivedBytes: 0, takenBytes: 0 };

export const WRITABLE = 1;
export const WRITABLE_HELD = 2;

export class SendBuffer {
  /** Untouched pages cost no memory, and the engine gives those of rare large messages back. */
  readonly slab: RawBuffer = rawBuffer(Buffer.from(new ArrayBuffer(SEND_SLAB_BYTES)));
  readonly header = new Int32Array(HEADER_WORDS);
  readonly records = new Int32Array(SEND_RECORDS_MAX * SEND_STRIDE);
  readonly fanout = new Int32Array(FANOUT_SLOTS_MAX);
  /** Per slot: bytes accepted and not yet taken by the kernel. Writes add, a flush corrects. */
  readonly pending = new Int32Array(SLOTS_MAX);
  /** Per slot: WRITABLE while its connection takes bytes, WRITABLE_HELD while only from its owner. */
  readonly writable = new Uint8Array(SLOTS_MAX);
  /** Per slot: 1 while its connection is an encrypted one. */
  readonly secure = new Uint8Array(SLOTS_MAX);
  /** Number of the batch of events that is being delivered, or was last. */
  batch = 0;
  /** Where the last reserved range starts. */
  reservedAt = 0;
  #native: NativeLoop | undefined;

  attach(native: NativeLoop): void {
    this.#native = native;
  }

  readCounters(slot: number, generation: number): ByteCounters {
    if (this.#native?.readCounters(slot, generation) !== true) return NO_BYTES;
    return {
      sentBytes: this.wide(HEADER_ONE_SENT_BYTES),
      receivedBytes: this.wide(HEADER_ONE_RECEIVED_BYTES),
      takenBytes: this.wide(HEADER_ONE_TAKEN_BYTES),
    };
  }

  /** See Connection.info. */
  connectionInfo(slot: number, generation: number): ConnectionInfo | undefined {
    const known = this.#native?.connectionInfo(slot, generation);
    if (known === undefined || typeof known === 'number') return undefined;
    return describeConnection(known, this.readCounters(slot, generation));
  }

  tlsInfo(slot: number, generation: number): TlsInfo | undefined {
    const info = this.#native?.secureInfo(slot, generation) ?? null;
    return info === null ? undefined : tlsInfoOf(info);
  }

  /** A count of the header that takes two words. */
  wide(word: number): number {
    const low = (this.header[word] as number) >>> 0;
    return ((this.header[word + 1] as number) >>> 0) * TWO_POW_32 + low;
  }

  /** Hands everything to the engine now, because the slab or a list is full. */
  flush(): void {
    this.#native?.flush();
  }

  /**
   * Makes room for contiguous bytes and one record.
   * @returns where they start in `slab`, or -ENOBUFS if they never fit
   */
  room(length: number): number {
    const header = this.header;
    const cursor = header[HEADER_SEND_CURSOR] as number;
    // Put so that NaN, too, has no room: the bytes of all connections lie here.
    if (
      !(cursor + length <= SEND_SLAB_SOFT_BYTES) ||
      (header[HEADER_SEND_COUNT] as number) >= SEND_RECORDS_MAX
    ) {
      return this.#roomAfterFlush(length);
    }
    this.reservedAt = cursor;
    return cursor;
  }

  #roomAfterFlush(length: number): number {
    if (!(length <= SEND_SLAB_BYTES)) return ERROR_NAMES.ENOBUFS;
    this.flush();
    this.reservedAt = this.header[HEADER_SEND_CURSOR] as number;
    return this.reservedAt;
  }

  /** Records bytes of one connection that were put at `start`. @returns its pending bytes */
  commit(slot: number, generation: number, start: number, length: number): number {
    const header = this.header;
    const records = this.records;
    const count = header[HEADER_SEND_COUNT] as number;
    const last = (count - 1) * SEND_STRIDE;
    if (
      count > 0 &&
      records[last + 1] === slot &&
      records[last] === SEND_WRITE &&
      records[last + 2] === generation &&
      (records[last + 3] as number) + (records[last + 4] as number) === start
    ) {
      records[last + 4] = (records[last + 4] as number) + length;
    } else {
      const at = count * SEND_STRIDE;
      records[at] = SEND_WRITE;
      records[at + 1] = slot;
      records[at + 2] = generation;
      records[at + 3] = start;
      records[at + 4] = length;
      header[HEADER_SEND_COUNT] = count + 1;
    }
    header[HEADER_SEND_CURSOR] = start + length;
    const owed = (this.pending[slot] as number) + length;
    this.pending[slot] = owed;
    return owed;
  }

  /** Records something other than bytes, in order with them. */
  control(operation: number, slot: number, generation: number, value: number, second = 0): void {
    const header = this.header;
    if ((header[HEADER_SEND_COUNT] as number) >= SEND_RECORDS_MAX) this.flush();
    const count = header[HEADER_SEND_COUNT] as number;
    const at = count * SEND_STRIDE;
    const records = this.records;
    records[at] = operation;
    records[at + 1] = slot;
    records[at + 2] = generation;
    records[at + 3] = second;
    records[at + 4] = value;
    header[HEADER_SEND_COUNT] = count + 1;
  }

  /**
   * Makes room for `count` slots of a fan-out list, 0..FANOUT_SLOTS_MAX. @returns where they
   * start
   */
  fanoutRoom(count: number): number {
    if ((this.header[HEADER_FANOUT_CURSOR] as number) + count > FANOUT_SLOTS_MAX) this.flush();
    return this.header[HEADER_FANOUT_CURSOR] as number;
  }

  /**
   * Records the same bytes for the slots that were put into `fanout` at `first`. Right behind another
   * record for the same slots they only make that one longer: a busy topic is one list per tick.
   */
  commitFanout(first: number, count: number, start: number, length: number): void {
    const header = this.header;
    const sendCount = header[HEADER_SEND_COUNT] as number;
    const records = this.records;
    header[HEADER_SEND_CURSOR] = start + length;
    const last = (sendCount - 1) * SEND_STRIDE;
    if (sendCount > 0 && this.#isSameFanout(last, first, count, start)) {
      records[last + 4] = (records[last + 4] as number) + length;
      return;
    }
    const at = sendCount * SEND_STRIDE;
    records[at] = SEND_FANOUT;
    records[at + 1] = first;
    records[at + 2] = 0;
    records[at + 3] = start;
    records[at + 4] = length;
    records[at + 5] = count;
    header[HEADER_SEND_COUNT] = sendCount + 1;
    header[HEADER_FANOUT_CURSOR] = first + count;
  }

  /** Whether the record at `last` is a fan-out to the same slots whose bytes end at `start`. */
  #isSameFanout(last: number, first: number, count: number, start: number): boolean {
    const { fanout, records } = this;
    if (records[last] !== SEND_FANOUT || records[last + 5] !== count) return false;
    if ((records[last + 3] as number) + (records[last + 4] as number) !== start) return false;
    const before = records[last + 1] as number;
    for (let i = 0; i < count; i++) {
      if (fanout[before + i] !== fanout[first + i]) return false;
    }
    return true;
  }
}
