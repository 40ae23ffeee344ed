// Bytes in and out through the native engine on real sockets: every way to write, sizes around the
// slab's bounds, order across microtasks, addresses.

import { createHash, randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../lib/base/errors.ts';
import { ERROR_NAMES } from '../../lib/native/error-names.ts';
import { PENDING_BYTES_MAX, SEND_SLAB_SOFT_BYTES } from '../../lib/native/layout.ts';
import { type Handlers, NetHarness } from '../support/net-harness.ts';

let harness: NetHarness;

function start(handlers: Handlers = {}, host?: string): NetHarness {
  harness = new NetHarness(handlers, host);
  return harness;
}

afterEach(() => harness.stop());

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('echoes what a client sends, byte for byte', async () => {
  const { loop } = start({
    onData(connection, slab, from, to) {
      const at = connection.reserve(to - from);
      slab.copy(loop.sendSlab, at, from, to);
      connection.commit(to - from);
    },
  });
  const client = await harness.client();
  const bytes = randomBytes(3_000_000);
  client.socket.write(bytes);
  await harness.until('the echo', () => client.receivedBytes === bytes.length);
  expect(digest(client.received)).toBe(digest(bytes));
});

// Bug of the prototype: cursors that JavaScript reset itself lost everything but "TICK".
test('keeps the order of what a handler, a nextTick and a microtask write', async () => {
  start({
    onData(connection) {
      connection.writeLatin1('FIRST ');
      process.nextTick(() => connection.writeLatin1('TICK '));
      Promise.resolve().then(() => connection.writeUtf8('SECOND'));
    },
  });
  const client = await harness.client();
  client.socket.write('x');
  await harness.until('the answer', () => client.receivedBytes === 17);
  expect(client.text).toBe('FIRST TICK SECOND');
});

const later: { name: string; schedule: (task: () => void) => void }[] = [
  { name: 'a timer', schedule: (task) => setTimeout(task, 1) },
  { name: 'setImmediate', schedule: (task) => setImmediate(task) },
  {
    name: 'a chain of microtasks',
    schedule: (task) =>
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(task),
  },
];
test.each(later)('sends what is written outside of a batch by $name', async ({ schedule }) => {
  start({ onData: (connection) => schedule(() => connection.writeLatin1('later')) });
  const client = await harness.client();
  client.socket.write('x');
  await harness.until('the answer', () => client.text === 'later');
});

describe('write', () => {
  const texts = ['', 'ascii', 'Grüße ÿ', '中文 and 😀', 'x'.repeat(400_000), '中'.repeat(400_000)];
  test.each(texts.map((text) => ({ text, name: `${text.slice(0, 8)} (${text.length})` })))(
    'writeUtf8 encodes $name',
    async ({ text }) => {
      start({ onData: (connection) => connection.writeUtf8(text) && connection.writeLatin1('.') });
      const client = await harness.client();
      client.socket.write('x');
      await harness.until('the text', () => text === '' || client.text === `${text}.`);
    },
  );

  test('writeLatin1 writes one byte per character', async () => {
    start({ onData: (connection) => connection.writeLatin1('aÿ\u0080') });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('3 bytes', () => client.receivedBytes === 3);
    expect(client.received).toEqual(Buffer.from([0x61, 0xff, 0x80]));
  });

  const sizes = [
    0,
    1,
    48,
    49,
    65_536,
    SEND_SLAB_SOFT_BYTES - 1,
    SEND_SLAB_SOFT_BYTES,
    SEND_SLAB_SOFT_BYTES + 1,
  ];
  test.each(sizes)('write passes %i bytes', async (size) => {
    const bytes = randomBytes(size);
    start({
      onData(connection) {
        connection.write(bytes);
        connection.write(Buffer.from('end'));
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('all bytes', () => client.receivedBytes === size + 3);
    expect(digest(client.received.subarray(0, size))).toBe(digest(bytes));
  });

  test('a message of 16 MiB goes through write and through reserve', async () => {
    const size = 16 * 1024 * 1024;
    const bytes = randomBytes(size);
    const { loop } = start({
      onData(connection) {
        connection.write(bytes);
        const at = connection.reserve(size + 14);
        bytes.copy(loop.sendSlab, at);
        connection.commit(size);
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('both copies', () => client.receivedBytes === 2 * size);
    expect(digest(client.received.subarray(0, size))).toBe(digest(bytes));
    expect(digest(client.received.subarray(size))).toBe(digest(bytes));
  });

  test('commit may take less than was reserved', async () => {
    const { loop } = start({
      onData(connection) {
        const at = connection.reserve(100);
        loop.sendSlab.write('short', at);
        expect(connection.commit(5)).toBe(5);
        connection.writeLatin1('!');
      },
    });
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('the text', () => client.text === 'short!');
  });

  test('refuses what would exceed the pending bound, and says so', async () => {
    const results: number[] = [];
    start({
      onData(connection) {
        results.push(connection.write(Buffer.alloc(PENDING_BYTES_MAX + 1)));
        results.push(connection.reserve(PENDING_BYTES_MAX + 1));
        results.push(connection.pendingBytes);
        connection.reset();
      },
    });
    (await harness.client()).socket.write('x');
    await harness.untilLogged('close 0');
    expect(results).toEqual([ERROR_NAMES.ENOBUFS, ERROR_NAMES.ENOBUFS, 0]);
  });

  test('many small writes to several connections keep their order and cost one send each', async () => {
    let calls = 0;
    const { loop, connections } = start({
      onData(connection) {
        if (connection !== connections[0]) return;
        calls = loop.sendCalls;
        for (let i = 0; i < 250; i++) {
          for (const each of connections) each.writeLatin1(`${i},`);
        }
      },
    });
    const clients = [await harness.client(), await harness.client(), await harness.client()];
    clients[0]?.socket.write('x');
    const expected = Array.from({ length: 250 }, (_, i) => `${i},`).join('');
    await harness.until('all', () =>
      clients.every((client) => client.receivedBytes === expected.length),
    );
    for (const client of clients) expect(client.text).toBe(expected);
    expect(loop.sendCalls - calls).toBe(3 * Math.ceil((clients.length * 250) / 1250));
  });
});

describe('marks and counts', () => {
  test('a drain comes at the marks of the connection, or when it is asked for', async () => {
    start();
    const client = await harness.client();
    const [connection] = harness.connections;
    connection?.setMarks(100, 10);
    expect(connection?.write(Buffer.alloc(100))).toBe(100);
    await harness.untilLogged('drain');
    connection?.write(Buffer.alloc(99));
    connection?.noticeDrain();
    await harness.untilLogged('drain', 2);
    await harness.until('the bytes', () => client.receivedBytes === 199);
  });

  test('bytes are counted for the connection and for the loop', async () => {
    const atTheEnd: unknown[] = [];
    start({
      onData: (connection) => connection.writeLatin1('12345'),
      onClose: (connection) => atTheEnd.push(connection.readCounters()),
    });
    const client = await harness.client();
    client.socket.write('abc');
    await harness.until('the answer', () => client.receivedBytes === 5);
    const [connection] = harness.connections;
    expect(connection?.readCounters()).toMatchObject({ sentBytes: 5, receivedBytes: 3 });
    await harness.until('its acknowledgement', () => connection?.readCounters().takenBytes === 5);
    expect(harness.loop.stats).toMatchObject({
      sentBytes: 5,
      receivedBytes: 3,
      sendCalls: 1,
      queuedBytes: 0,
      queuedConnections: 0,
    });
    client.socket.destroy();
    await harness.untilLogged('close 0');
    expect(atTheEnd).toEqual([{ sentBytes: 5, receivedBytes: 3, takenBytes: 0 }]);
    await harness.client();
    const nothing = { sentBytes: 0, receivedBytes: 0, takenBytes: 0 };
    expect(connection?.readCounters()).toEqual(nothing);
  });

  test('what a peer never took is told with the close', async () => {
    start();
    const client = await harness.client();
    client.socket.pause();
    const [connection] = harness.connections;
    connection?.write(Buffer.alloc(32 * 1024 * 1024));
    connection?.setDeadline(1);
    await harness.untilLogged('deadline');
    const { queuedBytes } = harness.loop.stats;
    expect(queuedBytes).toBe(connection?.pendingBytes);
    expect(queuedBytes).toBeGreaterThan(0);
    connection?.reset();
    await harness.untilLogged('close 0');
    expect(connection?.unsentBytes).toBe(queuedBytes);
    expect(harness.loop.stats.queuedBytes).toBe(0);
  });
});

test('what many slow connections owe of one fan-out is in memory once', async () => {
  start();
  const clients = [];
  for (let i = 0; i < 40; i++) clients.push(await harness.client());
  for (const client of clients) client.socket.pause();
  const audience = harness.loop.audience();
  for (const connection of harness.connections) audience.add(connection);
  const frame = Buffer.alloc(1024 * 1024, 'f');
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 24; i++) audience.write(frame, PENDING_BYTES_MAX);
  harness.connections[0]?.setDeadline(1);
  await harness.untilLogged('deadline');
  expect(harness.loop.stats.queuedConnections).toBe(40);
  expect(harness.loop.stats.queuedBytes).toBeGreaterThan(400 * 1024 * 1024);
  expect(process.memoryUsage().rss - before).toBeLessThan(120 * 1024 * 1024);
});

describe('addresses', () => {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
    list?.some((entry) => entry.address === '::1'),
  );
  test.runIf(hasIpv6)('listens on IPv6 and reports the peer', async () => {
    start({ onData: (connection) => connection.writeLatin1(connection.remoteAddress) }, '::1');
    const client = await harness.client();
    client.socket.write('x');
    await harness.until('the address', () => client.text === '::1');
    expect(harness.connections[0]?.remotePort).toBe(client.socket.localPort);
  });

  test.runIf(hasIpv6)('an IPv4 client of an IPv6 listener has an IPv4 address', async () => {
    start({}, '::');
    await harness.client({ host: '127.0.0.1' });
    expect(harness.connections[0]?.remoteAddress).toBe('127.0.0.1');
  });

  test('two loops share one port', () => {
    start();
    const other = new NetHarness();
    const listener = other.loop.listen({ host: '127.0.0.1', port: harness.listener.port }, () => {
      throw new Error('unused');
    });
    expect(listener.port).toBe(harness.listener.port);
    return other.stop();
  });

  const refused = [
    { host: 'example.org', port: 0, code: 'ERR_ARG_RANGE' },
    { host: '127.0.0.1', port: 65_536, code: 'ERR_ARG_RANGE' },
    { host: '127.0.0.1', port: -1, code: 'ERR_ARG_RANGE' },
    { host: '192.0.2.1', port: 0, code: 'ERR_SYSTEM' },
  ] as const;
  test.each(refused)('refuses $host:$port with $code', ({ host, port, code }) => {
    start();
    let error: unknown;
    try {
      harness.loop.listen({ host, port }, () => {
        throw new Error('unused');
      });
    } catch (caught) {
      error = caught;
    }
    expect(isSluiceError(error, code)).toBe(true);
    if (code === 'ERR_SYSTEM') expect(error).toMatchObject({ errno: ERROR_NAMES.EADDRNOTAVAIL });
  });

  test('a port taken without SO_REUSEPORT is EADDRINUSE', async () => {
    start();
    const { createServer } = await import('node:net');
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(() =>
      harness.loop.listen({ host: '127.0.0.1', port }, () => {
        throw new Error('unused');
      }),
    ).toThrow(/EADDRINUSE/);
    await new Promise((resolve) => taken.close(resolve));
  });
});
