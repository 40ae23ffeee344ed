// The slow side of sending on a loop in memory: policies at their bounds, the newest per key, drained(),
// marks, and the budget of all sockets together.

import { beforeEach, describe, expect, test } from 'vitest';
import { OWED_BYTES_MIN, QueueBudget } from '../../../../lib/server/websocket/queue-budget.ts';
import {
  HELD_FRAMES_MAX,
  KEY_LENGTH_MAX,
} from '../../../../lib/server/websocket/websocket-limits.ts';
import { settle } from '../../../support/memory-transport.ts';
import { RIG_HIGH_WATER, SocketRig } from '../../../support/socket-rig.ts';

const QUEUE = 1000;
let rig: SocketRig;

beforeEach(async () => {
  rig = await new SocketRig().listen();
});

describe('slow: drop', () => {
  test('the newest message is not accepted, and a drain is asked for', () => {
    const { socket, connection, frames } = rig.peer({ queueBytes: QUEUE });
    connection.pendingBytes = QUEUE;
    expect([socket.send('text'), socket.send(Buffer.from('b')), socket.ping()]).toEqual([
      'dropped',
      'dropped',
      'dropped',
    ]);
    expect(connection.wantsDrain).toBe(true);
    expect(frames()).toEqual([]);
    connection.pendingBytes = QUEUE - 1;
    expect(socket.send('text')).toBe('queued');
  });

  test('the drain handler is called although the high mark was never reached', () => {
    let drains = 0;
    const { socket, connection } = rig.peer({ queueBytes: 10, drain: () => void drains++ });
    expect(connection.marks).toEqual([10, 2]);
    connection.pendingBytes = 10;
    socket.send('a');
    connection.drain();
    expect(drains).toBe(1);
  });
});

describe('slow: close', () => {
  test('closes with 1013 at the bound, not below it', async () => {
    const endings: unknown[] = [];
    const { socket, connection, frames } = rig.peer({
      queueBytes: QUEUE,
      slow: 'close',
      close: (_socket, code, _reason, info) => endings.push([code, info]),
    });
    connection.pendingBytes = QUEUE - 1;
    expect(socket.send('a')).toBe('queued');
    expect(socket.isOpen).toBe(true);
    connection.takeOutput();
    connection.pendingBytes = QUEUE;
    expect(socket.send('b')).toBe('dropped');
    expect(socket.isOpen).toBe(false);
    expect(frames()).toEqual(['close 1013 too slow']);
    connection.reap();
    const info = { wasClean: false, initiator: 'error', bytesUnsent: QUEUE };
    expect(endings).toEqual([[1006, info]]);
  });

  test('a publish closes it, too, and reaches the others', () => {
    const connect = rig.route({ queueBytes: QUEUE, slow: 'close' });
    const [slow, quick] = [connect(), connect()];
    for (const { socket } of [slow, quick]) socket.subscribe('news');
    slow.connection.pendingBytes = QUEUE;
    expect(rig.server.publish('news', 'a')).toEqual({ subscribers: 2, dropped: 1 });
    expect(slow.frames()).toEqual(['close 1013 too slow']);
    expect(quick.frames()).toEqual(['text a']);
    expect(rig.server.publish('news', 'b')).toEqual({ subscribers: 1, dropped: 0 });
  });
});

describe('slow: latest', () => {
  const latest = { queueBytes: QUEUE, slow: 'latest' } as const;

  test('below the high mark everything is sent', () => {
    const { socket, connection, frames } = rig.peer(latest);
    connection.pendingBytes = RIG_HIGH_WATER - 1;
    for (const text of ['1', '2']) {
      socket.send(text, { key: 'price' });
      expect(frames()).toEqual([`text ${text}`]);
    }
  });

  test('from the high mark on the newest of each key waits, in the order of the newest', () => {
    const { socket, connection, frames } = rig.peer(latest);
    connection.pendingBytes = RIG_HIGH_WATER;
    const send = (text: string, key: string): unknown => socket.send(text, { key });
    expect([send('a1', 'a'), send('b1', 'b'), send('a2', 'a')]).toEqual(Array(3).fill('queued'));
    expect(socket.send(Buffer.of(1), { key: 'c' })).toBe('queued');
    expect(frames()).toEqual([]);
    expect(socket.pendingBytes).toBe(RIG_HIGH_WATER + 4 + 4 + 3);
    connection.drain();
    expect(frames()).toEqual(['text b1', 'text a2', 'binary 01']);
    expect(socket.pendingBytes).toBe(0);
  });

  test('messages without a key are sent up to queueBytes, and pass those that wait', () => {
    const { socket, connection, frames } = rig.peer(latest);
    connection.pendingBytes = RIG_HIGH_WATER;
    socket.send('waits', { key: 'a' });
    expect(socket.send('passes')).toBe('queued');
    expect(frames()).toEqual(['text passes']);
    connection.pendingBytes = QUEUE - 7;
    expect(socket.send('what waits counts as pending')).toBe('dropped');
  });

  test('what waits leaves up to the high mark, the rest with the next drain', () => {
    let drains = 0;
    const { socket, connection, frames } = rig.peer({ ...latest, drain: () => void drains++ });
    connection.pendingBytes = RIG_HIGH_WATER;
    for (const key of ['a', 'b', 'c']) socket.send(key.repeat(120), { key });
    socket.send('d'.repeat(RIG_HIGH_WATER), { key: 'd' });
    connection.pendingBytes = 0;
    connection.stalled = true;
    connection.owner.onDrain(connection);
    expect(frames()).toHaveLength(4);
    socket.send('e', { key: 'e' });
    connection.pendingBytes = RIG_HIGH_WATER;
    connection.owner.onDrain(connection);
    expect([frames(), drains], 'at the mark nothing leaves and nobody is told').toEqual([[], 0]);
    connection.drain();
    expect([frames(), drains]).toEqual([['text e'], 1]);
  });

  test('publishes with a key keep a reference to the one frame', () => {
    const connect = rig.route(latest);
    const [slow, quick] = [connect(), connect()];
    for (const { socket } of [slow, quick]) socket.subscribe('prices');
    slow.connection.pendingBytes = RIG_HIGH_WATER;
    const publish = (text: string): unknown => rig.server.publish('prices', text, { key: 'eur' });
    expect(publish('1')).toEqual({ subscribers: 2, dropped: 0 });
    publish('2');
    // The fan-out of a message without a key must not pass over those that wait, nor lose anybody.
    expect(rig.server.publish('prices', 'all')).toEqual({ subscribers: 2, dropped: 0 });
    expect(quick.frames()).toEqual(['text 1', 'text 2', 'text all']);
    expect(slow.frames()).toEqual(['text all']);
    slow.connection.drain();
    expect(slow.frames()).toEqual(['text 2']);
    publish('3');
    expect(slow.frames(), 'nothing waits any more').toEqual(['text 3']);
  });

  test('has bounds for keys and for bytes', () => {
    const { socket, connection } = rig.peer({ slow: 'latest', queueBytes: 100_000 });
    connection.pendingBytes = RIG_HIGH_WATER;
    const send = (key: string): unknown => socket.send('x', { key });
    expect(send('k'.repeat(KEY_LENGTH_MAX + 1))).toBe('dropped');
    expect(send('k'.repeat(KEY_LENGTH_MAX))).toBe('queued');
    for (let i = 1; i < HELD_FRAMES_MAX; i++) expect(send(`${i}`)).toBe('queued');
    expect(send('one more')).toBe('dropped');
    expect(send('1')).toBe('queued');
    connection.pendingBytes = 100_000;
    expect(send('1')).toBe('dropped');
  });

  test('our close frame comes behind the newest messages', () => {
    const { socket, connection, frames } = rig.peer(latest);
    connection.pendingBytes = RIG_HIGH_WATER;
    socket.send('last', { key: 'a' });
    socket.close();
    expect(frames()).toEqual(['text last', 'close 1000']);
  });

  test('terminate() drops them, and says how many bytes', () => {
    const endings: unknown[] = [];
    const close = (_socket: unknown, _code: number, _reason: string, info: unknown): unknown =>
      endings.push(info);
    const { socket, connection, frames } = rig.peer({ ...latest, close });
    connection.pendingBytes = RIG_HIGH_WATER;
    socket.send('lost', { key: 'a' });
    socket.terminate();
    connection.reap();
    expect(frames()).toEqual([]);
    const bytesUnsent = RIG_HIGH_WATER + 6;
    expect(endings).toEqual([{ wasClean: false, initiator: 'us', bytesUnsent }]);
  });

  test('on other routes a key changes nothing', () => {
    const { socket, connection, frames } = rig.peer({ queueBytes: QUEUE });
    connection.pendingBytes = RIG_HIGH_WATER;
    for (const text of ['1', '2']) socket.send(text, { key: 'price' });
    socket.send('3', { key: 'price', binary: true });
    expect(frames()).toEqual(['text 1', 'text 2', 'binary 33']);
  });
});

describe('drained()', () => {
  test('is true at once below the low mark', async () => {
    const { socket, connection } = rig.peer({ highWaterBytes: 100, lowWaterBytes: 10 });
    connection.pendingBytes = 9;
    expect(await socket.drained()).toBe(true);
    expect(connection.wantsDrain).toBe(false);
  });

  test('at the low mark it waits for the drain, also without the high one', async () => {
    const { socket, connection } = rig.peer({ highWaterBytes: 100, lowWaterBytes: 10 });
    expect(connection.marks).toEqual([100, 10]);
    connection.pendingBytes = 10;
    const results: boolean[] = [];
    for (let i = 0; i < 3; i++) void socket.drained().then((isOpen) => results.push(isOpen));
    await settle();
    expect([results, connection.wantsDrain]).toEqual([[], true]);
    connection.drain();
    await settle();
    expect(results).toEqual([true, true, true]);
  });

  test.each([
    ['closes', (socket: { close(): void }) => socket.close()],
    ['is terminated', (socket: { terminate(): void }) => socket.terminate()],
  ] as const)('is false when the socket %s meanwhile', async (_name, act) => {
    const { socket, connection } = rig.peer();
    connection.pendingBytes = RIG_HIGH_WATER;
    const waiting = socket.drained();
    act(socket);
    expect(await waiting).toBe(false);
    expect(await socket.drained()).toBe(false);
  });

  test('is false when the peer vanishes', async () => {
    const { socket, connection } = rig.peer();
    connection.pendingBytes = RIG_HIGH_WATER;
    const waiting = socket.drained();
    connection.reap(-104);
    expect(await waiting).toBe(false);
  });
});

describe('queueBytesTotal', () => {
  const BUDGET = 10 * OWED_BYTES_MIN;

  test.each([
    // half of the budget less one: everybody's own bound
    [BUDGET / 2 - 1, 2, 100_000, 100_000],
    [BUDGET / 2, 1, 100_000, BUDGET / 2],
    [BUDGET / 2, 2, 100_000, BUDGET / 4],
    [BUDGET / 2, 2, 100, 100],
    // the share is never less than the minimum
    [BUDGET / 2, 1000, 100_000, OWED_BYTES_MIN],
    [BUDGET - 1, 2, 100_000, BUDGET / 4],
    [BUDGET, 1, 100_000, OWED_BYTES_MIN],
    [BUDGET + 1, 0, 100, 100],
  ])('%i bytes of %i sockets, own bound %i: %i', (queuedBytes, queuedConnections, own, bound) => {
    const budget = new QueueBudget({ queuedBytes, queuedConnections }, BUDGET);
    expect(budget.boundOf(own)).toBe(bound);
  });

  test('0 is no budget', () => {
    const budget = new QueueBudget({ queuedBytes: 1e12, queuedConnections: 1 }, 0);
    expect([budget.boundOf(QUEUE), budget.careOf(QUEUE)]).toEqual([QUEUE, QUEUE]);
  });

  test('what is held counts', () => {
    const budget = new QueueBudget({ queuedBytes: 0, queuedConnections: 1 }, BUDGET);
    budget.heldBytes = BUDGET;
    expect(budget.boundOf(100_000)).toBe(OWED_BYTES_MIN);
  });

  test('the largest debtors are dropped first, whoever keeps up is not touched', async () => {
    rig = await new SocketRig({ queueBytesTotal: BUDGET }).listen();
    const connect = rig.route({ queueBytes: 100_000 });
    const [large, small, quick] = [connect(), connect(), connect()];
    for (const { socket } of [large, small, quick]) socket.subscribe('news');
    large.connection.pendingBytes = BUDGET / 2;
    small.connection.pendingBytes = OWED_BYTES_MIN - 1;
    expect(large.socket.send('x')).toBe('dropped');
    expect(small.socket.send('x')).toBe('queued');
    expect(quick.socket.send('x')).toBe('sent');
    expect(rig.server.publish('news', 'y')).toEqual({ subscribers: 3, dropped: 1 });
    large.connection.pendingBytes = BUDGET / 4 - 1;
    expect(large.socket.send('x')).toBe('queued');
  });
});

describe('options', () => {
  test.each([
    { highWaterBytes: 0 },
    { lowWaterBytes: 0 },
    { highWaterBytes: 10, lowWaterBytes: 11 },
    { queueBytes: 10, highWaterBytes: 11 },
    { slow: 'never' as 'drop' },
    { message: () => undefined, stream: () => undefined },
    { messageBytesMax: 0 },
  ])('%j is refused', (route) => {
    const add = (): unknown => rig.server.websocket('/refused', route);
    expect(add).toThrow(expect.objectContaining({ code: 'ERR_ARG_RANGE' }));
  });

  test('at their bounds they are taken', () => {
    rig.server.websocket('/a', { queueBytes: 10, highWaterBytes: 10, lowWaterBytes: 10 });
    rig.server.websocket('/b', { messageBytesMax: 0, stream: () => undefined });
  });

  test('a high mark that nobody named is never above queueBytes', () => {
    expect(rig.peer({ queueBytes: RIG_HIGH_WATER }).connection.marks).toBeUndefined();
    expect(rig.peer({ queueBytes: 100 }).connection.marks).toEqual([100, 25]);
  });
});
