import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type Agent, type Json, Rig } from './gateway-rig.ts';

const CONVERSATION = 'messenger/100/7';
const ID = '4d1c8b6e-1a8c-4c3c-9a37-5c9e60a0c001';

let rig: Rig;
let ann: Agent;
beforeEach(async () => {
  rig = await Rig.start();
  ann = await rig.join();
  await rig.receive(['hello']);
  await ann.event('message.received');
});
afterEach(() => rig.stop());

const send = (change: Json = {}): Json => ({
  type: 'send',
  id: ID,
  conversation: CONVERSATION,
  message: { text: 'hi' },
  ...change,
});

describe('the same id', () => {
  test('with the same content is answered with the first answer', async () => {
    const first = await ann.ask(send());
    await ann.event('message.sent');
    const again = await ann.ask(send());
    expect(again['data']).toEqual({ ...(first['data'] as Json), duplicate: true });
    expect(rig.graph.messages.length).toBe(1);
  });

  test('is looked at before `seen`: a repetition is never stale', async () => {
    const first = await ann.ask(send({ seen: 1 }));
    await rig.receive(['and more']);
    const again = await ann.ask(send({ seen: 1 }));
    expect(again).toMatchObject({
      ok: true,
      data: { ...(first['data'] as Json), duplicate: true },
    });
  });

  test.each([
    { message: { text: 'other' } },
    { message: { text: 'hi', replyTo: 'm_1' } },
    { conversation: 'messenger/100/8' },
    { message: {} },
  ])('with %j is id_reused', async (change) => {
    await ann.ask(send());
    expect(await ann.ask(send(change))).toMatchObject({ ok: false, error: { code: 'id_reused' } });
  });

  test('of another agent is another message', async () => {
    const bob = await rig.join({ id: 'bob' });
    await ann.ask(send());
    const other = await bob.ask(send());
    expect(other).toMatchObject({ ok: true });
    expect(other['data']).not.toHaveProperty('duplicate');
  });

  test('from two sessions at once with an old `seen` is one message', async () => {
    const second = await rig.join();
    const replies = await Promise.all([
      ann.ask(send({ seen: 1 })),
      second.ask(send({ seen: 1 })),
      ann.ask(send({ id: 'b', seen: 1 })),
      second.ask(send({ id: 'c', seen: 1 })),
    ]);
    expect(replies.map((reply) => reply['ok'])).toEqual([true, true, true, true]);
    const [one, other] = replies.map((reply) => reply['data'] as Json);
    expect(other?.['message']).toBe(one?.['message']);
    await until('three sent', () => rig.graph.messages.length === 3);
    const queued = ann.events.filter((event) => event['kind'] === 'message.queued');
    expect(queued.length).toBe(3);
  });

  test('survives a restart', async () => {
    const first = await ann.ask(send());
    await ann.event('message.sent');
    await rig.restart();
    const later = await rig.join();
    const again = await later.ask(send());
    expect(again).toMatchObject({ data: { ...(first['data'] as Json), duplicate: true } });
    expect(rig.graph.messages.length).toBe(1);
  });

  test('of a refused send is free again', async () => {
    await rig.receive(['two']);
    expect(await ann.ask(send({ seen: 1 }))).toMatchObject({ error: { code: 'stale' } });
    expect(await ann.ask(send({ message: { text: 'better' } }))).toMatchObject({ ok: true });
  });
});

describe('a stale send', () => {
  test('shows what was missed', async () => {
    await rig.receive(['two', 'three']);
    const reply = await ann.ask(send({ seen: 1 }));
    expect(reply).toMatchObject({ ok: false, error: { code: 'stale', retryable: false } });
    const { events, seq } = (reply['error'] as { data: { events: Json[]; seq: number } }).data;
    expect(events.map((event) => (event['data'] as Json)['text'])).toEqual(['two', 'three']);
    expect(seq).toBe(3);
    expect(await ann.ask(send({ seen: seq }))).toMatchObject({ ok: true });
  });

  test("is one after a colleague's answer, but not after an own one", async () => {
    const bob = await rig.join({ id: 'bob' });
    await ann.ask(send({ seen: 1 }));
    expect(await bob.ask(send({ seen: 1 }))).toMatchObject({ error: { code: 'stale' } });
    expect(await ann.ask(send({ id: 'next', seen: 1 }))).toMatchObject({ ok: true });
  });
});

describe('content', () => {
  test.each([
    [{ text: '' }, 'bad_request'],
    [{}, 'bad_request'],
    ['hi', 'bad_request'],
    [{ text: 'x'.repeat(20_001) }, 'too_long'],
    [{ attachment: { type: 'image', url: 'ftp://x' } }, 'bad_request'],
  ])('%j is refused as %s', async (message, code) => {
    expect(await ann.ask(send({ message }))).toMatchObject({ ok: false, error: { code } });
    expect(rig.graph.messages).toEqual([]);
  });

  test.each([
    [{ seen: 'x' }, 'bad_request'],
    [{ claim: -1 }, 'bad_request'],
    [{ claim: 7 }, 'taken'],
    [{ conversation: 'messenger/100' }, 'not_found'],
    [{ conversation: 'messenger/100/unknown' }, 'not_found'],
  ])('with %j is refused as %s', async (change, code) => {
    expect(await ann.ask(send(change))).toMatchObject({ ok: false, error: { code } });
  });

  test('over the limit of Meta is split and stays one message', async () => {
    const text = 'word '.repeat(1_000).trim();
    await ann.ask(send({ message: { text } }));
    const sent = await ann.event('message.sent');
    const texts = rig.graph.messages.map((call) => (call.body['message'] as Json)['text']);
    expect(texts.length).toBeGreaterThan(1);
    expect((sent['data'] as Json)['mids']).toHaveLength(texts.length);
    expect(texts.join(' ').replace(/\s+/g, ' ')).toBe(text);
    expect(ann.events.filter((event) => event['kind'] === 'message.queued').length).toBe(1);
  });

  test('with an attachment and quick replies reaches Meta as it is', async () => {
    const attachment = { type: 'image', url: 'https://cdn.example/cat.png' };
    const quickReplies = [{ title: 'Yes', payload: 'YES' }];
    await ann.ask(send({ message: { attachment, quickReplies } }));
    await ann.event('message.sent');
    expect(rig.graph.messages[0]?.body['message']).toMatchObject({
      attachment: { type: 'image', payload: { url: attachment.url } },
      quick_replies: [{ content_type: 'text', title: 'Yes', payload: 'YES' }],
    });
  });
});

test('answers of one conversation leave in order, one at a time', async () => {
  let most = 0;
  let inFlight = 0;
  rig.graph.answer = async (call) => {
    if (call.body['message'] === undefined) return rig.graph.accept(call);
    inFlight += 1;
    most = Math.max(most, inFlight);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inFlight -= 1;
    return rig.graph.accept(call);
  };
  for (const text of ['1', '2', '3', '4', '5']) ann.say(send({ id: text, message: { text } }));
  await until(
    'five',
    () => ann.events.filter((one) => one['kind'] === 'message.sent').length === 5,
  );
  const texts = rig.graph.messages.map((call) => (call.body['message'] as Json)['text']);
  expect(texts).toEqual(['1', '2', '3', '4', '5']);
  expect(most).toBe(1);
});
