// Parts of sluice/swoole without a socket: frames as bytes, numbers of connections, settings, timers.

import { deserialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { TIMER_MS_MAX } from '../../../lib/base/clock.ts';
import { QUEUE_BYTES_MAX, SiblingOutbox } from '../../../lib/compat/siblings/sibling-outbox.ts';
import {
  CLIENT_PAGE_MAX,
  FDS_PER_WORKER,
  SERIALS_MAX,
  TASKS_MAX,
} from '../../../lib/compat/swoole/bounds.ts';
import type { ClientInfo } from '../../../lib/compat/swoole/client-info.ts';
import { ClientTable } from '../../../lib/compat/swoole/clients.ts';
import * as swoole from '../../../lib/compat/swoole/index.ts';
import { OtherClients, serialOf } from '../../../lib/compat/swoole/other-clients.ts';
import type { Port } from '../../../lib/compat/swoole/port.ts';
import { REFUSED, TAKEN, WITHOUT_EFFECT } from '../../../lib/compat/swoole/settings.ts';
import { TaskDesk, TaskQueue } from '../../../lib/compat/swoole/tasks.ts';
import type { Connection } from '../../../lib/net/types.ts';
import { RecordReader } from '../../../lib/process/record.ts';

const { CloseFrame, Frame, Server, Timer } = swoole;

describe('frames', () => {
  test.each([
    ['text', 'héllo', 1, 1, '810668c3a96c6c6f'],
    ['bytes', Buffer.from([1, 2]), 2, 1, '82020102'],
    ['a first fragment', 'a', 1, 0, '010161'],
    ['a ping', '', 9, 1, '8900'],
    ['compressed', 'a', 1, 1 | 4, 'c10161'],
  ])('pack and unpack: %s', (_title, data, opcode, flags, hex) => {
    const bytes = Server.pack(data, opcode, flags);
    expect(bytes.toString('hex')).toBe(hex);
    const frame = Server.unpack(bytes);
    if (frame === false) throw new Error('no frame');
    expect(frame).toMatchObject({ opcode, finish: (flags & 1) === 1 });
    expect(Buffer.from(frame.data)).toEqual(Buffer.from(data));
  });

  test.each([0, 125, 126, 65_535, 65_536])(
    'unpack: a payload of %i bytes, masked or not',
    (length) => {
      const payload = Buffer.alloc(length, 7);
      for (const flags of [1, 1 | swoole.SWOOLE_WEBSOCKET_FLAG_MASK]) {
        const bytes = Frame.pack(payload, 2, flags);
        const frame = Frame.unpack(bytes);
        if (frame === false) throw new Error('no frame');
        expect(frame).toMatchObject({ opcode: 2, flags });
        expect(payload.equals(Buffer.from(frame.data))).toBe(true);
        expect(Frame.unpack(bytes.subarray(0, -1))).toBe(false);
        const fromText = Frame.unpack(bytes.toString('latin1'));
        expect(fromText !== false && payload.equals(Buffer.from(fromText.data))).toBe(true);
      }
    },
  );

  test('a close frame has its code and reason; toString() gives the bytes', () => {
    const close = new CloseFrame();
    close.code = 4000;
    close.reason = 'bye';
    expect(close.toString()).toBe('\x88\x05\x0f\xa0bye');
    expect(Frame.unpack(Frame.pack(close))).toMatchObject({ code: 4000, reason: 'bye', opcode: 8 });
    expect(Frame.unpack(Buffer.of(0x88, 0))).toMatchObject({ code: 1005, reason: '' });
  });

  test('finish decides about the FIN of a frame once it is set', () => {
    const frame = new Frame();
    frame.data = 'x';
    expect(Frame.pack(frame)[0]).toBe(0x81);
    frame.finish = false;
    expect(Frame.pack(frame)[0]).toBe(0x01);
    expect(() => Frame.pack('x', 16)).toThrow(RangeError);
  });
});

describe('numbers of connections', () => {
  const PORT = {} as Port;
  const connection = (): Connection => ({}) as Connection;

  test('are never given twice, and a page is in order', () => {
    const table = new ClientTable();
    const first = table.add(connection(), PORT);
    expect(first.fd).toBe(1);
    table.remove(first);
    const others = Array.from({ length: 200 }, () => table.add(connection(), PORT));
    expect(table.get(1)).toBeUndefined();
    for (const [i, client] of others.entries()) if (i % 2 === 0) table.remove(client);
    const seen: number[] = [];
    for (let page = table.page(0, CLIENT_PAGE_MAX); page.length > 0; ) {
      seen.push(...page);
      page = table.page(page.at(-1) ?? 0, 7);
    }
    expect(seen).toEqual(others.filter((_client, i) => i % 2 === 1).map(({ fd }) => fd));
    expect([...table.fds()]).toEqual(seen);
    for (const client of others) table.remove(client);
    expect(table.page(0, 10)).toEqual([]);
  });

  test('of different workers never meet, and all are safe integers', () => {
    const tables = [0, 1, SERIALS_MAX - 1].map((serial) => new ClientTable(serial));
    const fds = tables.map((table) => table.add(connection(), PORT).fd);
    expect(fds).toEqual([1, FDS_PER_WORKER + 1, (SERIALS_MAX - 1) * FDS_PER_WORKER + 1]);
    expect(SERIALS_MAX * FDS_PER_WORKER - 1).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
  });
});

describe('settings', () => {
  const server = (): InstanceType<typeof Server> => new Server('127.0.0.1', 0);

  test('an unknown one is told by its name', () => {
    expect(() => server().set({ wroker_num: 1 })).toThrow(/wroker_num/);
    expect(() => server().set({ package_max_length: '2M' as never })).toThrow(/package_max_length/);
    expect(() => server().set({ heartbeat_idle_time: -1 })).toThrow(/heartbeat_idle_time/);
  });

  test('workers and task workers have a bound together', () => {
    expect(server().set({ worker_num: 64, task_worker_num: 64 })).toBe(true);
    expect(() => server().set({ worker_num: 65, task_worker_num: 64 })).toThrow(/128 together/);
    expect(() => server().set({ worker_num: 0 })).toThrow(/worker_num/);
    const one = server();
    one.on('message', () => undefined);
    one.set({ task_worker_num: 1 });
    expect(() => one.start()).toThrow(/callback for task/);
  });

  test.each(REFUSED)('%s is refused unless it is off', (name) => {
    expect(() => server().set({ [name]: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    expect(server().set({ [name]: false })).toBe(true);
  });

  test('those without effect warn once', async () => {
    const warnings: string[] = [];
    const note = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', note);
    const one = server();
    one.set({ reactor_num: 2, dispatch_mode: 2 });
    one.set({ reactor_num: 4 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    expect(warnings.filter((text) => text.includes('reactor_num'))).toHaveLength(1);
  });

  test('no name is on two lists', () => {
    const names = [...Object.keys(TAKEN), ...WITHOUT_EFFECT, ...REFUSED];
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('events', () => {
  test('an unknown one is told by its name; UDP is refused', () => {
    const server = new Server();
    expect(() => server.on('massage', () => undefined)).toThrow(/massage/);
    expect(() => server.on('packet', () => undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    const callback = (): undefined => undefined;
    server.on('MESSAGE', callback);
    expect(server.getCallback('Message')).toBe(callback);
    expect(server.getCallback('open')).toBeNull();
  });

  test('start() needs a callback for what comes in; UDP is refused', () => {
    expect(() => new Server().start()).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    expect(() => new Server('127.0.0.1', 0, 1, swoole.SWOOLE_SOCK_UDP)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });
});

describe('Timer', () => {
  test('after() calls once, tick() until it is cleared', async () => {
    const calls: unknown[] = [];
    await new Promise<void>((resolve) => {
      const once = Timer.after(1, (word: string) => calls.push(word), 'once');
      expect(Timer.exists(once)).toBe(true);
      Timer.tick(2, (id) => {
        calls.push(Timer.info(id)?.exec_count);
        if (calls.filter((call) => typeof call === 'number').length < 3) return;
        expect(Timer.clear(id)).toBe(true);
        expect(Timer.clear(id)).toBe(false);
        resolve();
      });
    });
    expect(calls.filter((call) => call === 'once')).toEqual(['once']);
    expect(calls.filter((call) => typeof call === 'number')).toEqual([1, 2, 3]);
    expect(Timer.stats().num).toBe(0);
  });

  test.each([0, -1, 1.5, TIMER_MS_MAX + 1])('%d ms are out of range', (ms) => {
    expect(() => Timer.after(ms, () => undefined)).toThrow(/timer/);
  });

  test('clearAll() ends all', () => {
    const ids = [Timer.after(TIMER_MS_MAX, () => undefined), Timer.tick(1000, () => undefined)];
    expect([...Timer.list()]).toEqual(ids);
    expect(Timer.clearAll()).toBe(true);
    expect([...Timer.list()]).toEqual([]);
  });
});

describe('several processes', () => {
  const info = (fd: number): ClientInfo => ({ remote_port: fd }) as ClientInfo;

  test('connections of others: in pages and order, and what may be new is above all known', () => {
    const others = new OtherClients();
    const [a, b] = [2 * FDS_PER_WORKER, 3 * FDS_PER_WORKER];
    for (const fd of [b + 1, a + 1, a + 2]) others.learn(serialOf(fd), fd, info(fd));
    expect([others.size, ...others.fds()]).toEqual([3, a + 1, a + 2, b + 1]);
    expect(others.page(a + 1, 2)).toEqual([a + 2, b + 1]);
    others.learn(2, a + 2, undefined);
    expect([others.get(a + 1)?.remote_port, others.get(a + 2)]).toEqual([a + 1, undefined]);
    expect([others.mayBeNew(a + 2), others.mayBeNew(a + 3)]).toEqual([false, true]);
    others.forget(2);
    expect([...others.fds()]).toEqual([b + 1]);
  });

  test('a worker whose numbers are all given says so', () => {
    const table = new ClientTable(1);
    const { fd } = table.add({} as Connection, {} as Port);
    expect([table.isSpent, serialOf(fd)]).toEqual([false, 1]);
  });

  test('tasks have a bound, one answer each, and are lost with their worker', () => {
    const desk = new TaskDesk();
    const told: unknown[] = [];
    const ends = { finished: (data: unknown) => told.push(data), lost: () => told.push('lost') };
    for (let i = 0; i < TASKS_MAX; i++) expect(desk.add(i % 2, () => true, ends)).toBe(i);
    expect(desk.add(1, () => true, ends)).toBe(false);
    expect(desk.countAt(1)).toBe(TASKS_MAX / 2);
    desk.finished(1, 'one', false);
    desk.finished(1, 'again', false);
    desk.finished(3, undefined, true);
    expect(told).toEqual(['one']);
    expect(desk.add(1, () => false, ends)).toBe(false);
    desk.left(1);
    expect([told.length, desk.size, desk.countAt(1)]).toEqual([
      TASKS_MAX / 2 - 1,
      TASKS_MAX / 2,
      0,
    ]);
  });

  test('a task worker does one after the other', async () => {
    const done: number[] = [];
    let running = 0;
    const queue = new TaskQueue(async ({ id }) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      done.push(id);
    });
    for (const id of [1, 2, 3]) queue.add({ id, serial: 1, slot: 0, data: undefined });
    expect(queue.current?.id).toBe(1);
    await queue.idle();
    expect([done, queue.current]).toEqual([[1, 2, 3], undefined]);
  });
});

describe('what siblings are told', () => {
  function outboxOf(take: (piece: Buffer) => Promise<unknown>): {
    outbox: SiblingOutbox;
    failures: unknown[];
  } {
    const failures: unknown[] = [];
    const outbox = new SiblingOutbox({
      stateOf: (key) => (key === 2 ? undefined : { key }),
      request: take,
      report: (error) => failures.push(error),
      failed: (error) => failures.push(error),
    });
    return { outbox, failures };
  }

  test('states and messages are one order, read when they leave', async () => {
    const told: unknown[] = [];
    const reader = new RecordReader(1 << 20);
    const { outbox } = outboxOf(async (piece) => {
      reader.push(piece, 0, piece.length, (kind, bytes, start, end) => {
        told.push([kind, end > start ? deserialize(bytes.subarray(start, end)) : null]);
        return true;
      });
    });
    const message = { text: 'a' };
    outbox.changed(1);
    outbox.changed(2);
    expect(outbox.send(message, 1)).toBe(true);
    expect(outbox.last).toBe(message);
    message.text = 'b';
    outbox.changed(3);
    expect(outbox.last).toBeUndefined();
    outbox.complete();
    await outbox.settled();
    expect(told).toEqual([
      [
        1,
        [
          [1, { key: 1 }],
          [2, undefined],
        ],
      ],
      [2, { text: 'b' }],
      [1, [[3, { key: 3 }]]],
      [3, null],
    ]);
  });

  test('a sibling that takes nothing has a bound; one that fails ends the stream', async () => {
    let refuse: (error: Error) => void = () => undefined;
    const stuck = new Promise((_resolve, reject) => {
      refuse = reject;
    });
    const { outbox, failures } = outboxOf(() => stuck);
    const half = Buffer.alloc(QUEUE_BYTES_MAX / 2 - 64);
    expect(outbox.send('whole', QUEUE_BYTES_MAX + 1)).toBe(false);
    expect([outbox.send(half, half.length), outbox.send(half, half.length)]).toEqual([true, true]);
    expect(outbox.send('one more', 1)).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    refuse(new Error('no'));
    await outbox.settled();
    expect(failures).toEqual([new Error('no')]);
  });
});
