import { createHmac } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { APP_SECRET, JWT_SECRET, messageOf, PAGE_TOKEN, Rig, VERIFY_TOKEN } from './gateway-rig.ts';

let rig: Rig;
afterEach(() => rig.stop());

const bodyOf = (page: string, count: number): string =>
  JSON.stringify({
    object: 'page',
    entry: [
      {
        id: page,
        time: Date.now(),
        messaging: Array.from({ length: count }, (_, i) => messageOf(page, '7', `m_${i}`, 'x')),
      },
    ],
  });

describe('the webhook', () => {
  test('answers the verification of Meta', async () => {
    rig = await Rig.start();
    const ask = (token: string): Promise<Response> =>
      fetch(
        `${rig.url}/webhook/messenger?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=1158201444`,
      );
    const good = await ask(VERIFY_TOKEN);
    expect([good.status, await good.text()]).toEqual([200, '1158201444']);
    expect(good.headers.get('content-type')).toBe('text/plain');
    expect((await ask('wrong')).status).toBe(403);
  });

  test('answers 200 EVENT_RECEIVED, 401, 400, 413', async () => {
    rig = await Rig.start({ limits: { bodyBytes: 1_000 } });
    const good = await rig.post(bodyOf('100', 1));
    expect([good.status, await good.text()]).toEqual([200, 'EVENT_RECEIVED']);
    expect((await rig.post(bodyOf('999', 1))).status).toBe(200);
    expect(rig.gateway?.stats()).toMatchObject({ events: 1, unconfiguredEvents: 1 });
    const wrong = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` };
    expect((await rig.post(bodyOf('100', 1), wrong)).status).toBe(401);
    expect((await rig.post(bodyOf('100', 1), { 'x-hub-signature-256': 'sha1=0' })).status).toBe(
      401,
    );
    expect((await rig.post('{"object":')).status).toBe(400);
    expect((await rig.post('x'.repeat(1_001))).status).toBe(413);
    expect(rig.gateway?.stats()).toMatchObject({ events: 1 });
  });

  test('accepts the previous secret, too', async () => {
    rig = await Rig.start();
    const body = bodyOf('100', 1);
    const digest = createHmac('sha256', 'older-secret').update(body).digest('hex');
    expect((await rig.post(body, { 'x-hub-signature-256': `sha256=${digest}` })).status).toBe(200);
  });

  test('takes a burst of 1,000 events in one body within Meta’s patience', async () => {
    rig = await Rig.start();
    const agent = await rig.join();
    const startedAt = performance.now();
    expect((await rig.post(bodyOf('100', 1_000))).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await agent.next((message) => message['seq'] === 1_000);
    expect(agent.texts.length).toBe(1_000);
  });
});

describe('the rest', () => {
  test('says who the token is', async () => {
    rig = await Rig.start();
    const headers = { authorization: `Bearer ${await rig.token()}` };
    const response = await fetch(`${rig.url}/api/v1/session`, { headers });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      agent: { id: 'ann', name: 'Ann', role: 'agent' },
      pages: ['100'],
      expiresAt: expect.any(Number),
    });
    const bare = await fetch(`${rig.url}/api/v1/session`);
    expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  test.each([
    ['GET', '/api/v1/nothing', 404, 'not_found'],
    ['GET', '/api/v1/conversations', 422, 'unsupported'],
    ['POST', '/api/v1/conversations/messenger/1/2/messages', 422, 'unsupported'],
    ['POST', '/api/v1/session', 405, 'method_not_allowed'],
  ])('%s %s is a problem with status %i', async (method, path, status, code) => {
    rig = await Rig.start();
    const response = await fetch(rig.url + path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ type: `urn:sluice:error:${code}`, status, code });
  });

  test('serves the console with a strict policy, or says that it is not built', async () => {
    rig = await Rig.start();
    const missing = await fetch(`${rig.url}/console/`);
    expect([missing.status, (await missing.text()).includes('not built')]).toEqual([503, true]);
    await rig.stop();
    const consoleFolder = mkdtempSync(join(tmpdir(), 'sluice-console-'));
    writeFileSync(join(consoleFolder, 'index.html'), '<!doctype html><title>Sluice</title>');
    rig = await Rig.start({ deps: { consoleFolder } });
    const page = await fetch(`${rig.url}/console/`);
    expect([page.status, await page.text()]).toEqual([200, '<!doctype html><title>Sluice</title>']);
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'/,
    );
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await fetch(`${rig.url}/console/nothing.js`)).status).toBe(404);
    const bare = await fetch(`${rig.url}/console`, { redirect: 'manual' });
    expect([bare.status, bare.headers.get('location')]).toEqual([308, '/console/']);
  });
});

test('no secret gets into the log, the stats or an answer', async () => {
  rig = await Rig.start();
  const token = await rig.token();
  const agent = await rig.join();
  await rig.receive(['hello']);
  rig.graph.answer = () => ({ status: 400, body: { error: { code: 190, message: PAGE_TOKEN } } });
  const send = { type: 'send', conversation: 'messenger/100/7', message: { text: 'hi' } };
  await agent.ask(send);
  await agent.event('page.alarm');
  await agent.ask({ type: 'token', token: `${token}x` });
  await rig.post('{', { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` });
  const said = JSON.stringify([rig.logged, rig.gateway?.stats(), agent.messages]);
  for (const secret of [APP_SECRET, JWT_SECRET, PAGE_TOKEN, VERIFY_TOKEN, token]) {
    expect(said).not.toContain(secret);
  }
});
