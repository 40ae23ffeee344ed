// Limits per address, deny lists and proxies of the gateway: what the configuration says, carried out by
// the library, with the answers of the contract.

import { afterEach, expect, test } from 'vitest';
import { HttpClient } from '../support/http-client.ts';
import { until } from '../support/until.ts';
import { TestClient } from '../support/websocket-client.ts';
import { Rig, type RigOptions } from './gateway-rig.ts';

let rig: Rig | undefined;
const clients: TestClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.ws.terminate();
  await rig?.stop();
});

async function start(options: RigOptions): Promise<Rig> {
  rig = await Rig.start(options);
  return rig;
}

/** A handshake at `url`, through a proxy that speaks for `address`. */
async function knock(url: string, token: string, address: string): Promise<TestClient> {
  const headers = { Authorization: `Bearer ${token}`, 'X-Forwarded-For': address };
  const client = new TestClient(`${url.replace('http', 'ws')}/agent`, [], { headers });
  clients.push(client);
  return client.opened();
}

const PROXIED = { trustedProxies: ['127.0.0.0/8'] };

test('sockets of one address are limited over all listening addresses, with 429', async () => {
  const place = { host: '127.0.0.1', port: 0 };
  const own = await start({
    listen: [place, place],
    limits: { connectionsPerIp: 2 },
    settings: PROXIED,
  });
  const token = await own.token();
  const [one = '', two = ''] = own.urls;
  const first = await knock(one, token, '192.0.2.1');
  expect((await knock(two, token, '192.0.2.1')).refusedWith).toBeUndefined();
  expect((await knock(one, token, '192.0.2.1')).refusedWith).toBe(429);
  expect((await knock(two, token, '192.0.2.1')).refusedWith).toBe(429);
  expect((await knock(two, token, '192.0.2.2')).refusedWith).toBeUndefined();
  expect(own.gateway?.stats().sessionsRefused).toBe(2);
  first.ws.terminate();
  await until('one to leave', () => own.gateway?.stats().connections === 2);
  expect((await knock(two, token, '192.0.2.1')).refusedWith).toBeUndefined();
});

test("an address's limit is not one of Meta's webhooks", async () => {
  const own = await start({ limits: { connectionsPerIp: 1 }, settings: PROXIED });
  const token = await own.token();
  await knock(own.url, token, '192.0.2.1');
  const headers = { 'X-Forwarded-For': '192.0.2.1' };
  const answers = await Promise.all(
    Array.from({ length: 3 }, () => fetch(`${own.url}/webhook/messenger`, { headers })),
  );
  expect(answers.map((answer) => answer.status)).toEqual([403, 403, 403]);
});

test('a denied address gets nothing; behind a proxy 403, also for HTTP', async () => {
  const own = await start({ settings: { ...PROXIED, deny: ['192.0.2.0/24'] } });
  const session = `${own.url}/api/v1/session`;
  const headers = { 'X-Forwarded-For': '192.0.2.9' };
  expect((await fetch(session, { headers })).status).toBe(403);
  expect((await fetch(session)).status).toBe(401);
  const token = await own.token();
  expect((await knock(own.url, token, '192.0.2.9')).refusedWith).toBe(403);
});

test('with proxyProtocol the header names the client, and without one there is no answer', async () => {
  const own = await start({
    listen: [{ host: '127.0.0.1', port: 0, proxyProtocol: 'required' }],
    settings: { trustedProxies: ['127.0.0.1'], deny: ['203.0.113.66'] },
  });
  const port = Number(new URL(own.url).port);
  const request = 'GET /api/v1/session HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const header = (address: string): string => `PROXY TCP4 ${address} 192.0.2.1 40000 443\r\n`;
  const good = new HttpClient(port).send(header('203.0.113.9')).send(request);
  expect(await good.ended()).toMatch(/^HTTP\/1\.1 401 /);
  const denied = new HttpClient(port).send(header('203.0.113.66')).send(request);
  expect(await denied.ended()).toBe('');
  const bare = new HttpClient(port).send(request);
  expect(await bare.ended()).toBe('');
});
