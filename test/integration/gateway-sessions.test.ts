import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { Agent, type Json, Rig } from './gateway-rig.ts';

const CONVERSATION = 'messenger/100/7';
const seqsOf = (messages: readonly Json[]): unknown[] => messages.map((message) => message['seq']);

let rig: Rig;
beforeEach(async () => {
  rig = await Rig.start();
});
afterEach(() => rig.stop());

describe('joining', () => {
  test('brings welcome, snapshot, position, then live events whose prev joins them', async () => {
    await rig.receive(['one', 'two']);
    const agent = await rig.join();
    const [welcome, snapshot, position] = agent.messages;
    expect(welcome).toMatchObject({ type: 'welcome', recovered: false, pages: ['100'], seq: 2 });
    expect(snapshot).toMatchObject({
      part: 1,
      last: true,
      seq: 2,
      conversations: [
        {
          conversation: CONVERSATION,
          page: '100',
          seq: 2,
          state: 'open',
          claim: null,
          unread: 2,
          last: { from: 'customer', text: 'two' },
          window: { verdict: 'allowed' },
        },
      ],
    });
    expect(position).toMatchObject({ type: 'position', seq: 2 });
    await rig.receive(['three']);
    expect(await agent.event('message.received')).toMatchObject({ seq: 3, prev: 2 });
  });

  test('with a position brings what was missed, in order, once', async () => {
    const first = await rig.join();
    await rig.receive(['one', 'two']);
    await until('two', () => first.texts.length === 2);
    const welcome = first.messages[0] ?? {};
    const since = { epoch: welcome['epoch'], seq: 1, scope: welcome['scope'] };
    first.socket.terminate();
    await rig.receive(['three']);
    const second = await rig.join({}, { since });
    await rig.receive(['four']);
    await until('four', () => second.texts.includes('four'));
    expect(second.messages[0]).toMatchObject({ recovered: true });
    expect(second.texts).toEqual(['two', 'three', 'four']);
    expect(second.ofType('snapshot')).toEqual([]);
    expect(second.ofType('position')).toEqual([{ type: 'position', seq: 3 }]);
  });

  test('again after a restart of the gateway goes on where it was', async () => {
    const first = await rig.join();
    await rig.receive(['one']);
    await first.event('message.received');
    const { epoch } = first.messages[0] ?? {};
    await rig.restart(true);
    await rig.receive(['two']);
    const second = await rig.join({}, { since: { epoch, seq: 1 } });
    expect(second.texts).toEqual(['two']);
    expect(second.events[0]).toMatchObject({ seq: 2, prev: 1 });
  });

  test('of the same tab replaces the older session', async () => {
    const first = await rig.join({}, { session: 'tab' });
    const second = await rig.join({}, { session: 'tab' });
    expect(await first.closed).toEqual({ code: 4409, reason: 'replaced by the same session' });
    await rig.receive(['one']);
    await second.event('message.received');
    expect(rig.gateway?.stats().sessions).toBe(1);
  });

  test('in two tabs shows both everything', async () => {
    const agents = [await rig.join(), await rig.join()];
    await rig.receive(['one']);
    for (const agent of agents) await agent.event('message.received');
  });
});

describe('pages', () => {
  test('that a token does not name are never seen', async () => {
    const ann = await rig.join();
    const sue = await rig.join({ id: 'sue', role: 'supervisor', pages: ['*'] });
    await rig.receive(['secret'], { page: '200', user: '9' });
    await rig.receive(['open']);
    await sue.event('message.received');
    await ann.event('message.received');
    expect(ann.texts).toEqual(['open']);
    expect(sue.texts).toEqual(['secret', 'open']);
    const late = await rig.join({ id: 'late' });
    expect(JSON.stringify(late.messages)).not.toContain('secret');
    const replayed = await rig.join({}, { since: { epoch: late.messages[0]?.['epoch'], seq: 0 } });
    expect(replayed.texts).toEqual(['open']);
  });

  test.each([
    { type: 'send', message: { text: 'hi' } },
    { type: 'history' },
    { type: 'seen', seq: 1 },
  ])('are forbidden to %j', async (request) => {
    await rig.receive(['secret'], { page: '200', user: '9' });
    const ann = await rig.join();
    const reply = await ann.ask({ ...request, conversation: 'messenger/200/9' });
    expect(reply).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    expect(rig.graph.messages).toEqual([]);
  });

  test('are left out of every list', async () => {
    await rig.receive(['secret'], { page: '200', user: '9' });
    await rig.receive(['open']);
    const ann = await rig.join();
    for (const state of ['open', 'unclaimed', 'all']) {
      const reply = await ann.ask({ type: 'list', state });
      const { conversations } = reply['data'] as { conversations: Json[] };
      expect(conversations.map((one) => one['conversation'])).toEqual([CONVERSATION]);
    }
    for (const state of ['mine', 'closed']) {
      const reply = await ann.ask({ type: 'list', state });
      expect(reply).toMatchObject({ ok: true, data: { conversations: [] } });
    }
  });
});

describe('lists and history', () => {
  test('come in pages that fit together', async () => {
    for (let user = 1; user <= 5; user++) await rig.receive(['x'], { user: String(user) });
    const ann = await rig.join();
    const names: unknown[] = [];
    let cursor: unknown;
    do {
      const reply = await ann.ask({ type: 'list', state: 'open', limit: 2, cursor });
      const data = reply['data'] as { conversations: Json[]; cursor?: string };
      names.push(...data.conversations.map((one) => one['conversation']));
      cursor = data.cursor;
    } while (cursor !== undefined);
    expect(names).toEqual([5, 4, 3, 2, 1].map((user) => `messenger/100/${user}`));

    await rig.receive(['a', 'b', 'c', 'd']);
    const history = { type: 'history', conversation: CONVERSATION, limit: 3 };
    const last = (await ann.ask(history))['data'] as { events: Json[]; complete: boolean };
    expect(last.complete).toBe(false);
    const before = last.events[0]?.['seq'];
    const rest = (await ann.ask({ ...history, before }))['data'] as typeof last;
    expect(rest.complete).toBe(true);
    const texts = [...rest.events, ...last.events].map((event) => (event['data'] as Json)['text']);
    expect(texts).toEqual(['a', 'b', 'c', 'd']);
  });

  test.each([
    [{ type: 'list' }, 'bad_request'],
    [{ type: 'list', state: 'open', limit: 101 }, 'bad_request'],
    [{ type: 'list', state: 'open', limit: 0 }, 'bad_request'],
    [{ type: 'list', state: 'open', cursor: 'x' }, 'bad_request'],
    [{ type: 'history', conversation: CONVERSATION, before: -1 }, 'bad_request'],
    [{ type: 'history', conversation: 'nowhere' }, 'bad_request'],
    [{ type: 'send', conversation: CONVERSATION, message: { text: 'x' } }, 'not_found'],
    [{ type: 'seen', conversation: CONVERSATION, seq: 1 }, 'not_found'],
    [{ type: 'resolve', message: 'x', action: 'resend' }, 'not_found'],
    [{ type: 'resolve', message: 'x', action: 'no' }, 'bad_request'],
    [{ type: 'claim', conversation: CONVERSATION }, 'unsupported'],
    [{ type: 'presence', state: 'away' }, 'unsupported'],
    [{ type: 'dance' }, 'unsupported'],
    [{ type: 'hello' }, 'bad_request'],
    [{ type: 'token', token: 'x' }, 'unauthorized'],
    [{ type: 'list', state: 'open', id: 'x'.repeat(129) }, undefined],
  ])('refuse %j with %s', async (request, code) => {
    const ann = await rig.join();
    if (code === undefined) {
      ann.say(request);
      const reply = await ann.next((message) => message['type'] === 'reply');
      expect(reply).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    } else {
      expect(await ann.ask(request)).toMatchObject({ ok: false, error: { code } });
    }
  });

  test('a message that nobody knows and that wants no answer is ignored', async () => {
    const ann = await rig.join();
    ann.say({ type: 'wave' });
    ann.say({ type: 'typing', conversation: CONVERSATION });
    expect(await ann.ask({ type: 'list', state: 'open' })).toMatchObject({ ok: true });
    expect(ann.ofType('reply').length).toBe(1);
  });
});

describe('tokens', () => {
  test('can be renewed', async () => {
    const ann = await rig.join({ ttlSeconds: 30 });
    expect(ann.ofType('expiring').length).toBe(1);
    const reply = await ann.ask({ type: 'token', token: await rig.token() });
    expect(reply).toMatchObject({ ok: true, data: { expiresAt: expect.any(Number) } });
  });

  test('of another agent are refused, of other pages need a new join', async () => {
    const ann = await rig.join();
    const foreign = await ann.ask({ type: 'token', token: await rig.token({ id: 'bob' }) });
    expect(foreign).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    const wider = await ann.ask({
      type: 'token',
      token: await rig.token({ pages: ['100', '200'] }),
    });
    expect(wider).toMatchObject({ ok: true });
    expect((await ann.closed).code).toBe(4001);
  });

  test('that expire end the session with 4401', async () => {
    const ann = await rig.join({ ttlSeconds: 2 });
    expect((await ann.closed).code).toBe(4401);
  });

  test.each([
    ['a bad token', 401, 'x.y.z', undefined],
    ['a foreign origin', 403, undefined, 'https://evil.example'],
  ])('%s is refused with %i', async (_name, status, bad, origin) => {
    const token = bad ?? (await rig.token());
    const agent = new Agent(rig.url, token, origin === undefined ? {} : { origin });
    agent.opened.catch(() => undefined);
    const seen = new Promise((resolve) => {
      agent.socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
    });
    expect(await seen).toBe(status);
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (origin !== undefined) headers['origin'] = origin;
    const response = await fetch(`${rig.url}/api/v1/session`, { headers });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  test('more sessions than allowed are refused with 429', async () => {
    for (let count = 0; count < 8; count++) await rig.join();
    const headers = { authorization: `Bearer ${await rig.token()}` };
    expect((await fetch(`${rig.url}/api/v1/session`, { headers })).status).toBe(429);
    await expect(rig.connect()).rejects.toThrow('429');
    await rig.join({ id: 'bob' });
  });
});

describe('what is no protocol', () => {
  test.each(['no json', '[]', '{"id":"1"}', '{"type":"list","id":"1","state":"open"}'])(
    'closes a new session with 4400: %s',
    async (text) => {
      const agent = await rig.connect();
      agent.socket.send(text);
      expect((await agent.closed).code).toBe(4400);
    },
  );

  test('closes a joined one, too, also for binary', async () => {
    const agent = await rig.join();
    agent.socket.send(Buffer.from('{"type":"list","id":"1"}'));
    expect((await agent.closed).code).toBe(4400);
  });
});

test('a graceful stop answers what was asked, says when to come back and closes with 1012', async () => {
  const ann = await rig.join();
  await rig.receive(['one']);
  await ann.event('message.received');
  const send = { type: 'send', id: 'last', conversation: CONVERSATION, message: { text: 'bye' } };
  const [reply] = await Promise.all([ann.ask(send), rig.gateway?.stop()]);
  expect(reply).toMatchObject({ ok: true });
  expect(ann.ofType('drain')).toMatchObject([{ retryInMs: expect.any(Number) }]);
  expect((await ann.closed).code).toBe(1012);
  await rig.startGateway();
  const after = await rig.join();
  expect(seqsOf(after.ofType('snapshot'))).toEqual([after.messages[0]?.['seq']]);
});
