// sluice/ws against npm's ws: the same programs, the same client, the same events in the same order.

import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { DEFLATE_PROGRAMS } from '../support/ws-deflate-programs.ts';
import { SOCKET_PROGRAMS } from '../support/ws-programs.ts';
import {
  type Api,
  type Program,
  run,
  type ServerOptions,
  SLUICE,
  type Way,
  WS,
} from '../support/ws-run.ts';
import { HANDSHAKES, type RawRequest, SERVER_PROGRAMS } from '../support/ws-server-programs.ts';
import { STREAM_PROGRAMS } from '../support/ws-stream-programs.ts';

const WAYS: readonly Way[] = ['port', 'server', 'noServer', 'stream'];

async function compare(program: Program): Promise<void> {
  const ways = WAYS.filter((way) => program.except?.includes(way) !== true);
  const both = await Promise.all(
    ways.map(async (way) => ({
      theirs: { way, ...(await run(WS, way, program)) },
      ours: { way, ...(await run(SLUICE, way, program)) },
    })),
  );
  for (const { theirs, ours } of both) expect(ours).toEqual(theirs);
}

/** What a handshake of these bytes is answered: status and the fields that matter. */
async function shakeHands(
  api: Api,
  request: RawRequest,
  withListener: boolean,
  options: ServerOptions = {},
): Promise<unknown> {
  const wss = new api.WebSocketServer({ ...options, port: 0, host: '127.0.0.1', path: '/path' });
  const seen: unknown[] = [];
  if (withListener) {
    wss.on('wsClientError', (error, socket, { url }) => {
      seen.push(error.constructor.name, url);
      socket.end('HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n');
    });
  }
  wss.on('connection', (socket) => socket.close());
  await new Promise<void>((resolve) => wss.once('listening', resolve));
  const { port } = wss.address() as AddressInfo;
  const { method = 'GET', path = '/path', lines } = request;
  const head = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: Upgrade', ...lines];
  const socket = connect(port, '127.0.0.1');
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
    if (text.includes('\r\n\r\n')) socket.end();
  });
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => wss.close(() => resolve()));
  const answer = text.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? [];
  const kept = answer.filter((line) => /^(HTTP|Upgrade|Connection|Sec-)/.test(line));
  return { seen, answer: kept.sort() };
}

describe('sockets are seen as those of ws', () => {
  test.each(SOCKET_PROGRAMS)('$name', (program) => compare(program));
});

describe('compressed sockets are seen as those of ws', () => {
  test.each(DEFLATE_PROGRAMS)('$name', (program) => compare(program));

  test('an extension that is not well-formed is answered 400', async () => {
    const request = {
      name: '',
      lines: [
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Extensions: permessage-deflate; =',
      ],
    };
    const options = { perMessageDeflate: true };
    const [theirs, ours] = await Promise.all(
      [WS, SLUICE].map((api) => shakeHands(api, request, false, options)),
    );
    expect(ours).toEqual(theirs);
    expect(ours).toMatchObject({ answer: expect.arrayContaining(['HTTP/1.1 400 Bad Request']) });
  });
});

describe('streams are seen as those of ws', () => {
  test.each(STREAM_PROGRAMS)('$name', (program) => compare(program));
});

describe('servers are seen as those of ws', () => {
  test.each(SERVER_PROGRAMS)('$name', (program) => compare(program));

  test.each(HANDSHAKES)('handshake: $name', async (request) => {
    for (const withListener of [false, true]) {
      const [theirs, ours] = await Promise.all(
        [WS, SLUICE].map((api) => shakeHands(api, request, withListener)),
      );
      expect(ours).toEqual(theirs);
    }
  });

  test('on a port of its own, what asks for no WebSocket is told 426, where ws says 400', async () => {
    const request = { name: '', lines: ['Upgrade: h2c'] };
    expect(await shakeHands(SLUICE, request, true)).toMatchObject({
      seen: [],
      answer: expect.arrayContaining(['HTTP/1.1 426 Upgrade Required']),
    });
  });

  test('what may not be given throws', () => {
    const tries: object[] = [
      {},
      { port: 0, noServer: true },
      { noServer: true, server: createServer() },
      { port: 0, server: createServer() },
    ];
    for (const options of tries) {
      for (const { WebSocketServer } of [WS, SLUICE]) {
        expect(() => new WebSocketServer(options)).toThrow(TypeError);
      }
    }
  });

  test.each([
    ['ws', WS],
    ['sluice/ws', SLUICE],
  ])('address() of %s', async (_name, { WebSocketServer }) => {
    const without = new WebSocketServer({ noServer: true });
    expect(() => without.address()).toThrow(Error);
    const http = createServer();
    const attached = new WebSocketServer({ server: http });
    expect(attached.address()).toBe(null);
    const listening = new Promise<void>((resolve) => attached.once('listening', resolve));
    http.listen(0, '127.0.0.1');
    await listening;
    expect(attached.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    await new Promise<void>((resolve) => attached.close(() => resolve()));
    expect(attached.address()).toBe(null);
    await new Promise<void>((resolve) => http.close(() => resolve()));
    await new Promise<void>((resolve) => without.close(() => resolve()));
    const late = await new Promise((resolve) => without.close(resolve));
    expect(late).toBeInstanceOf(Error);
  });

  test.each([
    ['ws', WS],
    ['sluice/ws', SLUICE],
  ])('a port in use is an error of %s', async (_name, { WebSocketServer }) => {
    const first = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise<void>((resolve) => first.once('listening', resolve));
    const { port } = first.address() as AddressInfo;
    const second = new WebSocketServer({ port, host: '127.0.0.1' });
    const error = await new Promise((resolve) => second.once('error', resolve));
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    await new Promise<void>((resolve) => first.close(() => resolve()));
  });
});
