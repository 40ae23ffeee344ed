// Flow, topics and introspection through the native engine: system calls per tick, peers that do not
// read, big messages in pieces, and what is counted.

import { afterEach, describe, expect, test } from 'vitest';
import { createServer } from '../../lib/server/server.ts';
import type {
  OutgoingStream,
  Server,
  ServerOptions,
  ServerSocket,
  WebSocketRoute,
} from '../../lib/server/types.ts';
import { until } from '../support/until.ts';
import { RawClient, TestClient } from '../support/websocket-client.ts';
import { clientFrame, describeServerFrames } from '../support/websocket-frames.ts';

const MIB = 1024 * 1024;
/** What one read may bring: kReadBytesPerConnectionMax of native/core/limits.h. */
const READ_BYTES_MAX = 128 * 1024;
let server: Server;
let port = 0;
let sockets: ServerSocket[] = [];
const raws: RawClient[] = [];
const clients: TestClient[] = [];

async function serve(route: WebSocketRoute, options: ServerOptions = {}): Promise<void> {
  sockets = [];
  server = createServer({ host: '127.0.0.1', ...options });
  const open = (socket: ServerSocket): unknown => {
    sockets.push(socket);
    return route.open?.(socket);
  };
  server.websocket('/', { ...route, open });
  ({ port } = await server.listen());
}

afterEach(async () => {
  for (const client of raws.splice(0)) client.destroy();
  for (const client of clients.splice(0)) client.ws.terminate();
  await server.close({ deadlineMs: 1000 });
});

async function rawPeer(): Promise<{ client: RawClient; socket: ServerSocket }> {
  const client = new RawClient(port);
  raws.push(client);
  await client.upgrade('/');
  await until('the open handler', () => sockets.length === raws.length);
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error('not opened');
  return { client, socket };
}

async function wsPeer(): Promise<{ client: TestClient; socket: ServerSocket }> {
  const count = sockets.length;
  const client = new TestClient(`ws://127.0.0.1:${port}/`);
  clients.push(client);
  await client.opened();
  await until('the open handler', () => sockets.length > count);
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error('not opened');
  return { client, socket };
}

describe('topics', () => {
  test('what one tick owes to a socket is one send, whatever lies in between', async () => {
    await serve({
      message(socket) {
        for (let i = 0; i < 5; i++) {
          server.publish('a', `a${i}`);
          socket.send(`you${i}`);
          server.publish('b', Buffer.from([i]));
        }
      },
    });
    const peers = [await rawPeer(), await rawPeer(), await rawPeer()];
    peers.forEach(({ socket }, i) => {
      socket.subscribe('a');
      if (i !== 1) socket.subscribe('b');
    });
    const before = server.stats();
    peers[0]?.client.send(clientFrame({ payload: 'go' }));
    const per = (i: number): number => 5 * 4 + (i === 0 ? 5 * 6 : 0) + (i === 1 ? 0 : 5 * 3);
    const heard = await Promise.all(peers.map(({ client }, i) => client.hears(per(i))));
    const after = server.stats();
    expect(after.engine.sendCalls - before.engine.sendCalls).toBe(3);
    const rounds = [0, 1, 2, 3, 4];
    expect(heard.map(describeServerFrames)).toEqual([
      rounds.flatMap((i) => [`text a${i}`, `text you${i}`, `binary 0${i}`]),
      rounds.map((i) => `text a${i}`),
      rounds.flatMap((i) => [`text a${i}`, `binary 0${i}`]),
    ]);
    expect(after.topics).toEqual({ open: 2, publishes: 10, delivered: 25, queued: 0 });
  });

  test('a frame of 1 MiB for sockets that do not read is in memory once', async () => {
    await serve({ queueBytes: 64 * MIB });
    const peers = [];
    for (let i = 0; i < 30; i++) peers.push(await rawPeer());
    for (const { client, socket } of peers) {
      client.socket.pause();
      socket.subscribe('all');
    }
    const before = process.memoryUsage().rss;
    const frame = Buffer.alloc(MIB, 1);
    for (let i = 0; i < 24; i++) server.publish('all', frame);
    await until('a flush', () => server.stats().bytes.queuedConnections === 30);
    const { bytes, topics } = server.stats();
    expect(bytes.queued).toBeGreaterThan(300 * MIB);
    expect(bytes.queuedMax).toBeGreaterThanOrEqual(bytes.queued);
    expect(topics).toMatchObject({ delivered: 30 * 24, queued: 30 * 24 });
    expect(process.memoryUsage().rss - before).toBeLessThan(120 * MIB);
  });
});

describe('a peer that does not read', () => {
  /** What the kernels of both sides may take before a peer is judged slow. */
  const KERNEL_BYTES_MAX = 16 * MIB;

  test('is judged slow within a bounded number of bytes, and then dropped for', async () => {
    await serve({ queueBytes: MIB });
    const { client, socket } = await rawPeer();
    client.socket.pause();
    const piece = Buffer.alloc(32 * 1024);
    let accepted = 0;
    let outcome = socket.send(piece);
    while (outcome !== 'dropped' && accepted <= KERNEL_BYTES_MAX) {
      accepted += piece.length;
      await new Promise((resolve) => setImmediate(resolve));
      outcome = socket.send(piece);
    }
    expect(outcome).toBe('dropped');
    expect(accepted).toBeLessThan(KERNEL_BYTES_MAX);
    expect(socket.pendingBytes).toBeGreaterThanOrEqual(MIB);
    expect(server.stats().messages.dropped).toBe(1);
    client.socket.resume();
    expect(await socket.drained()).toBe(true);
    expect(socket.send('again')).toBe('sent');
  });

  test("with slow: 'close' it is closed with 1013 and does not outlive the close timeout", async () => {
    const closes: unknown[] = [];
    await serve(
      {
        queueBytes: MIB,
        slow: 'close',
        close: (_socket, code, _reason, info) => closes.push([code, info]),
      },
      { closeTimeoutMs: 100 },
    );
    const { client, socket } = await rawPeer();
    client.socket.pause();
    while (socket.send(Buffer.alloc(MIB)) !== 'dropped') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('the close', () => closes.length === 1);
    const info = { wasClean: false, initiator: 'error', bytesUnsent: expect.any(Number) };
    expect(closes).toEqual([[1006, info]]);
    expect((closes as [unknown, { bytesUnsent: number }][])[0]?.[1].bytesUnsent).toBeGreaterThan(
      MIB / 2,
    );
    expect(server.stats().sockets).toMatchObject({ slowCloses: 1, closedByError: 1, open: 0 });
  });

  test("with slow: 'latest' it hears the newest when it reads again", async () => {
    await serve({ queueBytes: 8 * MIB, slow: 'latest' });
    const { client, socket } = await wsPeer();
    client.ws.pause();
    // Fills the kernel's buffers, until the high mark is reached.
    while (socket.send('x'.repeat(100_000)) === 'sent' || socket.pendingBytes < 200_000) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 1000; i++) {
      expect(socket.send(`price ${i}`, { key: 'price' })).toBe('queued');
    }
    client.ws.resume();
    await until('the newest', () => client.received.at(-1) === 'price 999');
    expect(client.received.filter((text) => String(text).startsWith('price'))).toEqual([
      'price 999',
    ]);
    expect(server.stats().messages.superseded).toBe(999);
  });

  test('many of them stay below the budget of all, and who reads is served', async () => {
    await serve({ queueBytes: 4 * MIB }, { queueBytesTotal: 8 * MIB });
    const slow = [];
    for (let i = 0; i < 8; i++) slow.push(await rawPeer());
    for (const { client } of slow) client.socket.pause();
    const piece = Buffer.alloc(64 * 1024);
    for (let round = 0; round < 200; round++) {
      for (const { socket } of slow) socket.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { bytes } = server.stats();
    expect(bytes.queuedMax).toBeGreaterThan(4 * MIB);
    expect(bytes.queuedMax).toBeLessThan(8 * MIB + 8 * piece.length);
    const { client, socket } = await wsPeer();
    for (let i = 0; i < 10; i++) expect(socket.send(`message ${i}`)).toBe('sent');
    expect(await client.hears(10)).toHaveLength(10);
  });
});

// Bug: it was dropped for ever while drained() resolved at once, and a loop of the two never ended.
test('a message, or a piece, of more than 64 MiB is refused by an error, one of as many sent', async () => {
  await serve({ slow: 'latest' });
  const { client, socket } = await wsPeer();
  const bound = 64 * MIB;
  const tooLong = Buffer.alloc(bound + 1);
  const refused = expect.objectContaining({ code: 'ERR_ARG_RANGE' });
  expect(() => socket.send(tooLong)).toThrow(refused);
  expect(() => socket.send(tooLong.buffer)).toThrow(refused);
  expect(() => socket.send(tooLong, { key: 'a' })).toThrow(refused);
  expect(() => socket.send('é'.repeat(bound / 2 + 1))).toThrow(refused);
  const stream = socket.stream();
  expect(() => stream.write(tooLong)).toThrow(refused);
  expect(stream.end('short')).toBe('sent');
  expect(socket.send('a'.repeat(bound))).toBe('queued');
  expect(await socket.drained()).toBe(true);
  expect((await client.hears(2)).map((text) => text.length)).toEqual([5, bound]);
});

describe('messages in pieces', () => {
  test('100 MiB go out with drained(), and other messages come after them', async () => {
    await serve({ queueBytes: 4 * MIB });
    const { client, socket } = await wsPeer();
    const piece = Buffer.alloc(MIB, 7);
    const pour = async (stream: OutgoingStream): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        if (stream.write(piece) === 'queued') await stream.drained();
      }
      stream.end();
    };
    const pouring = pour(socket.stream({ binary: true }));
    expect(socket.send('behind')).toBe('queued');
    await pouring;
    const [large, behind] = await client.hears(2);
    expect([large?.length, behind]).toEqual([100 * MIB, 'behind']);
    expect(server.stats().bytes.queuedMax).toBeLessThan(8 * MIB);
  });

  test('what waits behind a message, however much, does not keep its drained() waiting', async () => {
    await serve({ queueBytes: 4 * MIB });
    const { client, socket } = await wsPeer();
    socket.subscribe('news');
    const stream = socket.stream({ binary: true });
    server.publish('news', 'n'.repeat(200_000));
    expect(socket.send('b'.repeat(200_000))).toBe('queued');
    const piece = Buffer.alloc(MIB, 7);
    for (let i = 0; i < 20; i++) {
      if (stream.write(piece) !== 'sent') expect(await stream.drained()).toBe(true);
    }
    const behind = socket.drained();
    stream.end();
    expect(await behind).toBe(true);
    const heard = await client.hears(3);
    expect(heard.map((message) => message.length)).toEqual([20 * MIB, 200_000, 200_000]);
  });

  test('a socket that goes lets nobody wait for its message to drain', async () => {
    await serve({ queueBytes: 4 * MIB });
    const { client, socket } = await wsPeer();
    client.ws.pause();
    const stream = socket.stream({ binary: true });
    const piece = Buffer.alloc(MIB, 7);
    while (stream.write(piece) !== 'dropped');
    const [one, other] = [stream.drained(), stream.drained()];
    socket.terminate();
    expect(await Promise.all([one, other])).toEqual([false, false]);
    expect(await stream.drained()).toBe(false);
  });

  test('100 MiB come in while memory stays small, at the pace of the handler', async () => {
    let bytes = 0;
    let peak = 0;
    await serve({
      messageBytesMax: 0,
      async stream(socket, chunks, isBinary) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          peak = Math.max(peak, chunk.length);
          if (bytes % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        socket.send(`${isBinary} ${bytes}`);
      },
    });
    const { client } = await wsPeer();
    client.ws.send(Buffer.alloc(100 * MIB, 1));
    expect(await client.hears(1)).toEqual([`true ${100 * MIB}`]);
    expect(peak).toBeLessThanOrEqual(128 * 1024);
  });

  test('while a serial handler is waited for, no more than two reads are taken', async () => {
    let finish: (() => void) | undefined;
    let count = 0;
    await serve({
      serial: true,
      message: () =>
        ++count > 1
          ? undefined
          : new Promise<void>((resolve) => {
              finish = resolve;
            }),
    });
    const { client, socket } = await wsPeer();
    const sent = 4000;
    for (let i = 0; i < sent; i++) client.ws.send('x'.repeat(1000));
    await until('the first message', () => client.ws.bufferedAmount === 0 || count > 0);
    // Turns of the loop in which more could have been read.
    for (let i = 0; i < 20; i++) await fetch(`http://127.0.0.1:${port}/turn`);
    expect(socket.info().bytesReceived).toBeLessThan(2 * READ_BYTES_MAX + 1024);
    expect(count).toBe(1);
    finish?.();
    await until('all messages', () => count === sent);
  });

  test('serial handlers keep the order, and hold the peer back meanwhile', async () => {
    const log: string[] = [];
    let running = 0;
    await serve({
      serial: true,
      async message(_socket, data) {
        expect(++running).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        log.push(String(data));
        running--;
      },
    });
    const { client } = await wsPeer();
    const sent = Array.from({ length: 2000 }, (_, i) => `message ${i}`);
    for (const text of sent) client.ws.send(text);
    await until('all messages', () => log.length === sent.length);
    expect(log).toEqual(sent);
  });
});

test('info() knows the line', async () => {
  await serve({ message: (socket, data) => socket.send(data) });
  const { client, socket } = await wsPeer();
  client.ws.send('hello');
  await client.hears(1);
  const info = socket.info();
  expect(info).toMatchObject({
    transport: 'tcp',
    localAddress: '127.0.0.1',
    localPort: port,
    remoteAddress: '127.0.0.1',
    messagesReceived: 1,
    messagesSent: 1,
  });
  expect(info.rttUs).toBeGreaterThan(0);
  expect(info.bytesReceived).toBeGreaterThan(100);
  expect(info.bytesSent).toBeGreaterThan(100);
  const { bytes, connections } = server.stats();
  expect(bytes).toMatchObject({ received: info.bytesReceived, sent: info.bytesSent });
  expect(connections).toEqual({ open: 1, accepted: 1 });
});
