// server.close({ windowMs }): whoever is connected is served on while the window is open.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createServer } from '../../lib/server/server.ts';
import type { Server } from '../../lib/server/types.ts';

let server: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer({ host: '127.0.0.1', port: 0 });
  server.get('/', (_request, response) => response.end('hello'));
  server.websocket('/ws', { message: (socket, data) => socket.send(data) });
  await server.listen();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close({ deadlineMs: 0 });
});

async function open(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [data] = await once(socket, 'data');
  return String(data);
}

async function openWebSocket(): Promise<{ socket: WebSocket; closed: Promise<number> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => resolve(performance.now()));
  });
  await once(socket, 'open');
  return { socket, closed };
}

describe('while the window is open', () => {
  test('a connection without a request yet, and an idle one, get an answer that is the last', async () => {
    const idle = await open();
    expect(await ask(idle)).not.toContain('Connection: close');
    const fresh = await open();
    // Only what the server has accepted is its own.
    while (server.connectionCount < 2) await new Promise((resolve) => setImmediate(resolve));
    const closed = server.close({ windowMs: 5_000 });
    for (const socket of [idle, fresh]) {
      const end = once(socket, 'close');
      expect((await ask(socket)).toLowerCase()).toContain('connection: close');
      await end;
    }
    await closed;
  });

  test('nobody is accepted', async () => {
    const idle = await open();
    await ask(idle);
    const { port } = server;
    const closed = server.close({ windowMs: 5_000 });
    const refused = connect(port, '127.0.0.1');
    const [error] = await once(refused, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    idle.destroy();
    await closed;
  });

  test('sockets go on until their turn comes', async () => {
    const peers = await Promise.all(Array.from({ length: 10 }, openWebSocket));
    const startedAt = performance.now();
    const closed = server.close({ code: 1012, windowMs: 500 });
    const last = peers.map(async ({ socket, closed: end }) => {
      socket.send('still there');
      const [data] = await once(socket, 'message');
      expect(String(data)).toBe('still there');
      return (await end) - startedAt;
    });
    const times = (await Promise.all(last)).sort((a, b) => a - b);
    await closed;
    expect(times[0]).toBeLessThan(200);
    expect(times.at(-1)).toBeGreaterThan(400);
    expect(times.filter((time) => time < 250).length).toBeGreaterThan(2);
    expect(times.filter((time) => time >= 250).length).toBeGreaterThan(2);
  });
});

test('idle connections are closed when it ends', async () => {
  const idle = await open();
  await ask(idle);
  const end = once(idle, 'close');
  const startedAt = performance.now();
  await server.close({ windowMs: 200 });
  await end;
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(190);
});

test('it does not stay open for nobody', async () => {
  const startedAt = performance.now();
  await server.close({ windowMs: 60_000 });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

// Bug: setTimeout takes what is longer than 24 days for a millisecond, and everybody was dropped.
test.each([Number.POSITIVE_INFINITY, 2 ** 31])(
  'a deadline of %d ms is none',
  async (deadlineMs) => {
    let begin: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let finish: (text: string) => void = () => undefined;
    const answer = new Promise<string>((resolve) => {
      finish = resolve;
    });
    server.get('/held', async (_request, response) => {
      begin();
      response.end(await answer);
    });
    const socket = await open();
    socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked;
    const closed = server.close({ deadlineMs });
    // Timers come in their order.
    setTimeout(() => finish('in time'), 10);
    const [data] = await once(socket, 'data');
    expect(String(data)).toContain('in time');
    await closed;
  },
);

test.each([-1, Number.NaN])('a deadline of %d ms is refused', async (deadlineMs) => {
  await expect(server.close({ deadlineMs })).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
});

test.each([-1, 3_600_001, Number.NaN])('a window of %d ms is refused', async (windowMs) => {
  await expect(server.close({ windowMs })).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
});
