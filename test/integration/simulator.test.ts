// The simulator on the product's own server, called by the product's own client: both halves of Meta
// over real sockets.

import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGraphClient } from '../../lib/messenger/graph-client.ts';
import type { GraphClient, MessengerEvent, SendRequest } from '../../lib/messenger/types.ts';
import { parseWebhook } from '../../lib/messenger/webhook.ts';
import { createSimulator, type Simulator } from '../../lib/simulator/simulator.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const PAGE = '100';
const USER = '7000000000000001';
const SECRET = 'app-secret';

let gateway: WebhookReceiver;
let simulator: Simulator;
let client: GraphClient;

const REQUEST: SendRequest = {
  page: PAGE,
  user: USER,
  message: { text: 'hello' },
  metadata: 'gw:01J:0',
};

beforeEach(async () => {
  gateway = new WebhookReceiver();
  simulator = createSimulator({
    gatewayUrl: await gateway.start(),
    webhookPath: '/webhook',
    verifyToken: 'v',
    appId: '5',
    appSecret: SECRET,
    pages: [{ id: PAGE, name: 'Shop', accessToken: 'page-token' }],
  });
  const { url } = await simulator.start();
  client = createGraphClient({
    graphUrl: url,
    graphVersion: 'v25.0',
    tokenOf: () => 'page-token',
    appSecret: SECRET,
    callTimeoutMs: 300,
  });
});

afterEach(async () => {
  await client.close();
  await simulator.stop();
  await gateway.stop();
});

/** Everything that reached the gateway, as the product reads it. */
function events(): MessengerEvent[] {
  return gateway.received.flatMap(({ bytes }) => parseWebhook(bytes)?.events ?? []);
}

const kinds = (): string[] => events().map((event) => event.kind);

describe('a round trip', () => {
  test('a customer writes, the Page answers, the phone reads it', async () => {
    simulator.customerSends(PAGE, USER, { text: 'grüß dich / 你好 🙂' });
    await simulator.settled();
    expect(events()).toMatchObject([
      { kind: 'message.received', user: USER, data: { text: 'grüß dich / 你好 🙂' } },
    ]);
    const outcome = await client.send(REQUEST);
    const [sent] = simulator.sentMessages;
    expect(outcome).toEqual({ outcome: 'sent', mid: sent?.mid });
    simulator.customerReads(PAGE, USER);
    await gateway.arrived(4);
    await simulator.settled();
    expect(events().slice(1)).toMatchObject([
      { kind: 'message.echo', data: { mid: sent?.mid, metadata: 'gw:01J:0' } },
      { kind: 'message.delivered', data: { mids: [sent?.mid], watermark: sent?.at } },
      { kind: 'message.read', data: { watermark: sent?.at } },
    ]);
  });

  test('the gateway’s address is verified as Meta does it', async () => {
    expect(await simulator.verifyWebhook()).toBe(true);
    gateway.verifyToken = 'another';
    expect(await simulator.verifyWebhook()).toBe(false);
  });

  test('the customer’s name and actions', async () => {
    expect(await client.profile(PAGE, USER)).toEqual({
      name: 'Ann Miller',
      firstName: 'Ann',
      lastName: 'Miller',
      picture: `${simulator.url}/pictures/${USER}.svg`,
    });
    expect(await client.profile(PAGE, '999')).toBeUndefined();
    expect(await client.action(PAGE, USER, 'mark_seen')).toBe(true);
    expect(await client.action(PAGE, '999', 'mark_seen')).toBe(false);
  });

  test('a subscription that was removed is silent', async () => {
    simulator.graph.subscriptions.remove(PAGE);
    simulator.customerSends(PAGE, USER, { text: 'x' });
    await client.send(REQUEST);
    await simulator.settled();
    expect(simulator.webhooks.posts).toBe(0);
  });

  test('200 customers and answers: each call once, each event once', async () => {
    const users = Array.from({ length: 200 }, (_, n) => String(8_000_000_000 + n));
    for (const user of users) simulator.customerSends(PAGE, user, { text: `from ${user}` });
    const answers = await Promise.all(users.map((user) => client.send({ ...REQUEST, user })));
    expect(answers.every((answer) => answer.outcome === 'sent')).toBe(true);
    await gateway.arrived(600);
    await simulator.settled();
    const keys = events().map((event) => event.dedupeKey ?? `${event.kind}/${event.user}`);
    expect(new Set(keys).size).toBe(600);
    expect(simulator.calls).toHaveLength(200);
  });
});

describe('faults', () => {
  test('S36 the answer is lost: the outcome is unknown, the echo comes', async () => {
    simulator.faults.nextSend({ kind: 'lost_answer' });
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'unknown' });
    await gateway.arrived(1);
    expect(kinds()[0]).toBe('message.echo');
    expect(simulator.calls).toMatchObject([{ status: 0, fault: 'lost_answer' }]);
  });

  test('the connection breaks in the middle of the answer', async () => {
    simulator.faults.nextSend({ kind: 'reset' });
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect(simulator.sentMessages).toHaveLength(1);
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'sent' });
  });

  test('S37 Meta says no although it was sent', async () => {
    simulator.faults.nextSend({ kind: 'error', code: 1, subcode: 1357046, sent: true });
    expect(await client.send(REQUEST)).toMatchObject({
      outcome: 'unknown',
      error: { meta: { code: 1, subcode: 1357046 } },
    });
    await gateway.arrived(1);
    expect(kinds()[0]).toBe('message.echo');
  });

  test('S12 the echo comes before the answer', async () => {
    simulator.faults.nextSend({ kind: 'echo_first' });
    let isAnswered = false;
    const sending = client.send(REQUEST).then((outcome) => {
      isAnswered = true;
      return outcome;
    });
    await gateway.arrived(1);
    expect(isAnswered).toBe(false);
    expect(await sending).toMatchObject({ outcome: 'sent' });
  });

  test('no echo comes', async () => {
    simulator.faults.nextSend({ kind: 'drop_echo' });
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'sent' });
    expect(await client.send(REQUEST)).toMatchObject({ outcome: 'sent' });
    await gateway.arrived(2);
    await simulator.settled();
    expect(kinds()).toEqual(['message.echo', 'message.delivered']);
  });

  test.each<[string, Parameters<Simulator['faults']['nextSend']>[0], string, string]>([
    ['window', { kind: 'error', code: 10, subcode: 2018278 }, 'refused', 'W'],
    ['token', { kind: 'error', code: 190, subcode: 460, status: 401 }, 'refused', 'T'],
    ['limit', { kind: 'error', code: 613 }, 'refused', 'L'],
    ['server', { kind: 'status', status: 503 }, 'unknown', 'U'],
  ])('%s', async (_name, fault, outcome, kind) => {
    simulator.faults.nextSend(fault);
    expect(await client.send(REQUEST)).toMatchObject({ outcome, error: { class: kind } });
    expect(simulator.sentMessages).toHaveLength(0);
  });

  test('S02 webhooks come twice', async () => {
    simulator.faults.setWebhooks({ duplicate: true });
    simulator.customerSends(PAGE, USER, { text: 'x' });
    await gateway.arrived(2);
    const [first, second] = events();
    expect(second?.dedupeKey).toBe(first?.dedupeKey);
  });
});

describe('who may come in', () => {
  /** fetch would not let a program choose its Host. */
  function get(path: string, headers: Record<string, string>): Promise<number> {
    const { port } = new URL(simulator.url);
    return new Promise((resolve, reject) => {
      const asked = httpRequest({ host: '127.0.0.1', port, path, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  test('nobody under a name that is not loopback', async () => {
    for (const path of ['/', '/phone/', '/simulator/state', '/v25.0/me', '/pictures/like.svg']) {
      expect([path, await get(path, { host: 'evil.example' })]).toEqual([path, 403]);
    }
    expect(await get('/phone/', { host: 'localhost' })).toBe(200);
  });

  test('no form of another site', async () => {
    for (const path of ['actions', 'faults']) {
      const answer = await fetch(`${simulator.url}/simulator/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain' },
        body: JSON.stringify({ type: 'text', page: PAGE, user: USER, text: 'x' }),
      });
      expect(answer.status).toBe(415);
    }
    expect(simulator.webhooks.posts).toBe(0);
  });
});

describe('control from outside', () => {
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(`${simulator.url}/simulator/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
  };

  test('a test in another process writes as a customer and looks at the result', async () => {
    const written = await post('actions', { type: 'text', page: PAGE, user: USER, text: 'x' });
    expect(written).toMatchObject([200, { ok: true }]);
    expect(await post('actions', { type: 'wave' })).toMatchObject([400, { ok: false }]);
    expect(await post('faults', { send: { kind: 'drop_echo' } })).toEqual([200, { ok: true }]);
    await client.send(REQUEST);
    await simulator.settled();
    const state = await (await fetch(`${simulator.url}/simulator/state`)).json();
    expect(state).toMatchObject({
      pages: [{ id: PAGE, name: 'Shop' }],
      calls: [{ status: 200, fault: 'drop_echo' }],
      sentMessages: [{ text: 'hello' }],
      webhooks: { delivered: 1 },
    });
    expect(JSON.stringify(state)).not.toContain('page-token');
    expect(JSON.stringify(state)).not.toContain(SECRET);
  });

  test('the Graph API takes forms, and refuses what it cannot read', async () => {
    const url = `${simulator.url}/v25.0/me/messages`;
    const form = new URLSearchParams({
      recipient: JSON.stringify({ id: USER }),
      message: JSON.stringify({ text: 'by form' }),
      messaging_type: 'RESPONSE',
      access_token: 'page-token',
    });
    expect((await fetch(url, { method: 'POST', body: form })).status).toBe(200);
    expect(simulator.sentMessages).toMatchObject([{ text: 'by form' }]);
    const broken = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({ error: { code: 100 } });
  });

  test('the phone page and its files are there', async () => {
    const page = await fetch(`${simulator.url}/`);
    expect(page.url).toBe(`${simulator.url}/phone/`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const file of ['phone.js', 'phone.css', 'words.js', 'bubbles.js']) {
      expect((await fetch(`${simulator.url}/phone/${file}`)).status).toBe(200);
    }
    expect((await fetch(`${simulator.url}/phone/other.js`)).status).toBe(404);
  });
});

test('starts once', async () => {
  await expect(simulator.start()).rejects.toMatchObject({ code: 'ERR_STATE' });
});
