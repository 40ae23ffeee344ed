// The gateway behind nginx as docs/operations.md sets it up: webhooks over https and agents over wss, through a
// reload, and the clients' own addresses.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent as HttpAgent, request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { makeCertificate } from '../support/certificates.ts';
import { FrontProxy } from '../support/front-proxy.ts';
import { GatewayProcess, PAGE, SECRETS, sign, textBody } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/operations.md');
const USER = '7000000001';
const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The block of the document that begins so. */
function nginxBlock(): string {
  const found = /```nginx\n([\s\S]*?)```/.exec(readFileSync(DOCUMENT, 'utf8'))?.[1];
  if (found === undefined) throw new Error('The document has no nginx block.');
  return found;
}

test('webhooks and agents go through nginx, also while everything is replaced', async () => {
  const identity = makeCertificate({ name: 'localhost' });
  const gateway = await GatewayProcess.create({
    config: { workers: 2, trustedProxies: ['127.0.0.1/32'], publicUrl: 'https://localhost' },
  });
  ends.push(async () => {
    await gateway.kill('SIGTERM');
    await gateway.dispose();
  });
  await gateway.start();
  const nginx = await FrontProxy.nginxOf(nginxBlock(), gateway.port, identity);
  ends.push(() => nginx.stop());
  const https = `https://localhost:${nginx.ports['https']}`;
  const dispatcher = new HttpAgent({ connect: { ca: identity.cert } });
  ends.push(() => dispatcher.destroy());
  const post = async (mid: string): Promise<number> => {
    const body = textBody(mid, USER, `text ${mid}`);
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': sign(body) };
    const url = `${https}/webhook/messenger`;
    const answer = await request(url, { method: 'POST', headers, body, dispatcher });
    await answer.body.dump();
    return answer.statusCode;
  };

  const claims = { id: 'ann', name: 'Ann', role: 'agent', pages: [PAGE] } as const;
  const token = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 600 });
  const socket = new WebSocket(
    `${https.replace('https', 'wss')}/agent`,
    ['sluice.v1', `bearer.${token}`],
    { ca: identity.cert, origin: 'https://localhost' },
  );
  ends.push(() => socket.terminate());
  const messages: string[] = [];
  let closed = 0;
  socket.on('message', (data) => messages.push(String(data)));
  socket.on('close', (code) => {
    closed = code;
  });
  socket.on('open', () => socket.send('{"type":"hello","id":"h","session":"tab"}'));
  await until('it has joined', () => messages.some((text) => text.includes('"position"')), 10_000);

  expect(await post('m_first')).toBe(200);
  await until(
    'it sees the message',
    () => messages.some((text) => text.includes('m_first')),
    10_000,
  );
  const { connections } = JSON.parse(gateway.command('connections', '--json')) as {
    connections: readonly { readonly agent: string }[];
  };
  expect(connections.map((each) => each.agent)).toEqual(['ann']);

  gateway.signal('SIGHUP');
  const statuses = new Set<number>();
  for (let n = 0; closed === 0 || gateway.countOf('"msg":"worker ready"') < 6; n++) {
    statuses.add(await post(`m_${n}`));
  }
  expect([...statuses]).toEqual([200]);
  expect(closed).toBe(1012);
});
