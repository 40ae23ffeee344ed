// Routes with permessage-deflate on real sockets: every agreement with `ws` as the other side, what is
// compressed and what is not, topics, faults, and that nothing is left when connections are gone.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PerMessageDeflateOptions } from 'ws';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { createServer } from '../../lib/server/server.ts';
import type { DeflateOptions, Server, ServerSocket } from '../../lib/server/types.ts';
import { COMPRESSED, compressedFrame, DeflatePeer, rawFrames } from '../support/deflate-frames.ts';
import { until } from '../support/until.ts';
import { RawClient, TestClient } from '../support/websocket-client.ts';
import { clientClose, clientFrame } from '../support/websocket-frames.ts';

const { deflate: codec } = loadCodec();

let server: Server;
let port: number;
let sockets: ServerSocket[] = [];
let closes: string[] = [];
const clients: TestClient[] = [];
const raws: RawClient[] = [];

beforeEach(() => {
  sockets = [];
  closes = [];
  server = createServer({ host: '127.0.0.1' });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.ws.terminate();
  for (const raw of raws.splice(0)) raw.destroy();
  await server.close({ deadlineMs: 1000 });
  await until('all streams to be freed', () => codec.liveStreams() === 0);
  expect(codec.liveBytes()).toBe(0);
});

async function serve(path: string, deflate: boolean | DeflateOptions): Promise<void> {
  server.websocket(path, {
    deflate,
    messageBytesMax: 2 * 1024 * 1024,
    queueBytes: 8 * 1024 * 1024,
    open: (socket) => {
      sockets.push(socket);
      socket.subscribe('all');
    },
    message: (socket, data) => {
      socket.send(data);
    },
    close: (_socket, code, reason) => {
      closes.push(`${code} ${reason}`.trimEnd());
    },
  });
  port = server.port === 0 ? (await server.listen()).port : server.port;
}

async function open(
  path: string,
  perMessageDeflate: boolean | PerMessageDeflateOptions,
): Promise<TestClient> {
  const client = new TestClient(`ws://127.0.0.1:${port}${path}`, [], { perMessageDeflate });
  clients.push(client);
  await client.opened();
  await until('the open handler', () => sockets.length === clients.length + raws.length);
  return client;
}

const OFFER = 'permessage-deflate; client_max_window_bits';

async function openRaw(
  path: string,
  extensions: string,
): Promise<{ raw: RawClient; head: string }> {
  const raw = new RawClient(port);
  raws.push(raw);
  const head = await raw.upgrade(path, { 'Sec-WebSocket-Extensions': extensions });
  return { raw, head };
}

const MESSAGES: readonly (string | Buffer)[] = [
  '',
  'hello',
  'hello',
  '',
  'grüße 世界 😀 '.repeat(500),
  JSON.stringify({ list: Array.from({ length: 300 }, (_, id) => ({ id, name: `name ${id}` })) }),
  Buffer.alloc(100_000, 'binary '),
  Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7919) & 0xff)),
  'x'.repeat(1_000_000),
];

describe('interoperates with ws', () => {
  const booleans = [true, false];
  const cases = booleans.flatMap((server_) =>
    booleans.flatMap((client) =>
      [15, 10, 8].flatMap((bits) => [
        { serverNoContextTakeover: server_, clientNoContextTakeover: client, bits, asks: false },
        { serverNoContextTakeover: server_, clientNoContextTakeover: client, bits, asks: true },
      ]),
    ),
  );

  test.each(cases)(
    'server_no $serverNoContextTakeover, client_no $clientNoContextTakeover, 2^$bits, asked by the client: $asks',
    async ({ bits, asks, ...takeover }) => {
      const windows = { serverMaxWindowBits: bits, clientMaxWindowBits: Math.max(bits, 9) };
      const own = { threshold: 0, shared: false };
      await serve('/', asks ? own : { ...own, ...takeover, ...windows });
      const offer = asks ? { ...takeover, ...windows, threshold: 0 } : { threshold: 0 };
      const client = await open('/', offer);
      expect(client.ws.extensions).toBe('permessage-deflate');
      const { extensions = '' } = sockets[0] ?? {};
      expect(extensions.includes('server_no')).toBe(takeover.serverNoContextTakeover);
      expect(extensions.includes('client_no')).toBe(takeover.clientNoContextTakeover);
      expect(extensions.includes(`server_max_window_bits=${bits}`)).toBe(bits < 15 || asks);
      for (const message of MESSAGES) client.ws.send(message);
      const heard = await client.hears(MESSAGES.length);
      for (const [i, message] of MESSAGES.entries()) {
        expect(Buffer.compare(Buffer.from(heard[i] ?? ''), Buffer.from(message)), `${i}`).toBe(0);
        expect(typeof heard[i]).toBe(typeof message);
      }
    },
  );

  test('fragments of a compressed message', async () => {
    await serve('/', { threshold: 0, shared: false });
    const client = await open('/', { threshold: 0 });
    client.ws.send('one ', { fin: false });
    client.ws.ping();
    client.ws.send('two ', { fin: false });
    client.ws.send('three', { fin: true });
    expect(await client.hears(1)).toEqual(['one two three']);
  });

  test('who does not offer it is served without it', async () => {
    await serve('/', { threshold: 0 });
    const client = await open('/', false);
    expect([client.ws.extensions, sockets[0]?.extensions]).toEqual(['', '']);
    client.ws.send('plain');
    expect(await client.hears(1)).toEqual(['plain']);
  });
});

describe('the handshake', () => {
  test('a route without deflate does not answer the offer', async () => {
    await serve('/', false);
    const { head } = await openRaw('/', OFFER);
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head).not.toMatch(/extensions/i);
  });

  test('the answer names what was agreed on', async () => {
    await serve('/', true);
    const { head } = await openRaw('/', `x, ${OFFER}`);
    expect(head).toContain(
      'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; ' +
        'client_no_context_takeover\r\n',
    );
  });

  test('an offer that is not well-formed is refused with 400', async () => {
    await serve('/', true);
    const { head } = await openRaw('/', 'permessage-deflate; =');
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each([
    [{ deflate: 'yes' }, 'ERR_ARG_TYPE'],
    [{ deflate: { level: 10 } }, 'ERR_ARG_RANGE'],
    [{ deflate: true, messageBytesMax: 0, stream: () => undefined }, 'ERR_ARG_RANGE'],
  ])('a route with %j is refused', (route, code) => {
    expect(() => server.websocket('/wrong', route as object)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('what is compressed', () => {
  const text = 'to be compressed, '.repeat(20);

  test.each<[string, DeflateOptions, { compress?: boolean } | undefined, number]>([
    ['from the threshold on', { threshold: 360 }, undefined, 0xc1],
    ['not below the threshold', { threshold: 361 }, undefined, 0x81],
    ['below it when asked to', { threshold: 361 }, { compress: true }, 0xc1],
    ['never when asked not to', { threshold: 0 }, { compress: false }, 0x81],
  ])('%s', async (_name, deflate, options, first) => {
    await serve('/', deflate);
    const { raw } = await openRaw('/', OFFER);
    await until('the sockets', () => sockets.length === 1);
    expect(text.length).toBe(360);
    expect(sockets[0]?.send(text, options)).toBe('sent');
    await until('the frame', () => rawFrames(raw.received).length === 1);
    const [frame] = rawFrames(raw.received);
    expect(frame?.first).toBe(first);
    const compressed = first === 0xc1;
    const payload = frame?.payload ?? Buffer.of();
    expect(String(compressed ? new DeflatePeer().inflate(payload) : payload)).toBe(text);
  });

  test('bytes as text, text as bytes, and pings keep their kind', async () => {
    await serve('/', { threshold: 0 });
    const { raw } = await openRaw('/', OFFER);
    await until('the sockets', () => sockets.length === 1);
    sockets[0]?.send(Buffer.from(text), { binary: false });
    sockets[0]?.send(text, { binary: true });
    sockets[0]?.ping(Buffer.from('ping'));
    await until('the frames', () => rawFrames(raw.received).length === 3);
    expect(rawFrames(raw.received).map(({ first }) => first)).toEqual([0xc1, 0xc2, 0x89]);
  });

  test('noise goes as it is when nothing is taken over', async () => {
    await serve('/', { threshold: 0 });
    const { raw } = await openRaw('/', OFFER);
    await until('the sockets', () => sockets.length === 1);
    const noise = Buffer.from(Array.from({ length: 200 }, (_, i) => (i * i * 167 + i * 13) & 0xff));
    sockets[0]?.send(noise);
    sockets[0]?.send('');
    await until('the frames', () => rawFrames(raw.received).length === 2);
    expect(rawFrames(raw.received)).toEqual([
      { first: 0x82, payload: noise },
      { first: 0x81, payload: Buffer.of() },
    ]);
  });

  test('texts before and after keep their order', async () => {
    await serve('/', { threshold: 100 });
    const client = await open('/', true);
    const texts = ['a', 'b', text, 'c', 'd', text, 'é'];
    for (const each of texts) sockets[0]?.send(each);
    expect(await client.hears(texts.length)).toEqual(texts);
  });
});

describe('topics', () => {
  const text = 'published to everybody, '.repeat(100);

  test('everybody gets it: shared, with a context of its own, and without compression', async () => {
    await serve('/shared', { threshold: 0 });
    await serve('/own', { threshold: 0, shared: false });
    await serve('/plain', false);
    const everybody = await Promise.all([
      openRaw('/shared', OFFER),
      openRaw('/shared', `${OFFER}; server_max_window_bits=9`),
      openRaw('/own', OFFER),
      openRaw('/plain', OFFER),
      openRaw('/shared', 'x'),
    ]);
    await until('the sockets', () => sockets.length === 5);
    expect(server.publish('all', text)).toEqual({ subscribers: 5, dropped: 0 });
    const firsts = [];
    for (const { raw } of everybody) {
      await until(
        'the frame',
        () => rawFrames(raw.received).length === 1 && raw.received.length > 20,
      );
      const [frame] = rawFrames(raw.received);
      firsts.push(frame?.first);
      const payload = frame?.payload ?? Buffer.of();
      expect(String(frame?.first === 0xc1 ? new DeflatePeer().inflate(payload) : payload)).toBe(
        text,
      );
    }
    expect(firsts).toEqual([0xc1, 0xc1, 0x81, 0x81, 0x81]);
    // One compressor per agreement, none for those who have not sent or heard anything of their own.
    expect(codec.liveStreams()).toBe(2);
  });

  test('compress: false and texts below the threshold go plain; publishAll mixes', async () => {
    await serve('/', { threshold: 1000 });
    const client = await open('/', true);
    const { raw } = await openRaw('/', OFFER);
    await until('the sockets', () => sockets.length === 2);
    server.publish('all', text, { compress: false });
    server.publish('all', 'short');
    server.publish('all', 'short', { compress: true });
    server.publishAll('all', ['short', text, 'é']);
    server.publish('all', Buffer.from(text));
    await client.hears(7);
    expect(client.received.map(String)).toEqual([text, 'short', 'short', 'short', text, 'é', text]);
    await until('the frames', () => rawFrames(raw.received).length === 7);
    expect(rawFrames(raw.received).map(({ first }) => first)).toEqual([
      0x81, 0x81, 0x81, 0x81, 0xc1, 0x81, 0xc2,
    ]);
  });

  test('who has a context of its own reads what follows a publish', async () => {
    await serve('/', { threshold: 0, shared: false });
    const client = await open('/', { threshold: 0 });
    for (let i = 0; i < 3; i++) {
      sockets[0]?.send(`${text}${i}`);
      server.publish('all', `${i}${text}`);
    }
    const expected = [0, 1, 2].flatMap((i) => [`${text}${i}`, `${i}${text}`]);
    expect(await client.hears(6)).toEqual(expected);
  });
});

describe('faults', () => {
  const faults: readonly [string, Buffer, number, string][] = [
    [
      'corrupt data',
      clientFrame({ rsv: COMPRESSED, payload: Buffer.of(7) }),
      1007,
      'invalid block type',
    ],
    ['invalid text', compressedFrame(Buffer.of(0xff)), 1007, 'invalid UTF-8'],
    ['a message too big', compressedFrame(Buffer.alloc(2 * 1024 * 1024 + 1)), 1009, 'too big'],
    ['RSV1 on a ping', clientFrame({ opcode: 9, rsv: COMPRESSED }), 1002, 'RSV1'],
  ];
  test.each(faults)('%s fails the connection, and says why', async (_name, bytes, code, reason) => {
    await serve('/', { threshold: 0, shared: false });
    const { raw } = await openRaw('/', OFFER);
    raw.send(Buffer.concat([compressedFrame('fine'), bytes, compressedFrame('never read')]));
    const frames = rawFrames(await raw.untilEnd());
    expect(frames.length).toBe(2);
    // Nothing more will be sent or read, though the server still listens for the client's FIN.
    expect(codec.liveStreams()).toBe(0);
    raw.destroy();
    const close = frames[1]?.payload ?? Buffer.of(0, 0);
    expect(close.readUInt16BE(0)).toBe(code);
    expect(close.toString('latin1', 2)).toContain(reason);
    await until('the close', () => closes.length === 1);
  });

  test('RSV1 without an agreement is 1002', async () => {
    await serve('/', true);
    const { raw } = await openRaw('/', 'x');
    raw.send(compressedFrame('not agreed'));
    const [close] = rawFrames(await raw.untilEnd());
    expect(close?.payload.readUInt16BE(0)).toBe(1002);
  });

  test('a connection that is cut inside a message, or dropped by a handler, leaves nothing', async () => {
    await serve('/', { threshold: 0, shared: false });
    await serve('/lent', { threshold: 0 });
    for (const path of ['/', '/lent']) {
      const cut = await openRaw(path, OFFER);
      cut.raw.send(compressedFrame('whole '.repeat(50)).subarray(0, -3));
      const dropped = await openRaw(path, OFFER);
      dropped.raw.send(compressedFrame('echo'));
      await until('the echo', () => dropped.raw.received.length > 0);
    }
    await until('streams of messages in progress', () => codec.liveStreams() >= 6);
    for (const socket of sockets) socket.terminate();
    await until('the close', () => closes.length === 4);
    // What is left is shared: a compressor, and inflaters that wait.
    expect(codec.liveStreams()).toBeLessThanOrEqual(3);
  });

  test('messages that inflate to very much arrive in order, others between them', async () => {
    let received = 0;
    const between: number[] = [];
    server.websocket('/large', { deflate: true, message: () => void received++ });
    server.websocket('/small', { message: () => void between.push(received) });
    ({ port } = await server.listen());
    const large = await openRaw('/large', OFFER);
    const small = await openRaw('/small', 'x');
    const frame = compressedFrame(Buffer.alloc(1024 * 1024), { opcode: 2 });
    // A handler's turn ends after 4 of them, so that the other socket is heard before the last.
    large.raw.send(Buffer.concat(Array.from({ length: 60 }, () => frame)));
    small.raw.send(clientFrame({ payload: 'small' }));
    await until('all messages', () => received === 60 && between.length === 1);
    expect(between[0]).toBeLessThan(60);
    large.raw.send(Buffer.concat([frame, clientClose(1000)]));
    await until('the last message', () => received === 61);
  });

  test('a handler that closes inside a message frees what the message needed', async () => {
    server.websocket('/', { deflate: { shared: false }, message: (socket) => socket.terminate() });
    ({ port } = await server.listen());
    const { raw } = await openRaw('/', OFFER);
    raw.send(Buffer.concat([compressedFrame('one'), compressedFrame('two')]));
    await until('the end', () => raw.isClosed);
    await until('no connection', () => server.connectionCount === 0);
    expect(codec.liveStreams()).toBe(0);
  });
});

test('an idle connection has no memory of zlib, and a closed one gives back what it had', async () => {
  await serve('/', { threshold: 0, shared: false });
  const client = await open('/', true);
  expect(codec.liveBytes()).toBe(0);
  client.ws.send('x'.repeat(5000));
  await client.hears(1);
  expect(codec.liveStreams()).toBe(2);
  const { raw } = await openRaw('/', OFFER);
  raw.send(Buffer.concat([compressedFrame('both'), clientClose(1000)]));
  await raw.untilEnd();
  raw.destroy();
  await until('two streams', () => codec.liveStreams() === 2);
});

const PYTHON = `
import asyncio, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
async def main():
    for bits in (None, 10, 15):
        factory = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits or True)
        async with websockets.connect(sys.argv[1], extensions=[factory], max_size=None) as ws:
            assert [e.name for e in ws.extensions] == ['permessage-deflate']
            for message in ['', 'hello', 'hello', 'grüße 世界 ' * 900, b'bytes ' * 9000, 'x' * 500000]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(['frag', 'men', 'ted'])
            assert await ws.recv() == 'fragmented'
    print('ok')
asyncio.run(main())
`;
const hasWebsockets =
  spawnSync('/usr/bin/python3', ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0;

test.runIf(hasWebsockets).each([true, false])(
  'interoperates with python3-websockets, shared %s',
  async (shared) => {
    await serve('/', { threshold: 0, shared });
    const child = spawn('/usr/bin/python3', ['-c', PYTHON, `ws://127.0.0.1:${port}/`]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => {
        output += String(bytes);
      });
    }
    await once(child, 'close');
    expect(output).toBe('ok\n');
  },
);
