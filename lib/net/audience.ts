// A set of connections that the same bytes go to: one copy into the slab, one record with a list of
// slots. A connection that closes leaves its audiences by itself.

import { SluiceError } from '../base/errors.ts';
import { FANOUT_SLOTS_MAX, PENDING_BYTES_MAX } from '../native/layout.ts';
import { ConnectionState, SocketConnection } from './connection.ts';
import { type SendBuffer, WRITABLE } from './send-buffer.ts';
import type { Audience, Connection } from './types.ts';

export class SocketAudience implements Audience {
  readonly #buffer: SendBuffer;
  readonly #members: SocketConnection[] = [];
  readonly #slots: number[] = [];
  readonly #places = new Map<Connection, number>();

  readonly #highWaterBytes: number;
  queuedCount = 0;

  constructor(buffer: SendBuffer, highWaterBytes: number = Number.POSITIVE_INFINITY) {
    this.#buffer = buffer;
    this.#highWaterBytes = highWaterBytes;
  }

  get size(): number {
    return this.#members.length;
  }

  has(connection: Connection): boolean {
    return this.#places.has(connection);
  }

  /** @throws SluiceError ERR_ARG_TYPE if the connection belongs to another loop */
  add(connection: Connection): void {
    if (!(connection instanceof SocketConnection) || connection.buffer !== this.#buffer) {
      throw new SluiceError('ERR_ARG_TYPE', 'connection must belong to the loop of the audience.');
    }
    if (connection.state === ConnectionState.CLOSED || this.#places.has(connection)) return;
    this.#places.set(connection, this.#members.length);
    this.#members.push(connection);
    this.#slots.push(connection.slot);
    if (connection.audiences === undefined) connection.audiences = [this];
    else connection.audiences.push(this);
  }

  remove(connection: Connection): void {
    if (!(connection instanceof SocketConnection) || !this.#places.has(connection)) return;
    this.forget(connection);
    const audiences = connection.audiences;
    const place = audiences?.indexOf(this) ?? -1;
    if (audiences !== undefined && place !== -1) audiences.splice(place, 1);
  }

  /** Removes a member whose own list does not name this audience any more. */
  forget(connection: SocketConnection): void {
    const place = this.#places.get(connection);
    const last = this.#members.pop();
    this.#slots.pop();
    if (place === undefined || last === undefined) return;
    this.#places.delete(connection);
    if (last === connection) return;
    this.#members[place] = last;
    this.#slots[place] = last.slot;
    this.#places.set(last, place);
  }

  write(
    bytes: Uint8Array,
    pendingBytesMax: number,
    skipped?: (connection: Connection) => void,
    except?: Connection,
  ): number {
    const slow: SocketConnection[] = [];
    let sent = 0;
    const { writable } = this.#buffer;
    const exceptSlot = except instanceof SocketConnection ? except.slot : -1;
    const wasWritable = writable[exceptSlot] ?? 0;
    if (exceptSlot >= 0) writable[exceptSlot] = 0;
    for (let from = 0; from < this.#members.length; from += FANOUT_SLOTS_MAX) {
      const to = Math.min(from + FANOUT_SLOTS_MAX, this.#members.length);
      sent += this.#writeTo(from, to, bytes, pendingBytesMax, slow);
    }
    if (exceptSlot >= 0) writable[exceptSlot] = wasWritable;
    // Afterwards, since the callback may remove members.
    if (skipped !== undefined) for (const connection of slow) skipped(connection);
    return sent;
  }

  #writeTo(
    from: number,
    to: number,
    bytes: Uint8Array,
    pendingBytesMax: number,
    slow: SocketConnection[],
  ): number {
    const buffer = this.#buffer;
    const length = bytes.length;
    // Either call may flush; after room() nothing may, or `start` would be void.
    buffer.fanoutRoom(to - from);
    const start = buffer.room(length);
    if (start < 0) throw new SluiceError('ERR_ARG_RANGE', 'The bytes exceed the send slab.');
    const first = buffer.fanoutRoom(0);
    buffer.slab.set(bytes, start);
    const { pending, writable, fanout } = buffer;
    const slots = this.#slots;
    const owedMax = Math.min(pendingBytesMax, PENDING_BYTES_MAX - length);
    const queuedFrom = this.#highWaterBytes - length;
    let queued = 0;
    let at = first;
    for (let i = from; i < to; i++) {
      const slot = slots[i] as number;
      const how = writable[slot] as number;
      if (how === 0) continue;
      const owed = pending[slot] as number;
      if (owed < owedMax && how === WRITABLE) {
        if (owed >= queuedFrom) queued++;
        pending[slot] = owed + length;
        fanout[at++] = slot;
      } else {
        slow.push(this.#members[i] as SocketConnection);
      }
    }
    this.queuedCount += queued;
    if (at > first) buffer.commitFanout(first, at - first, start, length);
    return at - first;
  }
}
