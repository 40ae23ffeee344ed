// Behind real proxies: nginx (HTTP, https and wss in front, TCP with PROXY headers) and haproxy (both
// versions of the header, and one with a checksum). Clients come from an address of their own.

import { once } from 'node:events';
import { get } from 'node:http';
import { get as getSecure } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ForwardedHeader } from '../../lib/server/admission/forwarded.ts';
import { createServer } from '../../lib/server/server.ts';
import type { Server } from '../../lib/server/types.ts';
import { makeCertificate } from '../support/certificates.ts';
import { type Behind, FrontProxy } from '../support/front-proxy.ts';
import { until } from '../support/until.ts';

const CLIENT = '127.0.0.5';
const FORGED = '203.0.113.66';
const identity = makeCertificate({ name: 'localhost' });

interface Ours {
  readonly server: Server;
  readonly ports: Behind;
}

async function ours(forwardedHeader: ForwardedHeader): Promise<Ours> {
  const server = createServer({
    host: '127.0.0.1',
    trustedProxies: ['127.0.0.1'],
    forwardedHeader,
  });
  server.get('/ip', (request, response) => response.end(request.ip));
  server.websocket('/ws', {
    open: (socket) => socket.send(socket.request.ip),
    message: (socket, data) => socket.send(data),
  });
  const { port: http } = await server.listen();
  const place = { host: '127.0.0.1', port: 0, proxyProtocol: 'required' } as const;
  const { port: proxied } = await server.listen(place);
  return { server, ports: { http, proxied } };
}

/** What a client at CLIENT gets; it tries to be somebody else. */
function fetchFrom(port: number, isSecure = false): Promise<string> {
  const options = {
    host: '127.0.0.1',
    port,
    path: '/ip',
    localAddress: CLIENT,
    ca: identity.cert,
    servername: 'localhost',
    headers: { 'X-Forwarded-For': FORGED, Forwarded: `for=${FORGED}` },
  };
  return new Promise((resolve, reject) => {
    const request = (isSecure ? getSecure : get)(options, (response) => resolve(text(response)));
    request.on('error', reject);
  });
}

function socketFrom(url: string): WebSocket {
  const options: WebSocket.ClientOptions & {
    readonly localAddress: string;
    readonly servername: string;
  } = {
    localAddress: CLIENT,
    ca: identity.cert,
    servername: 'localhost',
    headers: { 'X-Forwarded-For': FORGED, Forwarded: `for=${FORGED}` },
  };
  return new WebSocket(url, [], options);
}

/** The first message, and the echo of 'hello'. */
function chatFrom(url: string): Promise<string[]> {
  const socket = socketFrom(url);
  const heard: string[] = [];
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data) => {
      heard.push(String(data));
      if (heard.length === 1) socket.send('hello');
      else {
        socket.terminate();
        resolve(heard);
      }
    });
  });
}

describe.each<ForwardedHeader>(['x-forwarded-for', 'forwarded'])(
  'behind nginx, by %s',
  (header) => {
    let own: Ours;
    let nginx: FrontProxy;
    beforeAll(async () => {
      own = await ours(header);
      nginx = await FrontProxy.nginx(own.ports, identity);
    });
    afterAll(async () => {
      await nginx.stop();
      await own.server.close({ deadlineMs: 300 });
    });
    const port = (name: string): number => nginx.ports[name] ?? 0;

    test('request.ip is the client, whatever it says of itself', async () => {
      expect(await fetchFrom(port('http'))).toBe(CLIENT);
      expect(await fetchFrom(port('https'), true)).toBe(CLIENT);
    });

    test('a wss of nginx is a ws of ours', async () => {
      expect(await chatFrom(`ws://127.0.0.1:${port('http')}/ws`)).toEqual([CLIENT, 'hello']);
      expect(await chatFrom(`wss://127.0.0.1:${port('https')}/ws`)).toEqual([CLIENT, 'hello']);
    });

    test('a limit of connections counts the clients, not nginx', async () => {
      own.server.setAdmission({ connectionsPerIp: 1, exemptLoopback: false });
      const socket = socketFrom(`ws://127.0.0.1:${port('http')}/ws`);
      await once(socket, 'open');
      expect(await fetchFrom(port('http'))).toBe('Too many connections of this address.\n');
      socket.terminate();
      await until('a place', () => own.server.stats().admission.addresses === 0);
      expect(await fetchFrom(port('http'))).toBe(CLIENT);
      own.server.setAdmission({});
    });

    test('TCP with a PROXY header in front of HTTP and WebSocket', async () => {
      expect(await fetchFrom(port('stream'))).toBe(CLIENT);
      expect(await chatFrom(`ws://127.0.0.1:${port('stream')}/ws`)).toEqual([CLIENT, 'hello']);
    });
  },
);

describe('behind haproxy', () => {
  let own: Ours;
  let haproxy: FrontProxy;
  beforeAll(async () => {
    own = await ours('x-forwarded-for');
    haproxy = await FrontProxy.haproxy(own.ports);
  });
  afterAll(async () => {
    await haproxy.stop();
    await own.server.close({ deadlineMs: 300 });
  });

  test.each(['one', 'two', 'checked'])('PROXY headers, form %s, name the client', async (form) => {
    const port = haproxy.ports[form] ?? 0;
    expect(await fetchFrom(port)).toBe(CLIENT);
    expect(await chatFrom(`ws://127.0.0.1:${port}/ws`)).toEqual([CLIENT, 'hello']);
    expect(own.server.stats().admission.proxyMalformed).toBe(0);
  });
});

test('the PROXY header comes before the TLS handshake', async () => {
  const server = createServer({
    host: '127.0.0.1',
    trustedProxies: ['127.0.0.1'],
    proxyProtocol: 'required',
    tls: identity,
  });
  server.get('/ip', (request, response) => response.end(request.ip));
  const { port } = await server.listen();
  const haproxy = await FrontProxy.haproxy({ http: 0, proxied: port });
  try {
    expect(await fetchFrom(haproxy.ports['two'] ?? 0, true)).toBe(CLIENT);
    await expect(fetchFrom(port, true)).rejects.toThrow();
  } finally {
    await haproxy.stop();
    await server.close({ deadlineMs: 300 });
  }
});
