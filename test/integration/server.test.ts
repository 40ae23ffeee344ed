// A whole server: both protocols on one port, topics, closing in order, options.

import { afterEach, describe, expect, test } from 'vitest';
import * as library from '../../lib/index.ts';
import { createServer } from '../../lib/server/server.ts';
import type { Server, ServerOptions, ServerSocket } from '../../lib/server/types.ts';
import { until } from '../support/until.ts';
import { RawClient, TestClient } from '../support/websocket-client.ts';
import { clientFrame } from '../support/websocket-frames.ts';

const servers: Server[] = [];
const clients: TestClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.ws.terminate();
  await Promise.all(servers.splice(0).map((server) => server.close({ deadlineMs: 300 })));
});

function makeServer(options: ServerOptions = {}): Server {
  const server = createServer({ host: '127.0.0.1', ...options });
  servers.push(server);
  return server;
}

async function connect(server: Server, path: string): Promise<TestClient> {
  const client = new TestClient(`ws://127.0.0.1:${server.port}${path}`);
  clients.push(client);
  return client.opened();
}

test('the library exports what the contract names, and nothing else', () => {
  expect(Object.keys(library).sort()).toEqual(['SluiceError', 'createServer', 'isSluiceError']);
});

describe('routes', () => {
  test('HTTP and WebSocket share a port and even a path', async () => {
    const server = makeServer();
    server.get('/both', (_request, response) => response.end('page'));
    server.websocket('/both', { open: (socket) => socket.send('socket') });
    server.websocket('/rest/*', {
      open: (socket) => socket.send(socket.request.params['*'] ?? ''),
    });
    server.post('/echo', async (request, response) => response.end(await request.bytes()));
    const { port } = await server.listen();
    const base = `http://127.0.0.1:${port}`;
    expect(await (await fetch(`${base}/both`)).text()).toBe('page');
    expect(await (await fetch(`${base}/echo`, { method: 'POST', body: 'body' })).text()).toBe(
      'body',
    );
    expect(await (await connect(server, '/both')).hears(1)).toEqual(['socket']);
    expect(await (await connect(server, '/rest/a/b')).hears(1)).toEqual(['a/b']);
  });

  test('a path has one WebSocket route', () => {
    const server = makeServer().websocket('/a', {});
    expect(() => server.websocket('/a', {})).toThrowError(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('request.ip is the forwarded one behind a trusted proxy only', async () => {
    const server = makeServer({ trustedProxies: ['127.0.0.0/8'] });
    const ips: string[] = [];
    server.websocket('/', { open: (socket) => ips.push(socket.request.ip) });
    await server.listen();
    const headers = { 'X-Forwarded-For': '203.0.113.7, 127.0.0.9' };
    const client = new TestClient(`ws://127.0.0.1:${server.port}/`, [], { headers });
    clients.push(client);
    await client.opened();
    await until('open', () => ips.length === 1);
    expect(ips).toEqual(['203.0.113.7']);
  });
});

describe('topics', () => {
  interface Rig {
    readonly server: Server;
    readonly sockets: ServerSocket[];
    readonly dropped: string[];
  }

  async function rig(count: number): Promise<Rig & { readonly clients: readonly TestClient[] }> {
    const server = makeServer();
    const sockets: ServerSocket[] = [];
    const dropped: string[] = [];
    server.websocket('/', {
      queueBytes: 1024 * 1024,
      open: (socket) => {
        sockets.push(socket);
        socket.subscribe('all');
      },
      dropped: (socket, topic) => {
        dropped.push(`${sockets.indexOf(socket)} ${topic}`);
      },
    });
    await server.listen();
    const own: TestClient[] = [];
    for (let i = 0; i < count; i++) {
      own.push(await connect(server, '/'));
      await until('open', () => sockets.length === i + 1);
    }
    return { server, sockets, dropped, clients: own };
  }

  test('a publish reaches every subscriber once, in text and binary', async () => {
    const { server, clients: own } = await rig(5);
    expect(server.publish('all', 'grüße')).toEqual({ subscribers: 5, dropped: 0 });
    server.publish('all', Buffer.from([1, 2]));
    server.publish('all', 'x'.repeat(100_000));
    for (const client of own) {
      expect(await client.hears(3)).toEqual(['grüße', Buffer.from([1, 2]), 'x'.repeat(100_000)]);
    }
  });

  test('nobody there is no error', async () => {
    const { server } = await rig(1);
    expect(server.publish('none', 'a')).toEqual({ subscribers: 0, dropped: 0 });
    expect(server.subscriberCount('none')).toBe(0);
  });

  test('subscribing is idempotent, unsubscribing ends it, leaving forgets', async () => {
    const { server, sockets, clients: own } = await rig(2);
    const [first, second] = sockets;
    expect(first?.subscribe('all')).toBe(false);
    expect(first?.subscribe('other')).toBe(true);
    expect(server.subscriberCount('all')).toBe(2);
    expect(second?.unsubscribe('all')).toBe(true);
    expect(second?.unsubscribe('all')).toBe(false);
    expect(server.publish('all', 'a').subscribers).toBe(1);
    own[0]?.ws.terminate();
    await until('the end', () => server.subscriberCount('other') === 0);
    expect(server.subscriberCount('all')).toBe(0);
  });

  test('what was sent to a socket before a publish arrives before it', async () => {
    const { server, sockets, clients: own } = await rig(1);
    sockets[0]?.send('1');
    server.publish('all', '2');
    sockets[0]?.send('3');
    expect(await own[0]?.hears(3)).toEqual(['1', '2', '3']);
  });

  test('a socket whose queue is full is skipped and named, the others hear everything', async () => {
    const { server, sockets, dropped, clients: own } = await rig(2);
    own[0]?.ws.pause();
    const frame = Buffer.alloc(256 * 1024);
    let published = 0;
    await until('the first drop', () => {
      published++;
      return server.publish('all', frame).dropped > 0;
    });
    expect(dropped).toEqual(['0 all']);
    expect(sockets[0]?.pendingBytes).toBeGreaterThanOrEqual(1024 * 1024);
    await own[1]?.hears(published);
    own[0]?.ws.resume();
    await own[0]?.hears(published - 1);
  });
});

describe('closing', () => {
  test('says 1001 to sockets, finishes requests, and frees the port', async () => {
    const server = makeServer();
    let finish: (() => void) | undefined;
    const closes: number[] = [];
    server.websocket('/', { close: (_socket, code) => closes.push(code) });
    server.get('/slow', (_request, response) => {
      finish = () => response.end('done');
    });
    await server.listen();
    const { port } = server;
    const client = await connect(server, '/');
    const answer = fetch(`http://127.0.0.1:${port}/slow`);
    await until('the request', () => finish !== undefined);
    const closed = server.close({ reason: 'restart' });
    expect(await client.ended()).toEqual({ code: 1001, reason: 'restart' });
    finish?.();
    expect(await (await answer).text()).toBe('done');
    await closed;
    expect(closes).toEqual([1001]);
    expect(server.connectionCount).toBe(0);
    await expect(fetch(`http://127.0.0.1:${port}/slow`)).rejects.toThrow();
  });

  test('an idle keep-alive connection does not hold it up', async () => {
    const server = makeServer();
    server.get('/', (_request, response) => response.end('ok'));
    await server.listen();
    await (await fetch(`http://127.0.0.1:${server.port}/`)).text();
    const start = performance.now();
    await server.close({ deadlineMs: 5000 });
    expect(performance.now() - start).toBeLessThan(4000);
  });

  test('drops whoever has not left at the deadline', async () => {
    const server = makeServer({ closeTimeoutMs: 60_000 });
    const closes: number[] = [];
    server.websocket('/', { close: (_socket, code) => closes.push(code) });
    await server.listen();
    const silent = new RawClient(server.port);
    await silent.upgrade('/');
    await server.close({ deadlineMs: 50 });
    await until('the drop', () => silent.isClosed);
    expect(closes).toEqual([1006]);
  });

  test('is the same end when called twice, and before listen()', async () => {
    const server = makeServer();
    await server.listen();
    await Promise.all([server.close(), server.close()]);
    await makeServer().close();
    await expect(server.listen()).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  test('refuses a code that may not be sent, and goes on', async () => {
    const server = makeServer();
    await server.listen();
    await expect(server.close({ code: 1005 })).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
    const client = new RawClient(server.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await client.head()).toMatch(/^HTTP\/1\.1 404/);
    client.destroy();
  });
});

describe('errors', () => {
  test('a port that is taken rejects with the errno', async () => {
    const first = makeServer();
    await first.listen();
    const { createServer: other } = await import('node:net');
    const taken = other().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(makeServer({ port }).listen()).rejects.toMatchObject({
      code: 'ERR_SYSTEM',
      errno: -98,
    });
    taken.close();
  });

  test.each([
    { port: -1 },
    { port: 65_536 },
    { port: 1.5 },
    { queueBytes: 0 },
    { queueBytes: 128 * 1024 * 1024 + 1 },
    { messageBytesMax: Number.NaN },
    { closeTimeoutMs: 0 },
    { headTimeoutMs: 2 ** 31 },
    { trustedProxies: ['nonsense'] },
  ])('createServer refuses %o', (options) => {
    expect(() => createServer(options)).toThrowError(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
  });

  test('a route with a bad bound is refused', () => {
    expect(() => makeServer().websocket('/', { messageBytesMax: 0 })).toThrow();
    expect(() => makeServer().websocket('/', { idleTimeoutMs: -1 })).toThrow();
  });

  test('without onError a handler’s error is raised as uncaught, and the others live on', async () => {
    const server = makeServer();
    server.websocket('/', {
      message: (socket, data) => {
        if (data === 'bad') throw new Error('handler of the test');
        socket.send(data);
      },
    });
    await server.listen();
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const raised: unknown[] = [];
    process.on('uncaughtException', (error) => raised.push(error));
    try {
      const bad = await connect(server, '/');
      const good = await connect(server, '/');
      bad.ws.send('bad');
      good.ws.send('good');
      expect((await bad.ended()).code).toBe(1011);
      expect(await good.hears(1)).toEqual(['good']);
      await until('the error', () => raised.length === 1);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });
});

test('the borrowed slab is not what handlers keep', async () => {
  const server = makeServer();
  const kept: (string | Buffer)[] = [];
  server.websocket('/', { message: (_socket, data) => kept.push(data) });
  await server.listen();
  const raw = new RawClient(server.port);
  await raw.upgrade('/');
  const sent: string[] = [];
  for (let i = 0; i < 50; i++) {
    sent.push(`kept ${i} ${'.'.repeat(i)}`);
    raw.send(clientFrame({ opcode: i % 2 === 0 ? 1 : 2, payload: sent[i] ?? '' }));
    await until('a message', () => kept.length === i + 1);
  }
  expect(kept.map(String)).toEqual(sent);
  raw.destroy();
});
