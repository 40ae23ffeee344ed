// The send slab's bookkeeping without an engine: records, merging, and what happens at each bound.

import { beforeEach, describe, expect, test } from 'vitest';
import { ERROR_NAMES } from '../../../lib/native/error-names.ts';
import {
  FANOUT_SLOTS_MAX,
  HEADER_FANOUT_CURSOR,
  HEADER_SEND_COUNT,
  HEADER_SEND_CURSOR,
  PENDING_BYTES_MAX,
  SEND_CLOSE,
  SEND_DEADLINE,
  SEND_FANOUT,
  SEND_RECORDS_MAX,
  SEND_SLAB_BYTES,
  SEND_SLAB_SOFT_BYTES,
  SEND_STRIDE,
  SEND_WRITE,
} from '../../../lib/native/layout.ts';
import { SocketAudience } from '../../../lib/net/audience.ts';
import { SocketConnection } from '../../../lib/net/connection.ts';
import { SendBuffer } from '../../../lib/net/send-buffer.ts';
import type { Connection, ConnectionOwner } from '../../../lib/net/types.ts';

const ignore = (): void => undefined;
const owner: ConnectionOwner = {
  onData: ignore,
  onEnd: ignore,
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure: ignore,
};

let buffer: SendBuffer;
let flushes: number;

beforeEach(() => {
  flushes = 0;
  buffer = new SendBuffer();
  buffer.attach({
    listen: () => 0,
    adopt: () => 0,
    connectionInfo: () => 0,
    tuneListener: () => 0,
    listenPath: () => 0,
    listenDescriptor: () => 0,
    listenerName: () => '',
    listenerPort: () => 0,
    closeListener: ignore,
    openCount: () => 0,
    close: ignore,
    readCounters: () => false,
    requireProxyHeader: () => 0,
    guardListener: () => 0,
    refusalCounters: () => [0, 0, 0, 0],
    secureListener: () => 0,
    secureInfo: () => null,
    secureCounts: () => ({ completed: 0, failed: 0, timedOut: 0, crowded: 0 }),
    // What the engine does to the cursors.
    flush() {
      flushes++;
      buffer.header[HEADER_SEND_COUNT] = 0;
      buffer.header[HEADER_SEND_CURSOR] = 0;
      buffer.header[HEADER_FANOUT_CURSOR] = 0;
    },
  });
});

function connect(slot: number, generation = 1): SocketConnection {
  buffer.writable[slot] = 1;
  return new SocketConnection(slot, generation, '127.0.0.1', 1, owner, buffer);
}

/** The records that wait, as [operation, slot, generation, start, length]. */
function records(): number[][] {
  const count = buffer.header[HEADER_SEND_COUNT] ?? 0;
  return Array.from({ length: count }, (_, i) => [
    ...buffer.records.subarray(i * SEND_STRIDE, i * SEND_STRIDE + 5),
  ]);
}

describe('records', () => {
  test('adjacent writes of one connection are one record, others are not', () => {
    const a = connect(1);
    const b = connect(2, 7);
    a.writeLatin1('12');
    a.writeLatin1('345');
    b.writeLatin1('6');
    a.writeLatin1('7');
    expect(records()).toEqual([
      [SEND_WRITE, 1, 1, 0, 5],
      [SEND_WRITE, 2, 7, 5, 1],
      [SEND_WRITE, 1, 1, 6, 1],
    ]);
    expect(buffer.slab.latin1Slice(0, 7)).toBe('1234567');
    expect([a.pendingBytes, b.pendingBytes]).toEqual([6, 1]);
  });

  test('wishes keep their place between writes', () => {
    const a = connect(3);
    a.writeLatin1('x');
    a.setDeadline(1.2);
    a.writeLatin1('y');
    a.close();
    expect(records().map((record) => record[0])).toEqual([
      SEND_WRITE,
      SEND_DEADLINE,
      SEND_WRITE,
      SEND_CLOSE,
    ]);
    expect(records()[1]?.[4]).toBe(2);
  });

  const deadlines = [
    { ms: 0, words: 0 },
    { ms: -5, words: 0 },
    { ms: Number.NaN, words: 0 },
    { ms: 0.1, words: 1 },
    { ms: 2_147_483_647, words: 2_147_483_647 },
    { ms: Number.POSITIVE_INFINITY, words: 2_147_483_647 },
  ];
  test.each(deadlines)('setDeadline($ms) asks for $words ms', ({ ms, words }) => {
    connect(1).setDeadline(ms);
    expect(records()).toEqual([[SEND_DEADLINE, 1, 1, 0, words]]);
  });
});

describe('bounds', () => {
  test.each([
    { before: SEND_SLAB_SOFT_BYTES - 10, length: 10, expected: 0 },
    { before: SEND_SLAB_SOFT_BYTES - 10, length: 11, expected: 1 },
  ])('$length bytes behind $before flush $expected times', ({ before, length, expected }) => {
    const a = connect(1);
    a.write(Buffer.alloc(before));
    a.write(Buffer.alloc(length));
    expect(flushes).toBe(expected);
  });

  test('one record more than there is room for flushes first', () => {
    const a = connect(1);
    const b = connect(2);
    for (let i = 0; i < SEND_RECORDS_MAX / 2; i++) {
      a.writeLatin1('a');
      b.writeLatin1('b');
    }
    expect([flushes, buffer.header[HEADER_SEND_COUNT]]).toEqual([0, SEND_RECORDS_MAX]);
    a.setDeadline(1);
    expect([flushes, buffer.header[HEADER_SEND_COUNT]]).toEqual([1, 1]);
  });

  test('a range as large as the slab can be reserved, a larger one cannot', () => {
    const a = connect(1);
    expect(a.reserve(SEND_SLAB_BYTES)).toBe(0);
    expect(a.reserve(SEND_SLAB_BYTES + 1)).toBe(ERROR_NAMES.ENOBUFS);
  });

  test('a connection may owe the maximum and not one byte more', () => {
    const a = connect(1);
    buffer.pending[1] = PENDING_BYTES_MAX - 4;
    expect(a.writeLatin1('12345')).toBe(ERROR_NAMES.ENOBUFS);
    expect(a.writeLatin1('1234')).toBe(PENDING_BYTES_MAX);
  });
});

describe('fan-out', () => {
  test('lists the slots that may take it, one record for all', () => {
    const audience = new SocketAudience(buffer);
    const members = [5, 6, 7, 8].map((slot) => connect(slot));
    for (const member of members) audience.add(member);
    buffer.pending[6] = 100;
    members[3]?.end();
    const skipped: number[] = [];
    const sent = audience.write(Buffer.from('news'), 100, (connection) =>
      skipped.push(connection.id),
    );
    expect([sent, skipped]).toEqual([2, [members[1]?.id]]);
    expect(records().at(-1)).toEqual([SEND_FANOUT, 0, 0, 0, 4]);
    expect([...buffer.fanout.subarray(0, 2)]).toEqual([5, 7]);
    expect([5, 6, 7, 8].map((slot) => buffer.pending[slot])).toEqual([4, 100, 4, 0]);
  });

  test('reports whom its owner holds, and passes over the exception', () => {
    const audience = new SocketAudience(buffer);
    const members = [5, 6, 7].map((slot) => connect(slot));
    for (const member of members) audience.add(member);
    members[0]?.hold(true);
    const skipped: number[] = [];
    const skip = (connection: Connection): void => void skipped.push(connection.id);
    expect(audience.write(Buffer.from('a'), 100, skip, members[1])).toBe(1);
    expect(skipped).toEqual([members[0]?.id]);
    expect(members[0]?.writeLatin1('own')).toBe(3);
    members[0]?.hold(false);
    expect(audience.write(Buffer.from('b'), 100, skip)).toBe(3);
    expect([5, 6, 7].map((slot) => buffer.pending[slot])).toEqual([4, 1, 2]);
    members[1]?.end();
    members[1]?.hold(false);
    expect(audience.write(Buffer.from('c'), 100, skip), 'a hold wakes nobody who left').toBe(2);
  });

  test('a full list is flushed before the next one', () => {
    const audience = new SocketAudience(buffer);
    for (let slot = 0; slot < 1_000; slot++) audience.add(connect(slot));
    const other = connect(1_000);
    const rounds = Math.floor(FANOUT_SLOTS_MAX / 1_000);
    for (let i = 0; i < rounds; i++) {
      audience.write(Buffer.from('x'), 10_000);
      other.writeLatin1('y');
    }
    expect(flushes).toBe(0);
    expect(audience.write(Buffer.from('x'), 10_000)).toBe(1_000);
    expect([flushes, buffer.header[HEADER_FANOUT_CURSOR]]).toEqual([1, 1_000]);
  });

  test('to the same sockets again only makes the record longer', () => {
    const audience = new SocketAudience(buffer);
    const members = [5, 6, 7].map((slot) => connect(slot));
    for (const member of members) audience.add(member);
    for (const text of ['one', 'two']) audience.write(Buffer.from(text), 100);
    expect(records()).toEqual([[SEND_FANOUT, 0, 0, 0, 6]]);
    expect(buffer.header[HEADER_FANOUT_CURSOR]).toBe(3);
    expect([5, 6, 7].map((slot) => buffer.pending[slot])).toEqual([6, 6, 6]);
    // Fewer, others, or the same ones behind other bytes are a list of their own.
    audience.write(Buffer.from('a'), 100, undefined, members[0]);
    audience.write(Buffer.from('b'), 100, undefined, members[1]);
    audience.write(Buffer.from('c'), 100);
    members[2]?.writeLatin1('d');
    audience.write(Buffer.from('e'), 100);
    expect(records()).toEqual([
      [SEND_FANOUT, 0, 0, 0, 6],
      [SEND_FANOUT, 3, 0, 6, 1],
      [SEND_FANOUT, 5, 0, 7, 1],
      [SEND_FANOUT, 7, 0, 8, 1],
      [SEND_WRITE, 7, 1, 9, 1],
      [SEND_FANOUT, 10, 0, 10, 1],
    ]);
    expect(buffer.slab.subarray(0, 11).toString()).toBe('onetwoabcde');
    expect([...buffer.fanout.subarray(0, 13)]).toEqual([5, 6, 7, 6, 7, 5, 7, 5, 6, 7, 5, 6, 7]);
  });

  test('nobody to send to leaves no record', () => {
    const audience = new SocketAudience(buffer);
    expect(audience.write(Buffer.from('x'), 10)).toBe(0);
    audience.add(connect(1));
    expect(audience.write(Buffer.from('x'), 0)).toBe(0);
    expect(records()).toEqual([]);
  });
});
