import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type Json, messageOf, Rig } from './gateway-rig.ts';

const CONVERSATION = 'messenger/100/7';

let rig: Rig;
beforeEach(async () => {
  rig = await Rig.start();
});
afterEach(() => rig.stop());

test("a customer's message reaches the agent, and the answer reaches Meta", async () => {
  const agent = await rig.join();
  await rig.receive(['hello']);
  const received = await agent.event('message.received');
  expect(received).toMatchObject({
    conversation: CONVERSATION,
    prev: 0,
    data: { mid: 'm_1', text: 'hello', window: true },
  });

  const reply = await agent.ask({
    type: 'send',
    conversation: CONVERSATION,
    message: { text: 'hi there' },
    seen: received['seq'],
  });
  expect(reply).toMatchObject({ ok: true, data: { message: expect.any(String) } });
  const { message, seq } = reply['data'] as Json;
  const queued = await agent.event('message.queued');
  expect(queued).toMatchObject({
    seq,
    prev: received['seq'],
    data: { message, text: 'hi there', by: { id: 'ann', name: 'Ann', role: 'agent' } },
  });
  const sent = await agent.event('message.sent');
  expect(sent).toMatchObject({ prev: seq, data: { message, mid: 'm_sent-1' } });
  expect(rig.graph.messages).toMatchObject([
    {
      path: '/v25.0/100/messages',
      body: { recipient: { id: '7' }, message: { text: 'hi there', metadata: `gw:${message}:0` } },
    },
  ]);
  expect(agent.messages.some((one) => one['kind'] === 'message.sending')).toBe(false);
});

test('a redelivered webhook is stored and shown once', async () => {
  const agent = await rig.join();
  const message = messageOf('100', '7', 'm_same', 'once');
  await rig.postEvents('100', [message]);
  await rig.postEvents('100', [message, messageOf('100', '7', 'm_other', 'twice')]);
  await until('both', () => agent.texts.length >= 2);
  expect(agent.texts).toEqual(['once', 'twice']);
  expect(rig.gateway?.stats()).toMatchObject({ events: 2, duplicates: 1, webhooksAccepted: 2 });
});

test('statuses follow the echo, the delivery and the read', async () => {
  const agent = await rig.join();
  await rig.receive(['hello']);
  const send = { type: 'send', conversation: CONVERSATION, message: { text: 'hi' } };
  const { message } = (await agent.ask(send))['data'] as Json;
  await agent.event('message.sent');
  const ends = { sender: { id: '100' }, recipient: { id: '7' }, timestamp: Date.now() };
  const echo = { mid: 'm_sent-1', is_echo: true, metadata: `gw:${message}:0`, text: 'hi' };
  const watermark = { watermark: Date.now() + 1_000 };
  await rig.postEvents('100', [
    { ...ends, message: echo },
    { sender: { id: '7' }, recipient: { id: '100' }, timestamp: Date.now(), delivery: watermark },
    { sender: { id: '7' }, recipient: { id: '100' }, timestamp: Date.now(), read: watermark },
  ]);
  await agent.event('message.delivered');
  await agent.event('message.read');
  expect(agent.events.map((event) => event['kind'])).not.toContain('message.echo');
  expect(agent.events.map((event) => event['kind'])).not.toContain('message.outside');
  expect(rig.graph.messages.length).toBe(1);
});

test('what Meta refuses is shown as failed, and resolve sends it again', async () => {
  const agent = await rig.join();
  await rig.receive(['hello']);
  rig.graph.answer = (call) =>
    call.method === 'GET'
      ? { status: 200, body: {} }
      : {
          status: 400,
          body: { error: { message: 'no', type: 'OAuthException', code: 100, fbtrace_id: 'A' } },
        };
  const send = { type: 'send', conversation: CONVERSATION, message: { text: 'hi' } };
  const { message } = (await agent.ask(send))['data'] as Json;
  const failed = await agent.event('message.failed');
  expect(failed).toMatchObject({
    data: { message, error: { code: 'rejected', retryable: false } },
  });

  rig.graph.answer = (call) => rig.graph.accept(call);
  const again = await agent.ask({ type: 'resolve', message, action: 'resend' });
  expect(again).toMatchObject({ ok: true });
  expect(await agent.event('message.sent')).toMatchObject({ data: { message } });
  const late = await agent.ask({ type: 'resolve', message, action: 'discard' });
  expect(late).toMatchObject({ ok: false, error: { code: 'bad_request' } });
  const stranger = await rig.join({ id: 'eve', pages: ['200'] });
  const hidden = await stranger.ask({ type: 'resolve', message, action: 'discard' });
  expect(hidden).toMatchObject({ ok: false, error: { code: 'not_found' } });
});

test("a customer's name is fetched once and shown", async () => {
  rig.graph.answer = (call) =>
    call.method === 'GET'
      ? { status: 200, body: { name: 'Cleo Customer', first_name: 'Cleo' } }
      : rig.graph.accept(call);
  const agent = await rig.join();
  await rig.receive(['one', 'two']);
  await rig.receive(['three']);
  expect(await agent.event('customer.updated')).toMatchObject({ data: { name: 'Cleo Customer' } });
  const list = await agent.ask({ type: 'list', state: 'open' });
  const { conversations } = list['data'] as { conversations: Json[] };
  expect(conversations).toMatchObject([
    { customer: { id: '7', name: 'Cleo Customer' }, unread: 3 },
  ]);
  expect(rig.graph.calls.filter((call) => call.method === 'GET').length).toBe(1);
});

test('what was queued and never called is sent after a restart, once', async () => {
  rig.graph.answer = (call) => (call.method === 'GET' ? rig.graph.accept(call) : 'never');
  const agent = await rig.join();
  await rig.receive(['hello']);
  const send = { type: 'send', conversation: CONVERSATION };
  await agent.ask({ ...send, message: { text: 'first' } });
  await until('the call', () => rig.graph.messages.length === 1);
  const second = (await agent.ask({ ...send, message: { text: 'second' } }))['data'] as Json;
  await rig.gateway?.stop({ graceful: false });
  rig.graph.answer = (call) => rig.graph.accept(call);
  await rig.startGateway();
  const after = await rig.join();
  const first = rig.graph.messages[0]?.body['message'] as Json;
  const echo = { mid: 'm_echoed', is_echo: true, metadata: first['metadata'], text: 'first' };
  const ends = { sender: { id: '100' }, recipient: { id: '7' }, timestamp: Date.now() };
  await rig.postEvents('100', [{ ...ends, message: echo }]);
  expect(await after.event('message.sent')).toMatchObject({ data: { mid: 'm_echoed' } });
  expect(await after.event('message.sent')).toMatchObject({ data: { message: second['message'] } });
  expect(rig.graph.messages.map((call) => (call.body['message'] as Json)['text'])).toEqual([
    'first',
    'second',
  ]);
});

test('typing is shown to the other agents and to the customer, not to the typist', async () => {
  const ann = await rig.join();
  const bob = await rig.join({ id: 'bob', name: 'Bob' });
  const eve = await rig.join({ id: 'eve', pages: ['200'] });
  await rig.receive(['hello']);
  await ann.event('message.received');
  ann.say({ type: 'typing', conversation: CONVERSATION, on: true });
  const signal = await bob.next((message) => message['type'] === 'signal');
  expect(signal).toMatchObject({
    kind: 'typing',
    conversation: CONVERSATION,
    data: { agent: { id: 'ann', name: 'Ann' }, on: true },
  });
  await until('typing_on', () => rig.graph.actions.includes('typing_on'));
  await ann.ask({ type: 'list', state: 'open' });
  expect([ann, eve].flatMap((agent) => agent.ofType('signal'))).toEqual([]);
});

test('seen is the read mark of the team, told to Meta once', async () => {
  const agent = await rig.join();
  await rig.receive(['one', 'two']);
  const first = await agent.event('message.received');
  const second = await agent.event('message.received');
  const seen = { type: 'seen', conversation: CONVERSATION };
  expect(await agent.ask({ ...seen, seq: second['seq'] })).toMatchObject({ ok: true });
  expect(await agent.event('conversation.seen')).toMatchObject({
    data: { seq: second['seq'], by: { id: 'ann' } },
  });
  await until('mark_seen', () => rig.graph.actions.includes('mark_seen'));
  expect(await agent.ask({ ...seen, seq: first['seq'] })).toMatchObject({ ok: true });
  const list = await agent.ask({ type: 'list', state: 'all' });
  expect((list['data'] as { conversations: Json[] }).conversations[0]).toMatchObject({ unread: 0 });
  expect(agent.events.filter((event) => event['kind'] === 'conversation.seen').length).toBe(1);
});
