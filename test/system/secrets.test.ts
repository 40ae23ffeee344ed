// No secret in any log, error or status output. Everything that speaks is provoked, every byte that comes
// out of the process, its sockets and its commands is kept, and then searched for what must not be in it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { Agent, type Json } from '../integration/gateway-rig.ts';
import {
  GatewayProcess,
  OTHER_PAGE,
  PAGE,
  SECRETS,
  sign,
  textBody,
} from '../support/gateway-process.ts';
import { ERRNO, FaultyDisk } from '../support/preload.ts';
import { until } from '../support/until.ts';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.mjs', import.meta.url));
const OLD_SECRET = 'app-secret-previous-Jd4';
const TRACE = 'trace-of-a-test';
const CONVERSATION = `messenger/${PAGE}/7`;

/** What came out of where. */
const outputs: { readonly where: string; readonly text: string }[] = [];
const keep = (where: string, text: string): void => void outputs.push({ where, text });

let folder: string;
let disk: FaultyDisk;
let gateway: GatewayProcess;
let graph: Server;
let jwt: string;
let otherJwt: string;
let expiredJwt: string;
const agents: Agent[] = [];

/** Refusals of Meta that carry what must not be shown: the token, a URL with it, the secret. */
const leaks = (): string[] => [
  `Error validating access token ${SECRETS.accessToken}: session has expired`,
  `Malformed: /v25.0/me/messages?access_token=${SECRETS.accessToken}&appsecret_proof=x`,
  `Invalid appsecret_proof for ${SECRETS.appSecret}`,
];
/** Page, code, subcode, status: classes of messenger.md section 5; the ones that stop a whole Page last. */
const REFUSALS = [
  [PAGE, 100, 2018001, 400],
  [PAGE, 551, 1545041, 400],
  [PAGE, 10, 2018278, 400],
  [PAGE, 987654, 0, 400],
  [PAGE, 2, 0, 500],
  [OTHER_PAGE, 190, 463, 400],
  [OTHER_PAGE, 104, 0, 400],
  [OTHER_PAGE, 613, 0, 400],
] as const;
/** Refusals that end a message at once. */
const FAILURES = 4 * leaks().length;
let refused = 0;

/** The text of a message says which refusal its call gets; everything else is refused, too. */
function answerGraph(body: string, response: ServerResponse): void {
  const [, which = '0', leak = '0'] = /refuse (\d) (\d)/.exec(body) ?? [];
  const [, code, subcode, status] = REFUSALS[Number(which)] ?? REFUSALS[0];
  const shared = { type: 'OAuthException', code, error_subcode: subcode, fbtrace_id: TRACE };
  const error = { message: leaks()[Number(leak)], error_user_msg: leaks()[0], ...shared };
  refused += 1;
  response.writeHead(status, {
    'content-type': 'application/json',
    'www-authenticate': `OAuth "Facebook Platform" "invalid_token" "${SECRETS.accessToken}"`,
  });
  response.end(JSON.stringify({ error }));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'));
  disk = new FaultyDisk(folder);
  graph = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => answerGraph(body, response));
  });
  graph.listen(0, '127.0.0.1');
  await once(graph, 'listening');
  gateway = await GatewayProcess.create({
    graphUrl: `http://127.0.0.1:${(graph.address() as AddressInfo).port}`,
    env: { ...disk.env, SLUICE_LOG_LEVEL: 'debug' },
  });
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as { messenger: Json };
  config.messenger['appSecrets'] = [SECRETS.appSecret, OLD_SECRET];
  writeFileSync(gateway.configFile, JSON.stringify(config));
  await gateway.start();
  const claims = { id: 'ann', name: 'Ann', role: 'agent', pages: [PAGE, OTHER_PAGE] } as const;
  jwt = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 3_600 });
  otherJwt = await mintToken('another-secret-with-at-least-32-bytes', {
    ...claims,
    ttlSeconds: 60,
  });
  expiredJwt = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 60 }, Date.now() - 1e7);
});

afterAll(async () => {
  for (const agent of agents) agent.socket.terminate();
  graph.closeAllConnections();
  graph.close();
  await gateway.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function fetchAll(where: string, url: string, init: RequestInit = {}): Promise<number> {
  const answer = await fetch(url, init);
  keep(where, JSON.stringify([...answer.headers]));
  keep(where, await answer.text());
  return answer.status;
}

/** Bytes on a bare socket, and whatever comes back until it is closed. */
async function talk(where: string, text: string): Promise<void> {
  const socket = connect(gateway.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.end(text);
  await once(socket, 'close');
  keep(where, heard);
}

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [SLUICE, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  keep(`sluice ${args.join(' ')}`, text);
  return { code, text };
}

async function joinAs(token: string): Promise<Agent> {
  const agent = new Agent(gateway.url, token);
  agents.push(agent);
  agent.opened.catch(() => undefined);
  await agent.opened;
  agent.say({ type: 'hello', id: 'h', session: `tab-${agents.length}` });
  await agent.next((message) => message['type'] === 'position');
  return agent;
}

async function provokeWebhooks(): Promise<void> {
  const body = textBody('m_1', '7', 'hello');
  const post = (where: string, headers: Record<string, string>, text = body): Promise<number> =>
    fetchAll(where, gateway.webhookUrl, { method: 'POST', body: text, headers });
  expect(await post('no signature', {})).toBe(401);
  expect(await post('bad signature', { 'x-hub-signature-256': sign(body, 'wrong') })).toBe(401);
  expect(await post('odd signature', { 'x-hub-signature-256': SECRETS.appSecret })).toBe(401);
  expect(await post('no JSON', { 'x-hub-signature-256': sign('{') }, '{')).toBe(400);
  expect(await post('good', { 'x-hub-signature-256': sign(body) })).toBe(200);
  expect(await post('old secret', { 'x-hub-signature-256': sign(body, OLD_SECRET) })).toBe(200);
  for (const token of [SECRETS.verifyToken, 'wrong', '']) {
    const query = `hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=123`;
    await fetchAll('verification', `${gateway.webhookUrl}?${query}`);
  }
  const query = `hub.mode=x&hub.verify_token=${SECRETS.verifyToken}`;
  await fetchAll('verification without a challenge', `${gateway.webhookUrl}?${query}`);
}

async function provokeHttp(): Promise<void> {
  const bearer = (token: string): RequestInit => ({
    headers: { authorization: `Bearer ${token}` },
  });
  for (const token of [jwt, otherJwt, expiredJwt, `${jwt}x`, SECRETS.jwtSecret]) {
    await fetchAll('session', `${gateway.url}/api/v1/session`, bearer(token));
    await fetchAll('upgrade', `${gateway.url}/agent`, bearer(token));
  }
  for (const path of [`/${jwt}`, `/api/v1/${jwt}`, `/console/${jwt}`, `/agent?token=${jwt}`]) {
    await fetchAll(path.slice(0, 12), gateway.url + path, bearer(jwt));
    await fetchAll('DELETE', gateway.url + path, { ...bearer(jwt), method: 'DELETE' });
  }
  await fetchAll('console', `${gateway.url}/console/`);
  for (const path of ['/healthz', '/readyz', '/metrics', '/status', '/nothing']) {
    const url = `http://127.0.0.1:${gateway.adminPort}${path}`;
    await fetchAll(`admin ${path}`, url, bearer(SECRETS.adminToken));
    await fetchAll(`admin ${path}`, url, bearer(jwt));
    await fetchAll(`admin ${path}`, url);
  }
  const heads = [
    `GET /agent HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer ${jwt}\r\n\r\n`,
    `GET /agent HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${jwt}\r\nAuthorization: x\r\n\r\n`,
    `GET /agent HTTP/1.1\r\nAuthorization: Bearer ${jwt}\r\n\r\n`,
    `POST /webhook/messenger HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: ${SECRETS.appSecret}\r\n\r\n`,
    `GET /agent HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 7\r\nSec-WebSocket-Protocol: sluice.v1, bearer.${jwt}\r\n\r\n`,
  ];
  for (const head of heads) await talk('bare bytes', head);
}

/** Sends that Meta refuses in every way, with what must not be shown in its words. */
async function provokeSends(ann: Agent): Promise<void> {
  for (const [which, [page]] of REFUSALS.entries()) {
    for (const leak of leaks().keys()) {
      const user = `1${which}${leak}`;
      expect(await gateway.post(bodyFor(page, `m_${user}`, user))).toBe(200);
      const message = { text: `refuse ${which} ${leak}` };
      const send = { type: 'send', conversation: `messenger/${page}/${user}`, message };
      await ann.ask({ ...send, id: `refused-${user}` });
    }
  }
  await until('the end of the refused sends', () => {
    const failed = ann.events.filter((event) => event['kind'] === 'message.failed');
    return failed.length >= FAILURES && refused > FAILURES;
  });
  await until('an alarm', () => ann.events.some((event) => event['kind'] === 'page.alarm'));
}

/** A customer's message to that Page. */
const bodyFor = (page: string, mid: string, user: string): string =>
  textBody(mid, user, 'hi').replaceAll(PAGE, page);

async function provokeRequests(ann: Agent): Promise<void> {
  const requests: Json[] = [
    { type: 'token', token: otherJwt },
    { type: 'token', token: expiredJwt },
    { type: 'token', token: jwt },
    { type: 'token', token: SECRETS.jwtSecret },
    { type: jwt },
    { type: 'send', conversation: jwt, message: { text: 'x' } },
    { type: 'history', conversation: `messenger/${jwt}` },
    { type: 'list', state: jwt },
    { type: 'list', state: 'open', cursor: jwt },
    { type: 'resolve', message: 'x', action: jwt },
  ];
  for (const request of requests) await ann.ask(request);
  for (const token of [otherJwt, expiredJwt, SECRETS.jwtSecret]) {
    const agent = new Agent(gateway.url, token);
    agents.push(agent);
    agent.opened.catch((error: unknown) => keep('refused handshake', String(error)));
    keep('refused handshake', JSON.stringify(await agent.closed));
  }
  const broken = await joinAs(jwt);
  broken.socket.send(`{"type":"token","token":"${jwt}"`);
  keep('bad frame', JSON.stringify(await broken.closed));
}

async function provokeCommands(): Promise<void> {
  const file = join(folder, 'bad.json');
  const good = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, Json>;
  const spoiled: Json[] = [
    { ...good, messenger: { ...good['messenger'], appId: SECRETS.appSecret } },
    { ...good, messenger: { ...good['messenger'], graphUrl: `http://x/${SECRETS.accessToken}` } },
    { ...good, messenger: { ...good['messenger'], verifyToken: [SECRETS.verifyToken] } },
    { ...good, messenger: { ...good['messenger'], appSecrets: SECRETS.appSecret } },
    { ...good, agents: { jwt: { secret: SECRETS.jwtSecret, jwksUrl: SECRETS.jwtSecret } } },
    { ...good, agents: { jwt: { secret: { value: SECRETS.jwtSecret } } } },
    { ...good, admin: { host: '0.0.0.0', port: SECRETS.adminToken } },
  ];
  for (const config of spoiled) {
    writeFileSync(file, JSON.stringify(config));
    expect((await run(['check', '-c', file])).code).toBe(1);
  }
  expect((await run(['start', '-c', file])).code).toBe(1);
  writeFileSync(file, readFileSync(gateway.configFile, 'utf8').slice(0, -40));
  expect((await run(['check', '-c', file])).code).toBe(1);
  const env = { SLUICE_AGENTS__JWT__SECRET: SECRETS.jwtSecret.slice(0, 20) };
  expect((await run(['check', '-c', gateway.configFile], env)).code).toBe(1);
  const named = {
    SLUICE_MESSENGER__VERIFY_TOKEN: 'env:NOT_THERE',
    SLUICE_ADMIN__TOKEN: 'file:/no',
  };
  expect((await run(['check', '-c', gateway.configFile], named)).code).toBe(1);
  for (const args of [['--help'], ['token', '--help'], ['export', '-c', gateway.configFile]]) {
    expect((await run(args)).code).toBe(0);
  }
  expect((await run(['start', '-c', gateway.configFile])).code).toBe(1);
}

async function provokeDiskFaults(ann: Agent): Promise<void> {
  disk.set({ write: { errno: ERRNO.ENOSPC, path: '/data/' } });
  const body = textBody('m_full', '7', 'full');
  const headers = { 'x-hub-signature-256': sign(body) };
  expect(await fetchAll('full disk', gateway.webhookUrl, { method: 'POST', body, headers })).toBe(
    503,
  );
  await ann.ask({ type: 'send', conversation: CONVERSATION, message: { text: 'x' } });
  disk.set({ fsync: { errno: ERRNO.EIO, path: 'log.db' } });
  const exited = gateway.exited();
  const latest = Date.now() + 10_000;
  while ((await gateway.post(body)) !== 0 && Date.now() < latest);
  expect(await exited).toBe(1);
}

test('no secret and no token comes out of anything that speaks', async () => {
  await provokeWebhooks();
  await provokeHttp();
  const ann = await joinAs(jwt);
  await provokeSends(ann);
  await provokeRequests(ann);
  await provokeCommands();
  await fetchAll('admin /status', `http://127.0.0.1:${gateway.adminPort}/status`, {
    headers: { authorization: `Bearer ${SECRETS.adminToken}` },
  });
  await provokeDiskFaults(ann);
  for (const agent of agents) {
    keep('agent', agent.messages.map((message) => JSON.stringify(message)).join('\n'));
  }
  keep('the process', gateway.output);

  // Something was said at every place, and Meta's own words do come through.
  const all = outputs.map((output) => output.text).join('\n');
  for (const said of [
    'has expired',
    'signature',
    'unauthorized',
    'sessionsRefused',
    'message.failed',
    TRACE,
  ]) {
    expect(all, `nothing about ${said}`).toContain(said);
  }
  expect(gateway.output).toContain('The gateway cannot go on');

  expect(leaksIn(outputs)).toEqual([]);
}, 60_000);

test('a secret in any form would have been found', () => {
  for (const [name, secret] of Object.entries(needles())) {
    const text = `{"a":"x${secret}y"}`;
    expect(leaksIn([{ where: 'a log', text }]).join(), name).toContain(`${name} in a log`);
  }
  const signature = jwt.slice(jwt.lastIndexOf('.') + 1);
  expect(leaksIn([{ where: 'a log', text: signature }]).length).toBe(1);
  const text = Buffer.from(SECRETS.jwtSecret).toString('base64url');
  expect(leaksIn([{ where: 'a log', text }]).length).toBe(1);
});

const needles = (): Readonly<Record<string, string>> => {
  return { ...SECRETS, OLD_SECRET, jwt, otherJwt, expiredJwt };
};

/** Where which secret stands, with what is before it. */
function leaksIn(kept: typeof outputs): string[] {
  const found: string[] = [];
  for (const [name, secret] of Object.entries(needles())) {
    // Of a token its signature is enough to go on with.
    const signature = /^[\w-]+\.[\w-]+\.([\w-]+)$/.exec(secret)?.[1];
    const parts = signature === undefined ? [secret, encoded(secret)] : [signature];
    for (const { where, text } of kept) {
      const part = parts.find((one) => text.includes(one));
      if (part !== undefined) found.push(`${name} in ${where}: ${around(text, part)}`);
    }
  }
  return found;
}

const encoded = (secret: string): string => Buffer.from(secret).toString('base64url').slice(0, -2);

function around(text: string, part: string): string {
  const at = text.indexOf(part);
  return text.slice(Math.max(0, at - 120), at + 10);
}
