// https and wss as clients see them, over both versions: whole messages, backpressure, order, ends.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { afterEach, describe, expect, test } from 'vitest';
import { exchange, TlsRig, type TlsRigOptions } from '../support/tls-rig.ts';
import { until } from '../support/until.ts';

const rigs: TlsRig[] = [];
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function start(
  options: TlsRigOptions = {},
  prepare?: (rig: TlsRig) => void,
): Promise<TlsRig> {
  const rig = new TlsRig(options);
  rigs.push(rig);
  prepare?.(rig);
  return rig.start();
}

/** Another's program: the sanitizers of a run that has them are not for it. */
function foreign(program: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const { LD_PRELOAD: _sanitizers, ...env } = process.env;
  return spawn(program, args, { env });
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

describe.each(VERSIONS)('%s', (version) => {
  const only = { minVersion: version, maxVersion: version } as const;

  test('answers a request and tells the handler what was agreed on', async () => {
    const rig = await start();
    const told = JSON.parse(await rig.get('/tls', { ...only, ALPNProtocols: ['h2', 'http/1.1'] }));
    expect(told).toEqual({
      secure: true,
      tls: {
        protocol: version,
        cipher: expect.stringMatching(/^TLS_(ECDHE_ECDSA_WITH_)?AES_128_GCM_SHA256$/),
        alpnProtocol: 'http/1.1',
        resumed: false,
        serverName: 'localhost',
      },
    });
  });

  test('keeps a connection for many requests', async () => {
    const rig = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ...only });
    for (let i = 0; i < 20; i++) {
      const call = request({ ...rig.trust, agent, path: '/' }).end();
      const [answer] = await once(call, 'response');
      let text = '';
      for await (const chunk of answer) text += chunk;
      expect(text).toBe('hello');
    }
    expect(rig.loop.tlsCounts().completed).toBe(1);
    agent.destroy();
  });

  test.each([0, 1, 125, 16_383, 16_384, 16_385, 200_000, 5_000_000])(
    'echoes a message of %i bytes',
    async (length) => {
      const rig = await start({ messageBytesMax: 8_000_000, queueBytes: 16_000_000 });
      const client = await rig.client({ ...only }).opened();
      const message = randomBytes(length);
      client.ws.send(message);
      const [answer] = await client.hears(1);
      expect((answer as Buffer).equals(message)).toBe(true);
    },
  );

  test('keeps the order of many small messages that come in one read', async () => {
    const rig = await start();
    const client = await rig.client({ ...only }).opened();
    const texts = Array.from({ length: 2000 }, (_, i) => `message ${i}`);
    for (const text of texts) client.ws.send(text);
    expect(await client.hears(texts.length)).toEqual(texts);
  });

  test('what waits while a socket is paused comes after resume, all of it', async () => {
    let resume = (): void => undefined;
    const rig = await start({ messageBytesMax: 2_000_000 }, ({ server }) => {
      server.websocket('/slow', {
        open: (socket) => {
          socket.pause();
          resume = () => socket.resume();
        },
        message: (socket, data) => socket.send(String(data.length)),
      });
    });
    const client = await rig.client({ ...only }, '/slow').opened();
    for (let i = 0; i < 30; i++) client.ws.send(Buffer.alloc(100_000 + i));
    // Whoever comes later is served meanwhile.
    const neighbour = await rig.client().opened();
    neighbour.ws.send('hello');
    await neighbour.hears(1);
    expect(client.received).toEqual([]);
    resume();
    expect(await client.hears(30)).toEqual(Array.from({ length: 30 }, (_, i) => `${100_000 + i}`));
  });

  test('a client that reads late gets everything, and the bytes are counted meanwhile', async () => {
    const length = 6_000_000;
    const body = randomBytes(length);
    let pending = 0;
    const rig = await start({}, ({ server, loop }) => {
      server.get('/large', (_request, response) => {
        response.end(body);
        setTimeout(() => {
          pending = loop.queuedBytes;
        }, 20);
      });
    });
    const socket = await rig.connect(only);
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await until('bytes that wait', () => pending > 0);
    expect(pending).toBeGreaterThan(500_000);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.resume();
    await once(socket, 'end');
    const whole = Buffer.concat(chunks);
    expect(whole.subarray(whole.length - length).equals(body)).toBe(true);
    expect(rig.loop.queuedBytes).toBe(0);
  });

  test('ends with close_notify, so that nobody takes an answer for cut', async () => {
    const rig = await start();
    const socket = await rig.connect(only);
    const ended = once(socket, 'end');
    await exchange(socket, 'GET / HTTP/1.0\r\n\r\n');
    await ended;
  });

  test('a client that ends in order still gets its answer', async () => {
    const rig = await start();
    const socket = await rig.connect({ ...only, allowHalfOpen: true } as object);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += String(chunk);
    });
    socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'end');
    expect(answer).toContain('hello');
    socket.destroy();
  });

  test('the end without close_notify is 1006 for a WebSocket', async () => {
    const codes: number[] = [];
    const rig = await start({}, ({ server }) => {
      server.websocket('/codes', { close: (_socket, code) => codes.push(code) });
    });
    const client = await rig.client({ ...only }, '/codes').opened();
    // The TLS socket knows the one below it, whose end says nothing to TLS.
    const { _socket: tls } = client.ws as unknown as { _socket: { _handle: { close(): void } } };
    tls._handle.close();
    await until('the close', () => codes.length > 0);
    expect(codes).toEqual([1006]);
  });

  test('curl and openssl s_client get through', async () => {
    const rig = await start({}, undefined);
    const flag = version === 'TLSv1.2' ? '--tls-max=1.2' : '--tlsv1.3';
    const url = `https://localhost:${rig.port}/`;
    const child = foreign('curl', ['--silent', '--insecure', ...flag.split('='), '--ipv4', url]);
    const [text] = await once(child.stdout, 'data');
    expect(String(text)).toBe('hello');
    const name = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3';
    const client = foreign('openssl', [
      's_client',
      '-quiet',
      name,
      '-connect',
      `127.0.0.1:${rig.port}`,
    ]);
    client.stdin.write('GET / HTTP/1.0\r\n\r\n');
    let answer = '';
    client.stdout.on('data', (chunk) => {
      answer += String(chunk);
    });
    await once(client, 'close');
    expect(answer).toContain('hello');
  });
});

test('s_client can change the keys of a connection, and goes on', async () => {
  const rig = await start();
  const args = ['s_client', '-tls1_3', '-connect', `127.0.0.1:${rig.port}`];
  const client = foreign('openssl', args);
  let answer = '';
  let said = '';
  client.stdout.on('data', (chunk) => {
    answer += String(chunk);
  });
  client.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  await until('the handshake', () => answer.includes('Verify return code'));
  for (let i = 0; i < 3; i++) {
    client.stdin.write('K\n');
    await until('the update', () => said.split('KEYUPDATE').length > i + 1);
  }
  client.stdin.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await until('the answer', () => answer.includes('hello'));
  client.kill();
});

test('a listener with TLS and one without serve side by side', async () => {
  const rig = await start();
  const plain = await rig.server.listen({ host: '127.0.0.1', port: 0 });
  const answer = await (await fetch(`http://127.0.0.1:${plain.port}/tls`)).json();
  expect(answer).toEqual({ secure: false });
  expect(plain.isSecure).toBe(false);
  expect(JSON.parse(await rig.get('/tls'))).toMatchObject({ secure: true });
  expect(rig.server.stats().handshakes).toEqual({
    completed: 1,
    failed: 0,
    timedOut: 0,
    crowded: 0,
  });
});

test('a topic reaches encrypted and plain sockets alike', async () => {
  const rig = await start({}, ({ server }) => {
    server.websocket('/news', { open: (socket) => socket.subscribe('news') });
  });
  const clients = [rig.client({}, '/news'), rig.client({}, '/news')];
  for (const client of clients) await client.opened();
  const [socket] = rig.server.sockets;
  expect(socket?.info().tls?.protocol).toBe('TLSv1.3');
  await until('both', () => rig.server.subscriberCount('news') === 2);
  const text = 'n'.repeat(40_000);
  for (let i = 0; i < 5; i++) rig.server.publish('news', `${i}${text}`);
  for (const client of clients) {
    expect(await client.hears(5)).toEqual(Array.from({ length: 5 }, (_, i) => `${i}${text}`));
  }
});
