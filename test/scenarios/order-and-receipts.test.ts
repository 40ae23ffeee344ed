// messenger.md section 9, "Order and receipts": S16 to S22. Arrival order means nothing; statuses only climb.

import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageStatus } from '../../lib/client/index.ts';
import { answer, FakeGraph, type GraphRequest } from '../support/fake-graph.ts';
import {
  conversationOf,
  echoTo,
  exampleBody,
  fromCustomer,
  type Json,
  OTHER_PAGE,
  PAGE,
  type Person,
  ScenarioRig,
  textOf,
} from '../support/scenario-rig.ts';
import { until } from '../support/until.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
const START = Date.now() - 60_000;
const RANKS: readonly (MessageStatus | undefined)[] = ['queued', 'sent', 'delivered', 'read'];

let rig: ScenarioRig;
let ann: Person;

/** Every status that the screen showed of the newest answer, without repetitions. */
function watchStatuses(person: Person): MessageStatus[] {
  const seen: MessageStatus[] = [];
  person.store.subscribe(() => {
    const status = person.messages(CONVERSATION).findLast(({ from }) => from === 'agent')?.status;
    if (status !== undefined && status !== seen.at(-1)) seen.push(status);
  });
  return seen;
}

function expectClimbing(seen: readonly MessageStatus[]): void {
  const ranks = seen.map((status) => RANKS.indexOf(status));
  expect(ranks, seen.join(', ')).toEqual(ranks.toSorted((a, b) => a - b));
  expect(ranks).not.toContain(-1);
}

const delivery = (watermark: number, mids?: readonly string[]): Json =>
  fromCustomer(USER, { delivery: mids === undefined ? { watermark } : { watermark, mids } });
const read = (watermark: number): Json => fromCustomer(USER, { read: { watermark } }, watermark);

describe('with the simulator', () => {
  beforeEach(async () => {
    rig = await ScenarioRig.start({ delivers: false });
    ann = await rig.join();
  });
  afterEach(() => rig.dispose());

  test('S16 referral after message: attached to the same conversation later, nothing lost', async () => {
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s16', 'Is it in stock?'), START));
    await ann.event('message.received');
    const referral = { ref: 'summer', source: 'SHORTLINK', type: 'OPEN_THREAD' };
    await rig.deliverEvents(fromCustomer(USER, { referral }, START - 5));
    const ad = { source: 'ADS', type: 'OPEN_THREAD', ad_id: '6302572858686' };
    await rig.deliverEvents(fromCustomer(USER, { referral: ad }, START + 5));
    expect(await ann.shown(CONVERSATION)).toMatchObject([
      { type: 'note', kind: 'referral', data: { ref: 'summer', source: 'SHORTLINK' } },
      { type: 'message', text: 'Is it in stock?' },
      { type: 'note', kind: 'referral', data: { source: 'ADS', adId: '6302572858686' } },
    ]);
    expect(ann.store.conversations).toHaveLength(1);
    expect(ann.store.conversation(CONVERSATION)).toMatchObject({
      unread: 1,
      last: { text: 'Is it in stock?' },
    });
  });

  test('S17 shuffled batch: shown t1, t2, t3, and those who watch get inserts in the middle', async () => {
    const [t1, t2, t3] = [START + 1, START + 2, START + 3];
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s17-0', 'before'), START));
    await rig.deliverEvents(
      fromCustomer(USER, textOf('m_s17-3', 'third'), t3),
      fromCustomer(USER, textOf('m_s17-1', 'first'), t1),
      fromCustomer(USER, textOf('m_s17-2', 'second'), t2),
    );
    await ann.shown(CONVERSATION);
    expect(ann.texts(CONVERSATION)).toEqual(['before', 'first', 'second', 'third']);
    const arrived = ann.eventsOf('message.received').map(({ data }) => data['text']);
    expect(arrived).toEqual(['before', 'third', 'first', 'second']);
    expect(ann.store.conversation(CONVERSATION)?.last.text).toBe('third');
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations[0]?.last).toEqual(ann.store.conversation(CONVERSATION)?.last);
  });

  test('S17 shuffled batch of two Pages: each conversation by itself in the order of time', async () => {
    await rig.deliver(exampleBody('batch_two_pages'));
    await ann.caughtUp();
    const names = ann.store.conversations.map(({ conversation }) => conversation);
    expect(new Set(names.map((name) => name.split('/')[1]))).toEqual(new Set([PAGE, OTHER_PAGE]));
    for (const name of names) {
      const times = (await ann.shown(name)).map(({ at }) => at);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    expect(ann.texts(CONVERSATION)[0]).toBe('first: what does shipping cost');
    expect(ann.texts(CONVERSATION).at(-1)).toBe('third thought: also in green?');
    expect(ann.eventsOf('message.received')).toHaveLength(4);
  });

  test('S18 read before delivery, old watermark after new: the status never goes back', async () => {
    rig.simulator.customerSends(PAGE, USER, { text: 'hi' });
    await ann.event('message.received');
    const seen = watchStatuses(ann);
    const first = await ann.send(CONVERSATION, 'first answer');
    await ann.status(CONVERSATION, first, 'sent');
    await rig.simulator.settled();
    const sent = rig.simulator.sentMessages[0];
    const at = sent?.at ?? 0;
    await rig.deliverEvents(read(at));
    await ann.status(CONVERSATION, first, 'read');
    await rig.deliverEvents(
      delivery(at, [sent?.mid ?? '']),
      delivery(at - 1_000),
      read(at - 2_000),
    );
    expect((await ann.bubbles(CONVERSATION)).at(-1)).toMatchObject({ status: 'read' });
    expectClimbing(seen);

    const second = await ann.send(CONVERSATION, 'second answer');
    await ann.status(CONVERSATION, second, 'sent');
    await rig.simulator.settled();
    await rig.deliverEvents(read(at), delivery(at), delivery(0, ['m_nobody-knows']));
    expect((await ann.bubbles(CONVERSATION)).map(({ status }) => status)).toEqual([
      undefined,
      'read',
      'sent',
    ]);
  });

  test('S21 edit before message / edit twice: the final text is that of edit 2', async () => {
    await rig.deliver(exampleBody('message_edit_out_of_order'));
    expect(await ann.bubbles(CONVERSATION)).toEqual([]);
    await rig.deliver(exampleBody('text_message'));
    const edited = 'Hi, is the blue jacket still available in L?';
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ text: edited, isEdited: true }]);

    const edit = (text: string, num_edit: number | string): Json =>
      fromCustomer(USER, { message_edit: { mid: 'm_s21', text, num_edit } }, START + 9);
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s21', 'original'), START));
    await rig.deliverEvents(edit('edit two', '2'), edit('edit one', 1), edit('edit two', 2));
    expect((await ann.bubbles(CONVERSATION)).map(({ text }) => text)).toEqual([edited, 'edit two']);
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations[0]?.last.text).toBe('edit two');
    expect(ann.store.conversation(CONVERSATION)?.last).toEqual(conversations[0]?.last);
  });

  test('S22 reaction to unknown mid, and unreact without emoji: stored, shown when the message comes', async () => {
    await rig.deliver(exampleBody('reaction_then_unreact'));
    const react = (mid: string, more: Json): Json =>
      fromCustomer(USER, { reaction: { mid, ...more } }, START + 1);
    await rig.deliverEvents(
      react('m_s22-kept', { action: 'react', emoji: '😢', reaction: 'sad' }),
      react('m_s22-gone', { action: 'react', reaction: 'other' }),
      react('m_s22-gone', { action: 'unreact' }),
    );
    expect(rig.recordsOf('reaction')).toHaveLength(5);
    expect(await ann.shown(CONVERSATION)).toEqual([]);
    await rig.deliverEvents(
      fromCustomer(USER, textOf('m_s22-kept', 'my cat died'), START),
      fromCustomer(USER, textOf('m_s22-gone', 'or did it'), START + 2),
    );
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([
      { text: 'my cat died', reactions: [{ by: 'customer', emoji: '😢' }] },
      { text: 'or did it', reactions: [] },
    ]);
  });
});

describe('with a Graph whose answers wait', () => {
  let graph: FakeGraph;
  let calls: { readonly request: GraphRequest; readonly response: ServerResponse }[];
  beforeEach(async () => {
    graph = new FakeGraph();
    calls = [];
    graph.behave = (request, response) => {
      if (request.method === 'GET') answer(response, 200, {});
      else calls.push({ request, response });
    };
    rig = await ScenarioRig.start({
      graphUrl: await graph.start(),
      outbox: { threadPerSecond: 1_000, threadBurst: 1_000 },
    });
    ann = await rig.join();
    await rig.deliverEvents(fromCustomer(USER, textOf('m_hi', 'hi'), Date.now()));
    await ann.event('message.received');
  });
  afterEach(async () => {
    await rig.dispose();
    await graph.stop();
  });

  const messageOf = (at: number): Json =>
    (calls[at]?.request.body as { readonly message: Json } | undefined)?.message ?? {};
  const accept = (at: number, mid: string): void => {
    const call = calls[at];
    if (call !== undefined) answer(call.response, 200, { recipient_id: USER, message_id: mid });
  };

  test.each([
    { name: 'with the echo before it', hasEcho: true },
    { name: 'without an echo', hasEcho: false },
  ])(
    'S19 attachment result late, $name: delivery and read came first, the status stays',
    async ({ hasEcho }) => {
      const seen = watchStatuses(ann);
      const attachment = { type: 'image', url: 'https://cdn.example/shoe.jpg' } as const;
      const { message } = await ann.desk.send(CONVERSATION, { attachment });
      await until('the call', () => calls.length === 1);
      const at = Date.now() + 1_000;
      const { metadata } = messageOf(0);
      if (hasEcho) await rig.deliverEvents(echoTo(USER, { mid: 'm_s19', metadata }, at));
      await rig.deliverEvents(delivery(at, ['m_s19']), read(at));
      if (hasEcho) await ann.status(CONVERSATION, message, 'read');
      accept(0, 'm_s19');
      await ann.status(CONVERSATION, message, 'read');
      await until('its outcome', () => rig.gateway.stats().postsSent === 1);
      expect((await ann.bubbles(CONVERSATION)).at(-1)).toMatchObject({ status: 'read' });
      expectClimbing(seen);
      expect(rig.recordsOf('message.sent')).toHaveLength(1);
    },
  );

  test('S20 parallel sends reorder: the next call starts after the answer to the one before', async () => {
    const photo = { attachment: { type: 'image', url: 'https://cdn.example/1.jpg' } } as const;
    const contents = [{ text: '1' }, { text: '2' }, photo, { text: '4' }, { text: '5' }];
    const sends = contents.map((content) => ann.desk.send(CONVERSATION, content));
    const outboxes = (await Promise.all(sends)).map(({ message }) => message);
    for (let at = 0; at < contents.length; at++) {
      await until(`call ${at + 1}`, () => calls.length > at);
      // Whatever could start beside it would have by now: the desk's answer is a round trip away.
      await ann.caughtUp();
      expect(calls).toHaveLength(at + 1);
      accept(at, `m_s20-${at}`);
      await ann.status(CONVERSATION, outboxes[at] ?? '', 'sent');
    }
    const left = calls.map((_, at) => messageOf(at)['text'] ?? 'photo');
    expect(left).toEqual(['1', '2', 'photo', '4', '5']);
    const shown = (await ann.bubbles(CONVERSATION)).slice(1);
    expect(shown.map(({ text }) => text)).toEqual(['1', '2', '', '4', '5']);
  });
});
