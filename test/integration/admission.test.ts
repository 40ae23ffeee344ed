// Admission on real sockets: what a refused peer sees, what is free again when somebody leaves, and the
// PROXY header in front of everything.

import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { REFUSALS_LINGERING_MAX } from '../../lib/server/admission/admission.ts';
import { createServer } from '../../lib/server/server.ts';
import type { Server, ServerOptions, ServerSocket } from '../../lib/server/types.ts';
import { HttpClient } from '../support/http-client.ts';
import { LOCALHOST } from '../support/tls-rig.ts';
import { until } from '../support/until.ts';
import { handshakeHead, TestClient } from '../support/websocket-client.ts';

const COUNT_LOOPBACK = { exemptLoopback: false } as const;
const servers: Server[] = [];
const disposals: (() => void)[] = [];

afterEach(async () => {
  for (const dispose of disposals.splice(0)) dispose();
  await Promise.all(servers.splice(0).map((server) => server.close({ deadlineMs: 300 })));
});

async function listening(
  options: ServerOptions,
  prepare: (server: Server) => void = () => undefined,
): Promise<Server> {
  const server = createServer({ host: '127.0.0.1', ...options });
  servers.push(server);
  server.get('/ip', (request, response) => response.end(`${request.ip}\n`));
  prepare(server);
  await server.listen();
  return server;
}

function http(server: Server): HttpClient {
  const client = new HttpClient(server.port);
  disposals.push(() => client.destroy());
  return client;
}

function ws(server: Server, path = '/', headers: Record<string, string> = {}): TestClient {
  const client = new TestClient(`ws://127.0.0.1:${server.port}${path}`, [], { headers });
  disposals.push(() => client.ws.terminate());
  return client;
}

async function ask(client: HttpClient, ...fields: string[]): Promise<string> {
  const before = client.statuses.length;
  client.send(['GET /ip HTTP/1.1', 'Host: a', ...fields].join('\r\n').concat('\r\n\r\n'));
  await until('an answer', () => client.statuses.length > before || client.isClosed);
  return client.text;
}

describe('at the accept', () => {
  test('a denied peer is reset before it is read', async () => {
    const server = await listening({ admission: { deny: ['127.0.0.0/8'] } });
    const client = http(server);
    await until('the reset', () => client.isClosed);
    expect(client.text).toBe('');
    expect(server.stats().admission.denied).toBe(1);
    expect(server.connectionCount).toBe(0);
    server.setAdmission({});
    expect(await ask(http(server))).toContain('127.0.0.1');
  });

  test('a denied peer costs no handshake of TLS', async () => {
    const server = await listening({ tls: LOCALHOST, admission: { deny: ['127.0.0.0/8'] } });
    const options = { host: '127.0.0.1', port: server.port, rejectUnauthorized: false };
    const refused = connectTls(options);
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
    expect(server.stats().admission.denied).toBe(1);
    expect(server.stats().handshakes).toEqual({ completed: 0, failed: 0, timedOut: 0, crowded: 0 });
    server.setAdmission({ allow: ['127.0.0.1'] });
    const admitted = connectTls(options);
    disposals.push(() => admitted.destroy());
    await until('the handshake', () => server.connectionCount === 1);
    server.setAdmission({ allow: ['::1'] });
    await once(connectTls(options), 'error');
    expect(server.stats().admission.denied).toBe(2);
    expect(server.connectionCount).toBe(1);
  });

  test('over the limit of its address a client reads 429 in full, and may return', async () => {
    const server = await listening({ admission: { ...COUNT_LOOPBACK, connectionsPerIp: 2 } });
    const [first, second] = [http(server), http(server)];
    await ask(first);
    await ask(second);
    const third = http(server);
    // The request is on its way while the refusal is: a reset would take the answer away.
    third.send(`GET /ip HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(100_000)}`);
    expect(await third.ended()).toMatch(/^HTTP\/1\.1 429 [\s\S]*Retry-After: 5\r\n/);
    expect(third.errorCode).toBeUndefined();
    first.destroy();
    await until('one to leave', () => server.connectionCount === 1);
    expect((await ask(http(server))).startsWith('HTTP/1.1 200')).toBe(true);
  });

  test('loopback is exempt by default', async () => {
    const server = await listening({ admission: { connectionsPerIp: 1 } });
    const clients = [http(server), http(server), http(server)];
    for (const client of clients) expect((await ask(client)).startsWith('HTTP/1.1 200')).toBe(true);
  });

  test('a full server says 503', async () => {
    const server = await listening({ admission: { connectionsMax: 1 } });
    await ask(http(server));
    expect(await http(server).ended()).toMatch(/^HTTP\/1\.1 503 /);
    expect(server.stats().admission.serverFull).toBe(1);
  });

  test('a flood of refused clients that stay is reset beyond the bound', async () => {
    const server = await listening({ admission: { ...COUNT_LOOPBACK, connectionsPerIp: 1 } });
    await ask(http(server));
    const extra = 20;
    const flood = Array.from({ length: REFUSALS_LINGERING_MAX + extra }, () => http(server));
    await until('resets', () => server.stats().admission.unanswered >= extra);
    expect(server.stats().admission.lingering).toBe(REFUSALS_LINGERING_MAX);
    expect(server.connectionCount).toBe(1);
    for (const client of flood) client.destroy();
    await until('the end of lingering', () => server.stats().admission.lingering === 0);
    expect(server.stats().admission.addresses).toBe(1);
  });

  test('a place is given back however the connection ends', async () => {
    const server = await listening(
      { admission: { ...COUNT_LOOPBACK, connectionsPerIp: 1 }, onError: () => undefined },
      (one) => {
        one.websocket('/', {
          message: () => {
            throw new Error('no luck');
          },
        });
      },
    );
    const free = (): Promise<true> =>
      until('a place', () => server.stats().admission.addresses === 0);
    const reset = http(server);
    await ask(reset);
    reset.reset();
    await free();
    const socket = await ws(server).opened();
    expect(server.stats().admission.addresses).toBe(1);
    socket.ws.send('throw');
    expect((await socket.ended()).code).toBe(1011);
    await free();
    const refused = ws(server, '/missing');
    await refused.opened();
    expect(refused.refusedWith).toBe(404);
    await free();
    const terminated = await ws(server).opened();
    terminated.ws.terminate();
    await free();
  });
});

describe('at the handshake', () => {
  test('rates, origins and places are judged before the upgrade hook', async () => {
    const asked: string[] = [];
    const server = await listening({ admission: { handshakesPerSecond: 1000 } }, (one) => {
      one.websocket('/desk', {
        origins: ['https://desk.example'],
        connectionsMax: 1,
        upgrade: (request) => {
          asked.push(request.path);
          return {};
        },
      });
    });
    const evil = await ws(server, '/desk', { Origin: 'https://evil.example' }).opened();
    expect(evil.refusedWith).toBe(403);
    const desk = await ws(server, '/desk', { Origin: 'https://desk.example' }).opened();
    expect(desk.refusedWith).toBeUndefined();
    const second = await ws(server, '/desk').opened();
    expect(second.refusedWith).toBe(503);
    expect(second.refusedHeaders['retry-after']).toBe('5');
    expect(asked).toEqual(['/desk']);
    desk.ws.close();
    await desk.ended();
    await until('the end', () => server.connectionCount === 0);
    expect((await ws(server, '/desk').opened()).refusedWith).toBeUndefined();
    server.setAdmission({ handshakesPerSecond: 1 });
    await ws(server, '/desk').opened();
    expect((await ws(server, '/desk').opened()).refusedWith).toBe(503);
    expect(server.stats().admission).toMatchObject({ origin: 1, routeFull: 2, handshakeRate: 1 });
    expect(asked.length).toBe(2);
  });

  // Bug: a limit that counts open sockets admits as many as knock while their hooks are waiting.
  test('a handshake that is still being decided holds its place', async () => {
    let decide: (() => void) | undefined;
    const opened: ServerSocket[] = [];
    const server = await listening({}, (one) => {
      one.websocket('/', {
        connectionsPerToken: 1,
        token: (request) => request.header('authorization'),
        upgrade: () =>
          new Promise((resolve) => {
            decide = () => resolve({});
          }),
        open: (socket) => opened.push(socket),
      });
    });
    const headers = { Authorization: 'Bearer one' };
    const first = ws(server, '/', headers);
    await until('the hook', () => decide !== undefined);
    expect((await ws(server, '/', headers).opened()).refusedWith).toBe(429);
    decide?.();
    await first.opened();
    expect(opened.length).toBe(1);
  });

  test('a token function that throws costs 500, and no place', async () => {
    const errors: unknown[] = [];
    const server = await listening({ onError: (error) => errors.push(error) }, (one) => {
      one.websocket('/', {
        connectionsPerToken: 1,
        token: () => {
          throw new Error('no luck');
        },
      });
    });
    expect((await ws(server).opened()).refusedWith).toBe(500);
    expect(errors).toEqual([new Error('no luck')]);
  });
});

describe('behind a trusted proxy', () => {
  const behind = {
    trustedProxies: ['127.0.0.0/8'],
    admission: { connectionsPerIp: 1, deny: ['192.0.2.66'] },
  };

  test('the forwarded address is counted while its request is open', async () => {
    const waiting: (() => void)[] = [];
    const server = await listening(behind, (one) => {
      one.get('/slow', (_request, response) => waiting.push(() => response.end('slow\n')));
    });
    const [first, second] = [http(server), http(server)];
    first.send('GET /slow HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n');
    await until('the slow one', () => waiting.length === 1);
    expect(await ask(second, 'X-Forwarded-For: 192.0.2.2')).toMatch(/192\.0\.2\.2\n$/);
    expect(await ask(second, 'X-Forwarded-For: 192.0.2.1')).toContain('HTTP/1.1 429 ');
    waiting[0]?.();
    await first.says('slow');
    expect(await ask(first, 'X-Forwarded-For: 192.0.2.1')).toMatch(/192\.0\.2\.1\n$/);
    expect(server.stats().admission.addresses).toBe(0);
  });

  test('a socket is counted as long as it is open', async () => {
    const server = await listening(behind, (one) => one.websocket('/', {}));
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    const first = await ws(server, '/', headers).opened();
    expect((await ws(server, '/', headers).opened()).refusedWith).toBe(429);
    expect((await ws(server, '/', { 'X-Forwarded-For': '192.0.2.2' }).opened()).refusedWith).toBe(
      undefined,
    );
    first.ws.terminate();
    await until('a place', () => server.stats().admission.addresses === 1);
    expect((await ws(server, '/', headers).opened()).refusedWith).toBeUndefined();
  });

  test('a denied client gets 403', async () => {
    const server = await listening(behind);
    expect(await ask(http(server), 'X-Forwarded-For: 192.0.2.66')).toContain('HTTP/1.1 403 ');
    expect(await ask(http(server), 'X-Forwarded-For: 192.0.2.67')).toContain('192.0.2.67');
  });

  test('Forwarded is believed where it is configured, and X-Forwarded-For then is not', async () => {
    const server = await listening({ ...behind, forwardedHeader: 'forwarded' });
    const both = ['Forwarded: for="[2001:db8::1]:80"', 'X-Forwarded-For: 192.0.2.9'];
    expect(await ask(http(server), ...both)).toMatch(/2001:db8::1\n$/);
  });
});

describe('with a PROXY header', () => {
  const required = { proxyProtocol: 'required', trustedProxies: ['127.0.0.1'] } as const;
  const V1 = 'PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n';
  const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007109c00002019c4001bb', 'hex');

  async function closed(client: HttpClient): Promise<void> {
    await until('the reset', () => client.isClosed);
    expect(client.text).toBe('');
  }

  test.each([
    ['version 1', Buffer.from(V1)],
    ['version 2', V2],
  ])('the client of %s is request.ip, whatever the pieces', async (_version, header) => {
    const server = await listening(required);
    const whole = http(server).send(header);
    expect(await ask(whole)).toMatch(/203\.0\.113\.9\n$/);
    const pieces = http(server);
    pieces.socket.setNoDelay(true);
    for (const byte of header) {
      pieces.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ask(pieces)).toMatch(/203\.0\.113\.9\n$/);
    expect(await ask(pieces)).toMatch(/203\.0\.113\.9\n$/);
  });

  test('a WebSocket works behind it, and its client is counted', async () => {
    const server = await listening({ ...required, admission: { connectionsPerIp: 1 } }, (one) =>
      one.websocket('/', { open: (socket) => socket.send(socket.request.ip) }),
    );
    const first = http(server).send(V2).send(handshakeHead('/'));
    await first.says('203.0.113.9');
    const second = http(server).send(V1).send(handshakeHead('/'));
    expect(await second.ended()).toMatch(/^HTTP\/1\.1 429 /);
  });

  test('without it, and with a bad one, the connection is reset', async () => {
    const server = await listening(required);
    for (const bytes of ['GET /ip HTTP/1.1\r\nHost: a\r\n\r\n', 'PROXY TCP4 1.1.1.1\r\n']) {
      await closed(http(server).send(bytes));
    }
    expect(server.stats().admission.proxyMalformed).toBe(2);
    expect(server.connectionCount).toBe(0);
  });

  test('others than the proxies are reset', async () => {
    const server = await listening({ ...required, trustedProxies: ['192.0.2.1'] });
    await closed(http(server).send(V1));
    expect(server.stats().admission.proxyUntrusted).toBe(1);
  });

  test('a denied client is reset by the address that the header names', async () => {
    const server = await listening({ ...required, admission: { deny: ['203.0.113.0/24'] } });
    await closed(http(server).send(V1));
    expect(server.stats().admission.denied).toBe(1);
  });

  test('closing the server ends who has brought none yet', async () => {
    const server = await listening(required);
    const client = http(server);
    await once(client.socket, 'connect');
    const ended = closed(client);
    await server.close();
    await ended;
  });

  test('one server may require it in one place and not in another', async () => {
    const server = await listening({ trustedProxies: ['127.0.0.1'] });
    const other = await server.listen({ host: '127.0.0.1', port: 0, proxyProtocol: 'required' });
    const client = new HttpClient(other.port);
    disposals.push(() => client.destroy());
    client.send(V1);
    expect(await ask(client)).toMatch(/203\.0\.113\.9\n$/);
    expect(await ask(http(server))).toMatch(/127\.0\.0\.1\n$/);
  });
});

test.each<[string, ServerOptions]>([
  ['a PROXY header of nobody', { proxyProtocol: 'required' }],
  ['a way to guess', { proxyProtocol: 'auto' as 'off', trustedProxies: ['127.0.0.1'] }],
  ['another field', { forwardedHeader: 'x-real-ip' as 'forwarded' }],
  ['a limit below zero', { admission: { connectionsPerIp: -1 } }],
])('%s is out of range', (_what, options) => {
  expect(() => createServer(options)).toThrow(expect.objectContaining({ code: 'ERR_ARG_RANGE' }));
});
