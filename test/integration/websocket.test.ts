// WebSocket routes on real sockets: echo, outcomes, closing, pausing, with `ws` as the other side.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../lib/server/server.ts';
import type { Server, ServerSocket, WebSocketRoute } from '../../lib/server/types.ts';
import { until } from '../support/until.ts';
import { TestClient } from '../support/websocket-client.ts';

let server: Server;
let url: string;
let route: WebSocketRoute<{ readonly name: string }>;
const errors: unknown[] = [];
const closes: string[] = [];
let sockets: ServerSocket<{ readonly name: string }>[] = [];
const clients: TestClient[] = [];

beforeEach(async () => {
  errors.length = 0;
  closes.length = 0;
  sockets = [];
  route = {};
  server = createServer({ host: '127.0.0.1', onError: (error) => errors.push(error) });
  server.websocket<{ readonly name: string }>('/echo/:name', {
    queueBytes: 8 * 1024 * 1024,
    messageBytesMax: 4 * 1024 * 1024,
    upgrade(request) {
      return route.upgrade?.(request) ?? { data: { name: request.params['name'] ?? '' } };
    },
    open(socket) {
      sockets.push(socket);
      return route.open?.(socket);
    },
    message(socket, data, isBinary) {
      if (route.message !== undefined) return route.message(socket, data, isBinary);
      socket.send(data);
      return undefined;
    },
    drain: (socket) => route.drain?.(socket),
    ping: (socket, payload) => route.ping?.(socket, payload),
    pong: (socket, payload) => route.pong?.(socket, payload),
    close(socket, code, reason, info) {
      closes.push(`${code} ${reason}`.trimEnd());
      return route.close?.(socket, code, reason, info);
    },
  });
  const { port } = await server.listen();
  url = `ws://127.0.0.1:${port}/echo/ann`;
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.ws.terminate();
  await server.close({ deadlineMs: 1000 });
});

async function connect(): Promise<TestClient> {
  const client = new TestClient(url);
  clients.push(client);
  await client.opened();
  await until('the open handler', () => sockets.length === clients.length);
  return client;
}

describe('messages', () => {
  const texts = [
    '',
    'a',
    'hello',
    'grüße 世界 😀',
    'x'.repeat(125),
    'x'.repeat(126),
    'é'.repeat(125),
    'y'.repeat(70_000),
    '世'.repeat(100_000),
  ];
  test.each(texts.map((text) => [text.length, text] as const))(
    'text of %i units',
    async (_length, text) => {
      const client = await connect();
      client.ws.send(text);
      expect(await client.hears(1)).toEqual([text]);
    },
  );

  test.each([0, 1, 63, 64, 65, 125, 126, 65_535, 65_536, 1_000_000, 4 * 1024 * 1024])(
    'binary of %i bytes',
    async (length) => {
      const client = await connect();
      const data = Buffer.from(Array.from({ length }, (_, i) => (i * 31) & 0xff));
      client.ws.send(data);
      const [echo] = await client.hears(1);
      expect(Buffer.isBuffer(echo) && echo.equals(data)).toBe(true);
    },
  );

  test('many of all kinds keep their order', async () => {
    const client = await connect();
    const sent: (string | Buffer)[] = [];
    for (let i = 0; i < 3000; i++) {
      if (i % 11 === 0) sent.push(Buffer.from([i & 0xff]));
      else if (i % 7 === 0) sent.push(`ü ${i}`);
      else if (i % 97 === 0) sent.push('long '.repeat(300) + i);
      else sent.push(`message ${i}`);
    }
    for (const one of sent) client.ws.send(one);
    expect(await client.hears(sent.length)).toEqual(sent);
  });

  test('fragments, with pings in between', async () => {
    const client = await connect();
    client.ws.send('one ', { fin: false });
    client.ws.ping('p');
    client.ws.send('two ', { fin: false });
    client.ws.send('three', { fin: true });
    expect(await client.hears(1)).toEqual(['one two three']);
  });

  test('data is what the upgrade hook returned', async () => {
    await connect();
    expect(sockets[0]?.data).toEqual({ name: 'ann' });
    expect(sockets[0]?.request.headers['upgrade']).toBe('websocket');
  });

  test('strings can go as binary, and bytes as text', async () => {
    route.message = (socket, data) => {
      socket.send(data.toString(), { binary: true });
      socket.send(Buffer.from(data.toString()), { binary: false });
    };
    const client = await connect();
    client.ws.send('both');
    expect(await client.hears(2)).toEqual([Buffer.from('both'), 'both']);
  });

  test('the order of all kinds of sending within one handler is kept', async () => {
    route.message = (socket) => {
      socket.send('1');
      socket.send(Buffer.from('2'));
      socket.send('3');
      socket.send('4'.repeat(200));
      socket.send('5');
      socket.subscribe('all');
      server.publish('all', '6');
      socket.send('7');
      socket.ping();
      socket.send('8');
      socket.close(4001, 'end');
    };
    const client = await connect();
    client.ws.send('go');
    expect(await client.ended()).toEqual({ code: 4001, reason: 'end' });
    expect(client.received.map((one) => one.toString().charAt(0)).join('')).toBe('12345678');
  });

  test('what is sent outside a handler leaves at once', async () => {
    const client = await connect();
    await new Promise((resolve) => setImmediate(resolve));
    sockets[0]?.send('from outside');
    expect(await client.hears(1)).toEqual(['from outside']);
  });
});

describe('ping and pong', () => {
  test('the client gets its pong and the handlers hear of both', async () => {
    const heard: string[] = [];
    route.ping = (_socket, payload) => heard.push(`ping ${payload}`);
    route.pong = (_socket, payload) => heard.push(`pong ${payload}`);
    const client = await connect();
    const pong = new Promise((resolve) => client.ws.once('pong', (data) => resolve(String(data))));
    client.ws.ping('a');
    expect(await pong).toBe('a');
    expect(sockets[0]?.ping(Buffer.from('b'))).toBe('sent');
    await until('both', () => heard.length === 2);
    expect(heard).toEqual(['ping a', 'pong b']);
  });

  test('a ping above 125 bytes is refused', async () => {
    await connect();
    expect(() => sockets[0]?.ping(Buffer.alloc(126))).toThrow();
  });
});

describe('closing', () => {
  test.each([
    [1000, '', '1000'],
    [1000, 'bye', '1000 bye'],
    [4999, '再见', '4999 再见'],
  ])('the client closes with %i %j', async (code, reason, expected) => {
    const client = await connect();
    client.ws.close(code, reason);
    expect((await client.ended()).code).toBe(code);
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual([expected]);
  });

  test('the client closes without a code: 1005', async () => {
    const client = await connect();
    client.ws.close();
    expect((await client.ended()).code).toBe(1005);
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['1005']);
  });

  test('the client vanishes: 1006', async () => {
    const client = await connect();
    client.ws.terminate();
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['1006']);
    expect(server.connectionCount).toBe(0);
  });

  test('the server closes, and nothing is sent afterwards', async () => {
    const client = await connect();
    const [socket] = sockets;
    socket?.close(4000, 'enough');
    expect(socket?.isOpen).toBe(false);
    expect(socket?.send('late')).toBe('dropped');
    expect(socket?.subscribe('all')).toBe(false);
    expect(await client.ended()).toEqual({ code: 4000, reason: 'enough' });
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['4000 enough']);
    expect(client.received).toEqual([]);
  });

  test('terminate gives the client 1006', async () => {
    const client = await connect();
    sockets[0]?.terminate();
    expect((await client.ended()).code).toBe(1006);
  });

  test('an invalid code throws and leaves the socket open', async () => {
    const client = await connect();
    expect(() => sockets[0]?.close(1006)).toThrow();
    client.ws.send('still here');
    expect(await client.hears(1)).toEqual(['still here']);
  });
});

describe('handlers that fail', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('handler');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('handler');
      },
    ],
  ])('one that %s costs its own connection only', async (_name, message) => {
    const other = await connect();
    const failing = await connect();
    const [, failingSocket] = sockets;
    route.message = (socket, data) => (socket === failingSocket ? message() : socket.send(data));
    failing.ws.send('a');
    other.ws.send('b');
    expect((await failing.ended()).code).toBe(1011);
    expect(await other.hears(1)).toEqual(['b']);
    expect(errors).toHaveLength(1);
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['1011']);
  });

  test('an open handler that throws closes with 1011', async () => {
    route.open = () => {
      throw new Error('open');
    };
    const client = await connect();
    expect((await client.ended()).code).toBe(1011);
    expect(errors).toHaveLength(1);
  });

  test('a close handler that throws is only reported', async () => {
    route.close = () => {
      throw new Error('close');
    };
    const client = await connect();
    client.ws.close();
    await client.ended();
    await until('the error', () => errors.length === 1);
  });
});

describe('slow peers', () => {
  test('send goes from sent over queued to dropped, and drain follows', async () => {
    let drains = 0;
    route.drain = () => drains++;
    const client = await connect();
    client.ws.pause();
    const [socket] = sockets;
    const chunk = Buffer.alloc(256 * 1024, 'x');
    const outcomes = new Set<string>();
    let accepted = 0;
    await until('the first drop', () => {
      const outcome = socket?.send(chunk) ?? 'dropped';
      outcomes.add(outcome);
      if (outcome !== 'dropped') accepted++;
      return outcome === 'dropped';
    });
    expect([...outcomes]).toEqual(expect.arrayContaining(['queued', 'dropped']));
    expect(socket?.pendingBytes).toBeGreaterThanOrEqual(8 * 1024 * 1024);
    expect(socket?.isOpen).toBe(true);
    client.ws.resume();
    await client.hears(accepted);
    await until('drain', () => drains > 0);
    expect(socket?.send('again')).toBe('sent');
  });
});

describe('pause and resume', () => {
  test('nothing arrives while paused, everything afterwards, in order', async () => {
    const heard: string[] = [];
    route.message = (socket, data) => {
      heard.push(String(data));
      if (data === '2') socket.pause();
    };
    const client = await connect();
    for (let i = 0; i < 10; i++) client.ws.send(String(i));
    await until('the pause', () => heard.includes('2'));
    client.ws.send('10');
    await new Promise((resolve) => client.ws.send('11', resolve));
    expect(heard).toEqual(['0', '1', '2']);
    sockets[0]?.resume();
    await until('the rest', () => heard.length === 12);
    expect(heard).toEqual(Array.from({ length: 12 }, (_, i) => String(i)));
  });
});

test('a peer that resets while nothing is read is gone at once', async () => {
  const client = await connect();
  sockets[0]?.pause();
  client.ws.pause();
  (client.ws as unknown as { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy();
  await until('the close', () => closes.length === 1);
  expect([closes, sockets[0]?.isOpen]).toEqual([['1006'], false]);
});

describe('what is neither text nor bytes', () => {
  const WRONG = [
    { a: 1 },
    { length: 3.5 },
    { length: -5 },
    7,
    null,
    undefined,
    true,
    [1, 2],
    () => 1,
  ];

  test('is refused, and costs no byte of what others are sent in the same turn', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const secret = 'ALICE-SECRET'.repeat(20);
    const refused: unknown[] = [];
    setImmediate(() => {
      sockets[0]?.send(secret);
      for (const wrong of WRONG) {
        for (const call of [
          () => sockets[1]?.send(wrong as unknown as string),
          () => sockets[1]?.send(wrong as unknown as string, { key: 'k' }),
          () => sockets[1]?.send(wrong as unknown as string, { binary: true }),
          () => wrong !== undefined && sockets[1]?.ping(wrong as unknown as string),
          () => server.publish('topic', wrong as unknown as string),
        ]) {
          try {
            refused.push(call());
          } catch (error) {
            refused.push((error as { readonly code?: unknown }).code);
          }
        }
      }
      sockets[1]?.send('for bob');
    });
    await Promise.all([alice.hears(1), bob.hears(1)]);
    expect(alice.received).toEqual([secret]);
    expect(bob.received).toEqual(['for bob']);
    expect(refused).toHaveLength(WRONG.length * 5);
    expect(new Set(refused)).toEqual(new Set(['ERR_ARG_TYPE', false]));
    expect(refused.filter((code) => code === false)).toHaveLength(1);
    expect(() => server.publishAll('topic', ['a', 7 as unknown as string])).toThrow(/strings/);
  });

  test('bytes may lie in any view', async () => {
    const client = await connect();
    const whole = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    const [socket] = sockets;
    socket?.send(whole.buffer);
    socket?.send(new Uint16Array(whole.buffer, 2, 2));
    socket?.send(new DataView(whole.buffer, 1, 3), { key: 'k' });
    socket?.send(new Uint8Array(new SharedArrayBuffer(2)));
    server.publish('nobody', new Float64Array(whole.buffer));
    await client.hears(4);
    const bytes = client.received.map((message) => [...(message as Buffer)]);
    expect(bytes).toEqual([[...whole], [3, 4, 5, 6], [2, 3, 4], [0, 0]]);
  });

  test('as a reason leaves the socket open', async () => {
    const client = await connect();
    const reason = Buffer.from('bye') as unknown as string;
    expect(() => sockets[0]?.close(1000, reason)).toThrow(/reason is a string/);
    expect(sockets[0]?.isOpen).toBe(true);
    sockets[0]?.send('still here');
    await client.hears(1);
  });
});

test('an upgrade hook may return a promise of any library', async () => {
  route.upgrade = () =>
    ({
      // biome-ignore lint/suspicious/noThenProperty: that is what it is about
      then: (resolve: (decision: object) => void) => resolve({ reject: 401 }),
    }) as unknown as Promise<{ reject: number }>;
  const client = new TestClient(url);
  clients.push(client);
  await until('the refusal', () => client.refusedWith !== undefined);
  expect(client.refusedWith).toBe(401);
  expect(sockets).toEqual([]);
});
