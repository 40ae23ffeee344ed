// Hostile and unusual peers on bare sockets: bad handshakes, bad frames, half-closing, silence.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '../../lib/server/server.ts';
import type { Server, ServerSocket } from '../../lib/server/types.ts';
import { until } from '../support/until.ts';
import { handshakeHead, RawClient } from '../support/websocket-client.ts';
import { clientClose, clientFrame, describeServerFrames } from '../support/websocket-frames.ts';

let server: Server;
let port: number;
let sockets: ServerSocket[] = [];
let closes: string[] = [];
let messages: string[] = [];
const errors: unknown[] = [];
const clients: RawClient[] = [];
let release: (() => void) | undefined;

beforeEach(async () => {
  sockets = [];
  closes = [];
  messages = [];
  errors.length = 0;
  server = createServer({
    host: '127.0.0.1',
    handshakeTimeoutMs: 150,
    closeTimeoutMs: 150,
    onError: (error) => errors.push(error),
  });
  const handlers = {
    open: (socket: ServerSocket) => sockets.push(socket),
    message: (socket: ServerSocket, data: string | Buffer) => {
      messages.push(String(data));
      socket.send(data);
    },
    close: (_socket: ServerSocket, code: number, reason: string) =>
      closes.push(`${code} ${reason}`.trimEnd()),
  };
  server.websocket('/ws', { ...handlers, messageBytesMax: 1000 });
  server.websocket('/idle', { ...handlers, idleTimeoutMs: 100 });
  server.websocket('/protocol', {
    ...handlers,
    upgrade: (request) => ({
      protocol: request.query.get('p') ?? '',
      headers: { 'X-Extra': 'yes' },
    }),
  });
  server.websocket('/reject', {
    ...handlers,
    upgrade: async (request) => ({
      reject: Number(request.query.get('status')),
      headers: { 'WWW-Authenticate': 'Bearer' },
      body: 'no',
    }),
  });
  server.websocket('/slow', {
    ...handlers,
    upgrade: () =>
      new Promise((resolve) => {
        release = () => resolve({});
      }),
  });
  server.websocket('/throw', {
    ...handlers,
    upgrade: () => {
      throw new Error('hook');
    },
  });
  server.websocket('/inject', { ...handlers, upgrade: () => ({ headers: { X: 'a\r\nY: b' } }) });
  server.get('/plain', (_request, response) => response.end('plain'));
  port = (await server.listen()).port;
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.close({ deadlineMs: 500 });
});

function connect(): RawClient {
  const client = new RawClient(port);
  clients.push(client);
  return client;
}

async function upgraded(path = '/ws'): Promise<RawClient> {
  const client = connect();
  expect(await client.upgrade(path)).toMatch(/^HTTP\/1\.1 101 /);
  return client;
}

describe('handshakes', () => {
  test('the answer of RFC 6455 section 1.3', async () => {
    const head = await connect().upgrade('/ws');
    expect(head).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
    expect(head).not.toMatch(/sec-websocket-(protocol|extensions)/i);
  });

  test.each([
    ['another version', '/ws', { 'Sec-WebSocket-Version': '8' }, 426],
    ['a bad key', '/ws', { 'Sec-WebSocket-Key': 'short' }, 400],
    ['no key', '/ws', { 'Sec-WebSocket-Key': undefined }, 400],
    ['a body', '/ws', { 'Content-Length': '3' }, 400],
    ['a bad subprotocol', '/ws', { 'Sec-WebSocket-Protocol': 'a,,b' }, 400],
    ['an unknown path', '/nowhere', {}, 404],
    ['a hook that throws', '/throw', {}, 500],
    ['a header that would split the head', '/inject', {}, 500],
    ['a protocol that was not offered', '/protocol?p=chat', {}, 500],
    ['a rejection', '/reject?status=401', {}, 401],
    ['a rejection with a status that is none', '/reject?status=200', {}, 500],
  ])('%s', async (_name, path, changes, status) => {
    const client = connect();
    const head = await client.upgrade(path, changes);
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(errors.length > 0).toBe(status === 500);
    if (status === 401) expect(head).toMatch(/www-authenticate: Bearer/i);
    if (status === 426) expect(head).toMatch(/sec-websocket-version: 13/i);
    client.destroy();
    await until('the end', () => server.connectionCount === 0);
    expect(sockets).toEqual([]);
  });

  test.each([
    ['POST', 'POST /ws HTTP/1.1', 405],
    ['HTTP/1.0', 'GET /ws HTTP/1.0', 426],
  ])('%s', async (_name, firstLine, status) => {
    const client = connect();
    client.send(handshakeHead('/ws', {}, firstLine));
    expect(await client.head()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  test('a plain request to the path is told to upgrade, other routes live on', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/ws`);
    expect(answer.status).toBe(426);
    expect(answer.headers.get('upgrade')).toBe('websocket');
    expect(await (await fetch(`http://127.0.0.1:${port}/plain`)).text()).toBe('plain');
  });

  test('the hook chooses one of the offered subprotocols and adds headers', async () => {
    const head = await connect().upgrade('/protocol?p=b', { 'Sec-WebSocket-Protocol': 'a, b' });
    expect(head).toContain('\r\nSec-WebSocket-Protocol: b\r\n');
    expect(head).toContain('\r\nX-Extra: yes\r\n');
    await until('open', () => sockets.length === 1);
    expect(sockets[0]?.protocol).toBe('b');
  });

  test('frames that come with the head are messages', async () => {
    const client = connect();
    client.send(
      Buffer.concat([Buffer.from(handshakeHead('/ws')), clientFrame({ payload: 'early' })]),
    );
    await client.head();
    expect(describeServerFrames(await client.hears(7))).toEqual(['text early']);
  });

  test('frames that come while the hook decides are messages afterwards', async () => {
    const client = connect();
    client.send(
      Buffer.concat([Buffer.from(handshakeHead('/slow')), clientFrame({ payload: 'early' })]),
    );
    await until('the hook', () => release !== undefined);
    client.send(clientFrame({ payload: 'later' }));
    expect(messages).toEqual([]);
    release?.();
    await client.head();
    expect(describeServerFrames(await client.hears(14))).toEqual(['text early', 'text later']);
  });

  test('a hook that does not decide in time is answered for it', async () => {
    const client = connect();
    expect(await client.upgrade('/slow')).toMatch(/^HTTP\/1\.1 50[34] /);
    release?.();
    client.destroy();
    await until('the end', () => server.connectionCount === 0);
    expect(sockets).toEqual([]);
  });

  test('a client that leaves while the hook decides is never opened', async () => {
    const client = connect();
    client.send(handshakeHead('/slow'));
    await until('the hook', () => release !== undefined);
    client.socket.resetAndDestroy();
    release?.();
    await until('the end', () => server.connectionCount === 0);
    expect(errors).toEqual([]);
    expect(closes.length).toBe(sockets.length);
  });
});

describe('frames', () => {
  const long = (count: number): Buffer => clientFrame({ payload: 'x'.repeat(count) });
  test.each([
    ['no mask', clientFrame({ mask: false, payload: 'a' }), '1002'],
    ['a reserved bit', clientFrame({ rsv: 4 }), '1002'],
    ['a reserved opcode', clientFrame({ opcode: 5 }), '1002'],
    ['a long control frame', clientFrame({ opcode: 9, payload: Buffer.alloc(126) }), '1002'],
    ['a continuation of nothing', clientFrame({ opcode: 0 }), '1002'],
    ['a length in a longer form', clientFrame({ payload: 'a', lengthForm: 16 }), '1002'],
    ['invalid UTF-8', clientFrame({ payload: Buffer.of(0xc0, 0x80) }), '1007'],
    ['a message too big', long(1001), '1009'],
    ['a header that promises too much', clientFrame({ announced: 1n << 40n }), '1009'],
    ['a close code that may not be sent', clientClose(1005), '1002'],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '1002'],
  ])('%s is answered and the connection ends', async (_name, bytes, code) => {
    const client = await upgraded();
    client.send(bytes);
    const frames = describeServerFrames(await client.untilEnd());
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatch(new RegExp(`^close ${code}`));
    client.destroy();
    await until('the close handler', () => closes.length === 1);
    expect(closes[0]).toMatch(new RegExp(`^${code}`));
  });

  test('at the limit a message passes', async () => {
    const client = await upgraded();
    client.send(long(1000));
    expect(describeServerFrames(await client.hears(1004))[0]).toHaveLength(1005);
  });

  test('the answer arrives although the peer goes on sending', async () => {
    const client = await upgraded();
    client.send(long(1001));
    for (let i = 0; i < 50; i++) client.send(Buffer.alloc(10_000));
    expect(describeServerFrames(await client.untilEnd())[0]).toMatch(/^close 1009/);
  });

  test('a neighbour in the same tick is not touched', async () => {
    const good = await upgraded();
    const bad = await upgraded();
    bad.send(Buffer.of(0xff));
    good.send(clientFrame({ payload: 'fine' }));
    expect(describeServerFrames(await good.hears(6))).toEqual(['text fine']);
  });
});

describe('ends', () => {
  test('the close frame is answered, then FIN', async () => {
    const client = await upgraded();
    client.send(clientClose(1000, 'bye'));
    expect(describeServerFrames(await client.untilEnd())).toEqual(['close 1000']);
    client.socket.end();
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['1000 bye']);
  });

  test('messages behind a close frame are not delivered', async () => {
    const client = await upgraded();
    client.send(
      Buffer.concat([clientFrame({ payload: 'a' }), clientClose(), clientFrame({ payload: 'b' })]),
    );
    await client.untilEnd();
    expect(messages).toEqual(['a']);
  });

  test('FIN without a close frame is 1006', async () => {
    const client = await upgraded();
    client.socket.end();
    await client.untilEnd();
    await until('the close handler', () => closes.length === 1);
    expect(closes).toEqual(['1006']);
  });

  test('a peer that does not answer our close is dropped', async () => {
    const client = await upgraded();
    await until('open', () => sockets.length === 1);
    sockets[0]?.close(4000);
    await until('the drop', () => client.isClosed);
    expect(closes).toEqual(['1006']);
  });
});

describe('idle time', () => {
  test('a silent peer is pinged and then dropped', async () => {
    const client = await upgraded('/idle');
    expect(describeServerFrames(await client.hears(2))).toEqual(['ping']);
    await until('the drop', () => client.isClosed);
    expect(closes).toEqual(['1006']);
  });

  test('a peer that answers stays', async () => {
    const client = await upgraded('/idle');
    for (let pings = 1; pings <= 3; pings++) {
      await client.hears(2 * pings);
      client.send(clientFrame({ opcode: 10 }));
    }
    expect(closes).toEqual([]);
    expect(sockets[0]?.isOpen).toBe(true);
  });
});
