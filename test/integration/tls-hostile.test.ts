// What peers do wrong, or on purpose: none of it reaches a handler, harms a neighbour or stays behind.

import { createHash, createPrivateKey, sign } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { closed, TlsRig, type TlsRigOptions } from '../support/tls-rig.ts';
import { until } from '../support/until.ts';

const rigs: TlsRig[] = [];
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function start(options: TlsRigOptions = {}): Promise<TlsRig> {
  const rig = new TlsRig(options);
  rigs.push(rig);
  return rig.start();
}

/** A client's first flight, as node:tls writes it. */
async function clientHello(): Promise<Buffer> {
  const { PassThrough, Duplex } = await import('node:stream');
  const out = new PassThrough();
  const wire = Duplex.from({ writable: out, readable: new PassThrough() });
  const client = connectTls({ socket: wire, rejectUnauthorized: false });
  client.on('error', () => undefined);
  const [hello] = await once(out, 'data');
  client.destroy();
  return hello as Buffer;
}

async function healthy(rig: TlsRig): Promise<void> {
  expect(await rig.get('/')).toBe('hello');
}

const NOTHING_OPEN = { channels: 0 };

describe('a handshake that fails', () => {
  const texts: readonly { name: string; bytes: Buffer }[] = [
    { name: 'plain HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
    { name: 'zeros', bytes: Buffer.alloc(1000) },
    { name: 'records of alerts', bytes: Buffer.from('15030300020100'.repeat(100), 'hex') },
    {
      name: 'a record longer than any',
      bytes: Buffer.from(`160301ffff${'00'.repeat(70_000)}`, 'hex'),
    },
    { name: 'SSL 2', bytes: Buffer.from(`802e01000200150000001000${'00'.repeat(36)}`, 'hex') },
    { name: 'a version nobody speaks', bytes: Buffer.from('16030100050100000100', 'hex') },
  ];

  test.each(texts)('$name is counted and closed', async ({ bytes }) => {
    const rig = await start();
    const socket = await rig.raw();
    socket.write(bytes);
    await closed(socket);
    await until('the count', () => rig.loop.tlsCounts().failed === 1);
    expect(rig.server.connectionCount).toBe(0);
    expect(loadCodec().tlsLiveCounts()).toMatchObject(NOTHING_OPEN);
    await healthy(rig);
  });

  test('says why by an alert', async () => {
    const rig = await start();
    const socket = rig.begin({ ALPNProtocols: ['h2'] });
    expect(await closed(socket)).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
  });

  test('an old version is refused', async () => {
    const rig = await start({ tls: { minVersion: 'TLSv1.3' } });
    expect(await closed(rig.begin({ maxVersion: 'TLSv1.2' }))).toMatch(/PROTOCOL_VERSION/);
    await healthy(rig);
  });

  test('ends by close or reset in its middle, after each half of a hello', async () => {
    const rig = await start();
    const hello = await clientHello();
    for (const count of [0, 1, 5, 6, 100, hello.length - 1, hello.length]) {
      for (const way of ['end', 'resetAndDestroy'] as const) {
        const socket = await rig.raw();
        if (count > 0) socket.write(hello.subarray(0, count));
        await new Promise((resolve) => setTimeout(resolve, 2));
        socket[way]();
        await closed(socket);
      }
    }
    await until('all of them', () => rig.loop.tlsCounts().failed === 14);
    await healthy(rig);
    expect(rig.loop.tlsCounts()).toEqual({ completed: 1, failed: 14, timedOut: 0, crowded: 0 });
  });
});

describe('a handshake that does not go on', () => {
  const tls = { handshakeTimeoutMs: 200 };

  test('is ended by the timeout, whether silent or half', async () => {
    const rig = await start({ tls });
    const silent = await rig.raw();
    const half = await rig.raw();
    half.write((await clientHello()).subarray(0, 50));
    const began = performance.now();
    await Promise.all([closed(silent), closed(half)]);
    expect(performance.now() - began).toBeGreaterThan(100);
    expect(rig.loop.tlsCounts()).toEqual({ completed: 0, failed: 0, timedOut: 2, crowded: 0 });
    await healthy(rig);
  });

  test('does not live longer for being fed a byte at a time', async () => {
    const rig = await start({ tls });
    const hello = await clientHello();
    const socket = await rig.raw();
    let at = 0;
    const timer = setInterval(() => socket.write(hello.subarray(at, ++at)), 10);
    await closed(socket);
    clearInterval(timer);
    expect(at).toBeLessThan(100);
    expect(rig.loop.tlsCounts().timedOut).toBe(1);
  });

  test('does not end what has completed', async () => {
    const rig = await start({ tls });
    const client = await rig.client().opened();
    // Begun later, and over its time: whatever ends handshakes has had its turn.
    await closed(await rig.raw());
    expect(rig.loop.tlsCounts().timedOut).toBe(1);
    client.ws.send('still here');
    expect(await client.hears(1)).toEqual(['still here']);
  });

  test('does not keep others out for good: they wait for a place', async () => {
    const rig = await start({ tls: { ...tls, handshakesMax: 4 } });
    const neighbour = await rig.client().opened();
    const silent: Socket[] = [];
    for (let i = 0; i < 4; i++) silent.push(await rig.raw());
    await until('four places taken', () => loadCodec().tlsLiveCounts().channels === 5);
    const waiting = rig.get('/');
    // Connected behind it; then the loop turns for somebody else.
    silent.push(await rig.raw());
    neighbour.ws.send('a turn of the loop');
    await neighbour.hears(1);
    expect(loadCodec().tlsLiveCounts().channels).toBe(5);
    silent[0]?.destroy();
    expect(await waiting).toBe('hello');
  });

  // Bug: whoever opened connections and said nothing kept everybody else out for the timeout.
  test('gives way to others when it is silent, and to nobody when it has begun', async () => {
    const rig = await start({ tls: { handshakesMax: 2 } });
    await rig.raw();
    const half = await rig.raw();
    half.write((await clientHello()).subarray(0, 50));
    expect(await rig.get('/')).toBe('hello');
    expect(rig.loop.tlsCounts()).toMatchObject({ failed: 0, timedOut: 0, crowded: 1 });
    expect(rig.server.stats().handshakes.crowded).toBe(1);
    expect(half.readyState).toBe('open');
  });

  test('takes no more than a share of the places for one address', async () => {
    const rig = await start({ tls: { handshakesMax: 32 } });
    // A reset may be faster than the news of the connection.
    await Promise.allSettled(Array.from({ length: 40 }, () => rig.raw('127.0.0.2')));
    await until('those beyond 16', () => rig.loop.tlsCounts().crowded === 40 - 16);
    await healthy(rig);
    expect(loadCodec().tlsLiveCounts().channels).toBeGreaterThanOrEqual(16);
    expect(rig.loop.tlsCounts()).toMatchObject({ completed: 1, failed: 0, timedOut: 0 });
  });
});

test('a hundred handshakes at once all complete', async () => {
  const rig = await start({ tls: { handshakesMax: 20 } });
  const addresses = Array.from({ length: 100 }, (_, i) => `127.0.0.${2 + (i % 10)}`);
  const sockets = await Promise.all(
    addresses.map(async (address) => rig.connect({ socket: await rig.raw(address) })),
  );
  expect(sockets.every((socket) => socket.authorized)).toBe(true);
  // A client of TLS 1.3 is done before the server is.
  await until('the servers side', () => rig.loop.tlsCounts().completed >= 100);
  expect(rig.loop.tlsCounts()).toEqual({ completed: 100, failed: 0, timedOut: 0, crowded: 0 });
});

describe('an open connection', () => {
  /** The same keys, without TLS in between: what is written below arrives as it is. */
  async function below(rig: TlsRig): Promise<{ wire: Socket; ended: Promise<unknown> }> {
    const wire = await rig.raw();
    const socket = connectTls({ ...rig.trust, socket: wire });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    return { wire, ended: closed(wire) };
  }

  test.each([
    ['garbage', Buffer.from('this is not a record at all')],
    ['a record that nobody sealed', Buffer.from(`1703030030${'ab'.repeat(48)}`, 'hex')],
  ])('is closed for %s, and only it', async (_name, bytes) => {
    const rig = await start();
    const neighbour = await rig.client().opened();
    const { wire, ended } = await below(rig);
    wire.write(bytes);
    await ended;
    await until('its end', () => rig.server.connectionCount === 1);
    neighbour.ws.send('fine');
    expect(await neighbour.hears(1)).toEqual(['fine']);
  });

  test('a body that ends with the connection, but without close_notify, is cut', async () => {
    const rig = await start();
    const ends: string[] = [];
    let hasBegun = false;
    rig.server.post('/', async (request, response) => {
      hasBegun = true;
      await request.bytes().then(
        () => ends.push('whole'),
        () => ends.push('cut'),
      );
      response.end();
    });
    const wire = await rig.raw();
    const socket = connectTls({ ...rig.trust, socket: wire });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfive.');
    await until('the handler', () => hasBegun);
    wire.end();
    await until('the end', () => ends.length > 0);
    expect(ends).toEqual(['cut']);
  });

  test('renegotiation is refused', async () => {
    const rig = await start();
    const socket = await rig.connect({ maxVersion: 'TLSv1.2' });
    const ended = closed(socket);
    // The client gives up when it hears no_renegotiation.
    const refused = await new Promise<Error | null>((resolve) => {
      const started = socket.renegotiate({}, (error) => resolve(error));
      if (started === false) resolve(new Error('not started'));
      socket.once('close', () => resolve(new Error('closed')));
    });
    expect(refused).not.toBeNull();
    socket.destroy();
    await ended;
    await healthy(rig);
  });

  test('is not disturbed by errors that node:crypto leaves behind, nor leaves any', async () => {
    const rig = await start();
    const client = await rig.client().opened();
    for (let i = 0; i < 50; i++) {
      expect(() =>
        createPrivateKey('-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----'),
      ).toThrow();
      client.ws.send(`round ${i}`);
      await client.hears(i + 1);
      const raw = await rig.raw();
      raw.end('garbage');
      await closed(raw);
      const signature = sign('sha256', Buffer.from('x'), rig.identity.key);
      expect(createHash('sha256').update(signature).digest().length).toBe(32);
    }
    expect(client.closed).toBeUndefined();
  });
});

test('behind a proxy the PROXY header comes first, then TLS, and its address is the client', async () => {
  const rig = await start({ proxyProtocol: 'required', trustedProxies: ['127.0.0.1'] });
  rig.server.get('/ip', (request, response) => response.end(`${request.ip} ${request.secure}`));
  const wire = await rig.raw();
  wire.write('PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n');
  const socket = connectTls({ ...rig.trust, socket: wire });
  await once(socket, 'secureConnect');
  socket.write('GET /ip HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(String((await once(socket, 'data'))[0])).toContain('203.0.113.9 true');
  const without = rig.begin();
  expect(await closed(without)).toBe('ECONNRESET');
  expect(rig.loop.tlsCounts()).toEqual({ completed: 1, failed: 0, timedOut: 0, crowded: 0 });
});

test('a closed listener does not answer those who were in the middle of a handshake', async () => {
  const rig = await start();
  const spare = await rig.server.listen({ host: '127.0.0.1', port: 0, tls: rig.identity });
  const first = await rig.connect({ port: spare.port });
  await until('the first', () => rig.loop.tlsCounts().completed === 1);
  const half = connectTls({ ...rig.trust, port: spare.port });
  half.on('error', () => undefined);
  spare.close();
  await closed(half);
  first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(String((await once(first, 'data'))[0])).toContain('hello');
  await healthy(rig);
});
