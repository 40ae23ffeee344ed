// The gateway on https: agents over wss, Meta's certificate on the webhook's path only, and a
// certificate that is renewed while an agent is connected.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { loadConfig } from '../../lib/gateway/config.ts';
import { settingsOf } from '../../lib/gateway/config-settings.ts';
import { findTlsFaults } from '../../lib/gateway/listen-tls.ts';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { makeCertificate, type TestIdentity } from '../support/certificates.ts';
import { APP_SECRET, JWT_SECRET, messageOf, Rig, VERIFY_TOKEN } from './gateway-rig.ts';

const META = 'client.webhooks.fbclientcerts.com';
const folder = mkdtempSync(join(tmpdir(), 'sluice-gateway-tls-'));
const authority = makeCertificate({ name: 'Meta for tests' });
const stranger = makeCertificate({ name: 'stranger' });
const meta = makeCertificate({ name: META, issuer: authority });
const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
let shown: TestIdentity;
let rig: Rig;

function renew(): void {
  shown = makeCertificate({ name: 'localhost' });
  writeFileSync(files.cert, shown.cert);
  writeFileSync(files.key, shown.key);
}

afterEach(() => rig.stop());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(): Promise<void> {
  renew();
  const tls = { ...files, clientCa: authority.cert, clientName: META };
  rig = await Rig.start({ listen: [{ host: '127.0.0.1', port: 0, tls }] });
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

async function ask(path: string, client: Partial<TestIdentity>, body?: string): Promise<Answer> {
  const headers = {
    'x-hub-signature-256': `sha256=${createHmac('sha256', APP_SECRET)
      .update(body ?? '')
      .digest('hex')}`,
  };
  const call = request(new URL(path, rig.url), {
    ...client,
    ca: shown.cert,
    servername: 'localhost',
    agent: false,
    method: body === undefined ? 'GET' : 'POST',
    headers,
  });
  call.end(body);
  const [response] = await once(call, 'response');
  return { status: response.statusCode, body: await text(response) };
}

const webhook = JSON.stringify({
  object: 'page',
  entry: [{ id: '100', time: Date.now(), messaging: [messageOf('100', '7', 'm_1', 'hi')] }],
});

test('the webhook wants the certificate of Meta, and then all the rest', async () => {
  await start();
  expect(rig.url).toMatch(/^https:/);
  const path = '/webhook/messenger';
  const query = `?hub.mode=subscribe&hub.verify_token=${VERIFY_TOKEN}&hub.challenge=5`;
  const wrongName = makeCertificate({ name: 'someone.else', issuer: authority });
  const wrongIssuer = makeCertificate({ name: META, issuer: stranger });
  for (const client of [{}, wrongName, wrongIssuer]) {
    expect((await ask(path, client, webhook)).status).toBe(403);
    expect((await ask(path + query, client)).status).toBe(403);
  }
  expect(rig.gateway?.stats()).toMatchObject({ events: 0, webhooksRefused: 6 });
  expect(await ask(path, meta, webhook)).toEqual({ status: 200, body: 'EVENT_RECEIVED' });
  expect(await ask(path + query, meta)).toEqual({ status: 200, body: '5' });
  expect(rig.gateway?.stats()).toMatchObject({ events: 1 });
});

test('an agent needs no certificate, and stays while the server gets a new one', async () => {
  await start();
  const claims = { id: 'ann', name: 'Ann', role: 'agent', pages: ['*'], ttlSeconds: 60 } as const;
  const token = await mintToken(JWT_SECRET, claims);
  const url = `${rig.url.replace('https:', 'wss:')}/agent`;
  const socket = new WebSocket(url, ['sluice.v1'], {
    ca: shown.cert,
    headers: { authorization: `Bearer ${token}` },
    servername: 'localhost',
  } as object);
  await once(socket, 'open');
  const before = shown;
  renew();
  rig.gateway?.reloadTls();
  await expect(ask('/healthy', { cert: before.cert, key: before.key })).resolves.toMatchObject({
    status: 404,
  });
  socket.send(JSON.stringify({ type: 'hello', id: '1', session: 's' }));
  const [welcome] = await once(socket, 'message');
  expect(JSON.parse(String(welcome))).toMatchObject({ type: 'welcome' });
  writeFileSync(files.key, before.key);
  expect(() => rig.gateway?.reloadTls()).toThrow(/listen\.0\.tls: tls\.key does not belong/);
  expect((await ask('/', {})).status).toBe(404);
  socket.close();
  await once(socket, 'close');
});

describe('the configuration', () => {
  test('finds files beside itself and keys in variables, and says what is wrong with them', async () => {
    await start();
    const file = join(folder, 'sluice.config.json');
    const config = {
      listen: [
        { tls: { cert: 'cert.pem', key: 'env:TLS_KEY' } },
        { port: 8081, tls: { cert: 'missing.pem', key: 'key.pem' } },
      ],
      messenger: {
        verifyToken: 'v',
        appId: '1',
        appSecrets: ['s'],
        pages: [{ id: '2', accessToken: 't' }],
      },
      agents: { jwt: { secret: JWT_SECRET } },
    };
    writeFileSync(file, JSON.stringify(config));
    const loaded = loadConfig(file, { TLS_KEY: shown.key });
    expect(loaded.faults).toEqual([]);
    if (loaded.config === undefined) throw new Error('no configuration');
    const { listen } = settingsOf(loaded.config);
    expect(listen[0]?.tls?.cert).toBe(files.cert);
    expect(findTlsFaults(listen)).toEqual([
      { path: 'listen.1.tls', message: 'tls.cert names a file that cannot be read (ENOENT).' },
    ]);
  });
});
