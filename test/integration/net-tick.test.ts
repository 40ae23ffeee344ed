// The tick: tasks before the flush and at the commit, failures that cost one connection only, and
// fan-out to an audience.

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Connection } from '../../lib/net/types.ts';
import { type Handlers, NetHarness, type TestClient } from '../support/net-harness.ts';

let harness: NetHarness;

function start(handlers: Handlers = {}): NetHarness {
  harness = new NetHarness(handlers);
  return harness;
}

afterEach(() => harness.stop());

describe('tasks', () => {
  test('beforeFlush runs once, in the tick, and what it writes leaves with the rest', async () => {
    const order: string[] = [];
    const { loop } = start({
      onData(connection) {
        loop.beforeFlush({
          run() {
            order.push('task');
            connection.writeLatin1('run');
          },
        });
        order.push('handler');
      },
    });
    const client = await harness.client();
    const before = loop.sendCalls;
    client.socket.write('x');
    await harness.until('the text', () => client.text === 'run');
    expect([order, loop.sendCalls - before]).toEqual([['handler', 'task'], 1]);
  });

  test('commitSoon runs after the microtasks of the handlers, its answers leave in the same flush', async () => {
    const order: string[] = [];
    const { loop } = start({
      async onData(connection) {
        await Promise.resolve();
        order.push('microtask');
        const durable = new Promise<void>((resolve) => {
          loop.commitSoon({
            run() {
              order.push('commit');
              resolve();
            },
          });
        });
        connection.writeLatin1('a');
        await durable;
        order.push('answer');
        connection.writeLatin1('b');
        loop.beforeFlush({ run: () => connection.writeLatin1('c') });
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('the text', () => client.text === 'abc');
    expect(order).toEqual(['microtask', 'commit', 'answer']);
  });

  test('commits that ask for further commits go on in later ticks', async () => {
    const rounds = 10;
    const { loop } = start({
      onData(connection) {
        let round = 0;
        const task = {
          run() {
            round++;
            if (round === rounds) connection.writeLatin1('done');
            else loop.commitSoon(task);
          },
        };
        loop.commitSoon(task);
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('the text', () => client.text === 'done');
  });

  test('a commit asked for outside of a batch runs', async () => {
    const { loop } = start();
    const client = await harness.client();
    await new Promise((resolve) => setTimeout(resolve, 1));
    loop.commitSoon({ run: () => harness.connections[0]?.writeLatin1('out') });
    await harness.until('the text', () => client.text === 'out');
  });
});

describe('failures', () => {
  const ways: { name: string; fail: () => unknown }[] = [
    {
      name: 'throws an error',
      fail: () => {
        throw new Error('broken');
      },
    },
    {
      name: 'throws null',
      fail: () => {
        throw null;
      },
    },
    { name: 'returns a promise that rejects', fail: () => Promise.reject(new Error('broken')) },
  ];
  test.each(ways)('a handler that $name costs its own connection only', async ({ fail }) => {
    start({
      onData(connection, slab, from, to) {
        const text = slab.toString('latin1', from, to);
        connection.writeLatin1(text.toUpperCase());
        return text === 'bad' ? fail() : undefined;
      },
    });
    const clients: TestClient[] = [];
    for (let i = 0; i < 9; i++) clients.push(await harness.client());
    clients.forEach((client, i) => {
      client.socket.write(i % 3 === 1 ? 'bad' : 'good');
    });
    const good = clients.filter((_, i) => i % 3 !== 1);
    await harness.until('the good', () => good.every((client) => client.text === 'GOOD'));
    await harness.untilLogged('failure', 3);
    await harness.untilLogged('close 0', 3);
    for (const client of good) client.socket.write('good');
    await harness.until('again', () => good.every((client) => client.text === 'GOODGOOD'));
  });

  const callbacks: {
    name: string;
    handlers: Handlers;
    provoke: (client: TestClient, connection: Connection) => void;
  }[] = [
    {
      name: 'onEnd',
      handlers: {
        onEnd() {
          throw new Error('x');
        },
      },
      provoke: (client) => client.socket.end(),
    },
    {
      name: 'onDeadline',
      handlers: {
        onDeadline() {
          throw new Error('x');
        },
      },
      provoke: (_, connection) => connection.setDeadline(1),
    },
    {
      name: 'onClose',
      handlers: {
        onClose() {
          throw new Error('x');
        },
      },
      provoke: (client) => client.socket.end(),
    },
    {
      name: 'onDrain',
      handlers: {
        onDrain() {
          throw new Error('x');
        },
      },
      provoke: (_, connection) => void connection.write(Buffer.alloc(70_000)),
    },
  ];
  test.each(callbacks)('$name that throws reaches onFailure', async ({ handlers, provoke }) => {
    start(handlers);
    const client = await harness.client();
    const connection = harness.connections[0];
    if (connection !== undefined) provoke(client, connection);
    await harness.untilLogged('failure');
    await harness.untilLogged('close 0');
    expect(harness.failures).toHaveLength(1);
  });

  test('an accept callback, an onFailure or a task that throws is an uncaught exception, and the loop goes on', async () => {
    const uncaught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => {
      uncaught.push(error);
      harness.note('uncaught');
    });
    try {
      const { loop } = start({
        onData: () => {
          throw new Error('first');
        },
        onFailure: () => {
          throw new Error('second');
        },
      });
      const refusing = loop.listen({ host: '127.0.0.1', port: 0 }, () => {
        throw new Error('third');
      });
      (await harness.client()).socket.write('x');
      const { connect } = await import('node:net');
      const refused = connect(refusing.port, '127.0.0.1').on('error', () =>
        harness.note('refused'),
      );
      await harness.untilLogged('uncaught', 2);
      loop.beforeFlush({
        run: () => {
          throw new Error('fourth');
        },
      });
      loop.commitSoon({
        run: () => {
          throw new Error('fifth');
        },
      });
      await harness.untilLogged('uncaught', 4);
      refused.destroy();
      await harness.client();
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    const messages = uncaught.map((error) => (error as Error).message).sort();
    expect(messages).toEqual(['fifth', 'fourth', 'second', 'third']);
  });

  test('a handler may close a neighbour of the same batch, which then hears nothing but its close', async () => {
    const { connections } = start({
      onData(connection) {
        for (const other of connections) if (other !== connection) other.reset();
      },
    });
    const clients = [await harness.client(), await harness.client()];
    for (const client of clients) client.socket.write('x');
    await harness.untilLogged('close 0');
    expect(harness.log.filter((entry) => entry === 'data 1')).toHaveLength(1);
  });
});

describe('audience', () => {
  async function audienceOf(count: number): Promise<TestClient[]> {
    start();
    const clients: TestClient[] = [];
    for (let i = 0; i < count; i++) clients.push(await harness.client());
    return clients;
  }

  test('sends the same bytes to every member, and several publishes leave in one send each', async () => {
    const clients = await audienceOf(20);
    const audience = harness.loop.audience();
    for (const connection of harness.connections) audience.add(connection);
    const before = harness.loop.sendCalls;
    for (let i = 0; i < 16; i++) {
      expect(audience.write(Buffer.from(`news ${i % 10};`), 1_000)).toBe(20);
      harness.connections[3]?.writeLatin1('direct;');
    }
    const news = Array.from({ length: 16 }, (_, i) => `news ${i % 10};`);
    await harness.until('all', () =>
      clients.every((client, i) => client.text.length === (i === 3 ? 224 : 112)),
    );
    expect(harness.loop.sendCalls - before).toBe(20);
    expect(clients[0]?.text).toBe(news.join(''));
    expect(clients[3]?.text).toBe(news.map((text) => `${text}direct;`).join(''));
  });

  test('skips and reports who owes too much, and its remainder arrives whole', async () => {
    const clients = await audienceOf(3);
    const audience = harness.loop.audience();
    for (const connection of harness.connections) audience.add(connection);
    const slow = harness.connections[1];
    clients[1]?.socket.pause();
    const frame = Buffer.alloc(1024 * 1024, 'f');
    let wholeForSlow = 0;
    const skipped = vi.fn((connection: Connection) => audience.remove(connection));
    for (let i = 0; i < 30; i++) {
      const sent = audience.write(frame, 4 * 1024 * 1024, skipped);
      if (skipped.mock.calls.length === 0) wholeForSlow++;
      await harness.until('the fast ones', () =>
        [0, 2].every((each) => clients[each]?.receivedBytes === (i + 1) * frame.length),
      );
      expect(sent).toBe(i < wholeForSlow ? 3 : 2);
    }
    expect(skipped.mock.calls.map((call) => call[0])).toEqual([slow]);
    expect([audience.size, slow && audience.has(slow)]).toEqual([2, false]);
    clients[1]?.socket.resume();
    await harness.until(
      'the slow one',
      () => clients[1]?.receivedBytes === wholeForSlow * frame.length,
    );
  });

  test('members leave by themselves when they close; closing ones get nothing', async () => {
    const clients = await audienceOf(3);
    const audience = harness.loop.audience();
    const other = harness.loop.audience();
    for (const connection of harness.connections) {
      audience.add(connection);
      audience.add(connection);
      other.add(connection);
    }
    const [a, b] = harness.connections;
    if (a === undefined || b === undefined) throw new Error('no connections');
    other.remove(a);
    other.remove(a);
    a.close();
    expect(audience.write(Buffer.from('x'), 10)).toBe(2);
    clients[0]?.socket.end();
    await harness.untilLogged('close 0');
    expect([audience.size, audience.has(a), other.size, audience.has(b)]).toEqual([
      2,
      false,
      2,
      true,
    ]);
    audience.add(a);
    expect(audience.size).toBe(2);
  });

  test('refuses a connection of another loop', async () => {
    await audienceOf(1);
    const stranger = new NetHarness();
    await stranger.client();
    expect(() => harness.loop.audience().add(stranger.connections[0] as Connection)).toThrow(
      /loop/,
    );
    await stranger.stop();
  });
});
