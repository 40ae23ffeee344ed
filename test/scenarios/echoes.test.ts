// messenger.md section 9, "Echoes": S10 to S15. What the Page says comes back as a webhook, ours and others'.

import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answer, FakeGraph, type GraphRequest, graphError } from '../support/fake-graph.ts';
import {
  conversationOf,
  echoTo,
  exampleBody,
  fromCustomer,
  PAGE,
  type Person,
  ScenarioRig,
  textOf,
} from '../support/scenario-rig.ts';
import { until } from '../support/until.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
const START = Date.now() - 60_000;

let rig: ScenarioRig;
let ann: Person;

describe('with the simulator', () => {
  beforeEach(async () => {
    rig = await ScenarioRig.start();
    ann = await rig.join();
    rig.simulator.customerSends(PAGE, USER, { text: 'hello?' });
    await ann.event('customer.updated');
  });
  afterEach(() => rig.dispose());

  test('S10 echo loop: echoes cause not one call to Meta', async () => {
    const outbox = await ann.send(CONVERSATION, 'good morning');
    await ann.status(CONVERSATION, outbox, 'delivered');
    await rig.simulator.settled();
    const calls = rig.simulator.calls.length;
    await rig.deliver(exampleBody('echo_own_app'));
    await rig.deliver(exampleBody('echo_page_inbox_human'));
    rig.simulator.inboxSends(PAGE, USER, 'from the inbox');
    await rig.simulator.settled();
    // An answer that an echo caused would stand before this one.
    const last = await ann.send(CONVERSATION, 'the only other');
    await ann.status(CONVERSATION, last, 'delivered');
    expect(rig.simulator.sentMessages.map(({ text }) => text)).toEqual([
      'good morning',
      'the only other',
    ]);
    expect(rig.simulator.calls.length).toBe(calls + 1);
  });

  test('S11 echo with attachment only: it is the Page who said it, not the customer', async () => {
    await rig.deliver(exampleBody('echo_page_inbox_human'));
    const [photo, question] = await ann.bubbles(CONVERSATION);
    expect(photo).toMatchObject({
      from: 'outside',
      text: '',
      isUnsupported: false,
      attachments: [{ type: 'image' }],
    });
    expect(question).toMatchObject({ from: 'customer' });
    expect(rig.recordsOf('message.received')).toHaveLength(1);
    expect(ann.store.conversation(CONVERSATION)?.unread).toBe(1);
  });

  test('S12 echo before the API answer: matched by our id in its metadata, one bubble, no waiting', async () => {
    rig.simulator.faults.nextSend({ kind: 'echo_first' });
    const outbox = await ann.send(CONVERSATION, 'one bubble');
    await ann.status(CONVERSATION, outbox, 'delivered');
    const ours = (await ann.bubbles(CONVERSATION)).filter(({ from }) => from !== 'customer');
    expect(ours).toMatchObject([{ from: 'agent', text: 'one bubble', outbox }]);
    expect(rig.recordsOf('message.sent')).toHaveLength(1);
    expect(rig.recordsOf('message.outside')).toEqual([]);
    expect(rig.simulator.sentMessages).toHaveLength(1);
  });

  test('S13 provider id discarded: message_id is kept, over a restart too, and joins what comes later', async () => {
    rig.simulator.faults.nextSend({ kind: 'drop_echo' });
    const outbox = await ann.send(CONVERSATION, 'remember me');
    await ann.status(CONVERSATION, outbox, 'sent');
    const mid = rig.simulator.sentMessages[0]?.mid ?? '';
    expect(rig.recordsOf('message.sent').map(({ data }) => data['mid'])).toEqual([mid]);
    await rig.restart();
    await until('the desk is back', () => ann.desk.state.state === 'online');
    const at = Date.now();
    await rig.deliverEvents(
      echoTo(USER, { mid, text: 'remember me', app_id: 1122334455667788 }, at),
      fromCustomer(USER, { delivery: { mids: [mid], watermark: 1 } }),
      fromCustomer(USER, { reaction: { mid, action: 'react', emoji: '👍', reaction: 'like' } }, at),
      fromCustomer(USER, { message: { mid: 'm_s13', text: 'yes', reply_to: { mid } } }, at + 1),
    );
    const bubbles = await ann.bubbles(CONVERSATION);
    expect(bubbles.filter(({ from }) => from !== 'customer')).toMatchObject([
      { outbox, mids: [mid], status: 'delivered', reactions: [{ by: 'customer', emoji: '👍' }] },
    ]);
    const quote = bubbles.at(-1)?.replyTo ?? '';
    expect(ann.store.thread(CONVERSATION).findByMid(quote)?.text).toBe('remember me');
  });

  test('S14 human echo: shown as sent outside, no look-up of the Page, no answer to the Page', async () => {
    const inboxMid = rig.simulator.inboxSends(PAGE, USER, 'Hi, this is Joe in the shop');
    await ann.event('message.outside', ({ data }) => data['mid'] === inboxMid);
    await rig.deliverEvents(echoTo(USER, { mid: 'm_s14-phone', text: 'and by phone' }, Date.now()));
    const outside = (await ann.bubbles(CONVERSATION)).filter(({ from }) => from === 'outside');
    expect(outside).toMatchObject([
      { text: 'Hi, this is Joe in the shop', origin: 'page_inbox' },
      { text: 'and by phone', origin: 'app' },
    ]);
    expect(outside.every(({ outbox, status }) => outbox === undefined && !status)).toBe(true);
    expect(ann.store.conversation(CONVERSATION)).toMatchObject({ waitingSince: 0 });
    const paths = rig.simulator.calls.map(({ method, path }) => `${method} ${path}`);
    expect(paths).toEqual([`GET /v25.0/${USER}`]);
  });
});

describe('with a Graph that the test scripts', () => {
  let graph: FakeGraph;
  let held: ServerResponse[];
  beforeEach(async () => {
    graph = new FakeGraph();
    held = [];
    graph.behave = (request, response) => {
      // "The user has not consented": what Meta says about people who never wrote (230).
      if (request.method === 'GET') answer(response, 403, graphError(230));
      else held.push(response);
    };
    rig = await ScenarioRig.start({ graphUrl: await graph.start() });
    ann = await rig.join();
  });
  afterEach(async () => {
    await rig.dispose();
    await graph.stop();
  });

  const reads = (): GraphRequest[] => graph.requests.filter(({ method }) => method === 'GET');

  test('S12 echo before the API answer, its metadata lost: joined by mid, still one bubble', async () => {
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s12', 'hello?'), START));
    const outbox = await ann.send(CONVERSATION, 'one bubble');
    const call = await until('the call', () => held[0]);
    const at = Date.now();
    await rig.deliverEvents(
      echoTo(USER, { mid: 'm_s12-ours', text: 'one bubble', app_id: 1122334455667788 }, at),
    );
    await ann.event('message.outside');
    answer(call, 200, { recipient_id: USER, message_id: 'm_s12-ours' });
    await ann.status(CONVERSATION, outbox, 'sent');
    const ours = (await ann.bubbles(CONVERSATION)).filter(({ from }) => from !== 'customer');
    expect(ours).toMatchObject([{ from: 'agent', text: 'one bubble', outbox }]);
    expect(held).toHaveLength(1);
  });

  test('S15 echo to someone who never wrote: stored, with a placeholder for the name', async () => {
    const echo = echoTo(USER, { mid: 'm_s15-echo', text: 'your parcel is here', app_id: 7 }, START);
    await rig.deliverEvents(echo);
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ from: 'outside' }]);
    expect(ann.store.conversation(CONVERSATION)?.customer).toEqual({ id: USER });
    expect(reads()).toEqual([]);

    await rig.deliverEvents(fromCustomer(USER, textOf('m_s15', 'thanks'), START + 1));
    await until('the profile that Meta refuses', () => reads().length === 1);
    await until('its answer', () => rig.gateway.stats().profilesMissing === 1);
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s15-2', 'bye'), START + 2));
    await ann.shown(CONVERSATION);
    expect(ann.texts(CONVERSATION)).toEqual(['your parcel is here', 'thanks', 'bye']);
    expect(ann.store.conversation(CONVERSATION)?.customer).toEqual({ id: USER });
    expect(reads()).toHaveLength(1);
  });
});
