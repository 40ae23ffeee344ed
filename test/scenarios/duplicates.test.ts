// messenger.md section 9, "Duplicates and identity": S01 to S09.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { writeLikeMeta } from '../../lib/simulator/wire.ts';
import { FakeGraph } from '../support/fake-graph.ts';
import { seededRandom } from '../support/gateway-process.ts';
import {
  conversationOf,
  echoTo,
  entryOf,
  exampleBody,
  fromCustomer,
  type Json,
  PAGE,
  type Person,
  ScenarioRig,
  textOf,
} from '../support/scenario-rig.ts';
import { until } from '../support/until.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
const START = Date.now() - 60_000;
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000);
console.log(`seed ${SEED}`);

let rig: ScenarioRig;
let ann: Person;

afterEach(() => rig.dispose());

/** The body of one text message; `time` is the entry's, which changes from delivery to delivery. */
function bodyOf(mid: string, user = USER, time = START, text = mid): string {
  const messaging = [fromCustomer(user, textOf(mid, text), START)];
  return writeLikeMeta({ object: 'page', entry: [entryOf({ messaging }, PAGE, time)] });
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [result[at], result[other]] = [result[other] as Item, result[at] as Item];
  }
  return result;
}

/** How often each mid is stored. */
function storedMids(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { data } of rig.recordsOf('message.received')) {
    const mid = String(data['mid']);
    counts.set(mid, (counts.get(mid) ?? 0) + 1);
  }
  return counts;
}

/** A socket of an agent that takes nothing any more: the gateway writes into a full pipe. */
async function stalledAgent(): Promise<WebSocket> {
  const protocols = ['sluice.v1', `bearer.${await rig.token('sleepy')}`];
  const socket = new WebSocket(`${rig.url.replace('http', 'ws')}/agent`, protocols);
  const joined = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      if (String(data).includes('"type":"position"')) resolve();
      else if (String(data).includes('"last":true')) resolve();
    });
  });
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'hello', id: '1', session: 'sleepy-tab' }));
  await joined;
  socket.pause();
  return socket;
}

describe('with consumers that hang', () => {
  let graph: FakeGraph;
  beforeEach(async () => {
    graph = new FakeGraph();
    // Meta never answers a call: not for names, not for sends.
    graph.behave = () => undefined;
    rig = await ScenarioRig.start({
      graphUrl: await graph.start(),
      limits: { queueBytes: 65_536 },
    });
    ann = await rig.join();
  });
  afterEach(() => graph.stop());

  test('S01 slow ack: the answer comes at once while agents and Meta hang; a redelivery is one message', async () => {
    const sleepy = await stalledAgent();
    const first = rig.deliverEvents(fromCustomer(USER, textOf('m_s01', 'hello'), START));
    expect((await first).tookMs).toBeLessThan(3_000);
    await ann.send(CONVERSATION, 'an answer that Meta never confirms');
    await graph.received(2);
    let slowest = 0;
    const isFull = (): boolean => rig.gateway.stats().sessionsSlow > 0;
    for (let round = 0; round < 40 || (!isFull() && round < 400); round++) {
      const messaging = Array.from({ length: 10 }, (_, index) => {
        const mid = `m_s01-${round}-${index}`;
        return fromCustomer(USER, textOf(mid, mid.padEnd(9_000, '.')), START + round);
      });
      slowest = Math.max(slowest, (await rig.deliverEvents(...messaging)).tookMs);
    }
    expect(slowest).toBeLessThan(3_000);
    expect(isFull()).toBe(true);
    for (let again = 1; again <= 3; again++) {
      expect(await rig.post(bodyOf('m_s01', USER, START + again * 25_000))).toMatchObject({
        status: 200,
      });
    }
    expect(storedMids().get('m_s01')).toBe(1);
    expect((await ann.bubbles(CONVERSATION)).filter(({ key }) => key === 'm_s01')).toHaveLength(1);
    sleepy.terminate();
  });
});

describe('with Meta as it should be', () => {
  beforeEach(async () => {
    rig = await ScenarioRig.start();
    ann = await rig.join();
  });

  test('S02 redelivery before the first answer: both get 200, one message is stored', async () => {
    const mids = Array.from({ length: 30 }, (_, index) => `m_s02-${index}`);
    const answers = await Promise.all(
      mids.flatMap((mid) => [rig.post(bodyOf(mid)), rig.post(bodyOf(mid, USER, START + 5_000))]),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(storedMids()).toEqual(new Map(mids.map((mid) => [mid, 1])));
    expect(await ann.bubbles(CONVERSATION)).toHaveLength(mids.length);
  });

  test('S03 redelivery with other bytes: other entry.time and image URL, one bubble with the first URL', async () => {
    const photo = (time: number, url: string): Promise<unknown> => {
      const attachments = [{ type: 'image', payload: { url } }];
      const event = fromCustomer(USER, { message: { mid: 'm_s03', attachments } }, START);
      return rig.deliverEntries(entryOf({ messaging: [event] }, PAGE, time));
    };
    await photo(START, 'https://cdn.example/photo.jpg?oh=1&oe=6AD1F3C0');
    await photo(START + 20_000, 'https://cdn.example/photo.jpg?oh=2&oe=6AD1F3FF');
    await rig.deliver(exampleBody('text_message'));
    await rig.deliver(exampleBody('text_message_redelivery_new_entry_time'));
    const bubbles = await ann.bubbles(CONVERSATION);
    expect(bubbles.map(({ text }) => text)).toEqual([
      'Hi, is the blue jacket still available in M? 🙂',
      '',
    ]);
    expect(bubbles[1]?.attachments).toMatchObject([
      { type: 'image', url: 'https://cdn.example/photo.jpg?oh=1&oe=6AD1F3C0' },
    ]);
    expect(rig.gateway.stats().duplicates).toBe(2);
  });

  test('S04 lock released before commit: forty identical posts at once, one message, every answer 200', async () => {
    for (let round = 0; round < 5; round++) {
      const body = bodyOf(`m_s04-${round}`);
      const answers = await Promise.all(Array.from({ length: 40 }, () => rig.post(body)));
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    }
    expect([...storedMids().values()]).toEqual([1, 1, 1, 1, 1]);
    await ann.caughtUp();
    expect(ann.eventsOf('message.received')).toHaveLength(5);
    expect(rig.gateway.stats().duplicates).toBe(5 * 39);
  });

  test('S05 album race: three photos as three webhooks of a new customer, one conversation', async () => {
    const newcomer = '8520369741258963';
    const bodies = [1, 2, 3].map((index) => {
      const attachments = [{ type: 'image', payload: { url: `https://cdn.example/${index}.jpg` } }];
      const message = { message: { mid: `m_s05-${index}`, attachments } };
      const messaging = [fromCustomer(newcomer, message, START + index)];
      return writeLikeMeta({ object: 'page', entry: [entryOf({ messaging })] });
    });
    await Promise.all(bodies.map((body) => rig.post(body)));
    const bubbles = await ann.bubbles(conversationOf(newcomer));
    expect(bubbles.flatMap(({ attachments }) => attachments.map(({ url }) => url))).toEqual(
      [1, 2, 3].map((index) => `https://cdn.example/${index}.jpg`),
    );
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations.map(({ conversation }) => conversation)).toEqual([
      conversationOf(newcomer),
    ]);
    expect(ann.store.conversations).toHaveLength(1);
  });

  test('S06 check-then-set lock: the same events in differently packed parallel posts are stored once', async () => {
    const random = seededRandom(SEED);
    const mids = Array.from({ length: 24 }, (_, index) => `m_s06-${index}`);
    const bodies = Array.from({ length: 16 }, () => {
      const messaging = shuffled(mids, random)
        .slice(0, 12)
        .map((mid) => fromCustomer(USER, textOf(mid, mid), START));
      return writeLikeMeta({ object: 'page', entry: [entryOf({ messaging })] });
    });
    bodies.push(...mids.map((mid) => bodyOf(mid)));
    const answers = await Promise.all(shuffled(bodies, random).map((body) => rig.post(body)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(storedMids().values())).toEqual(new Set([1]));
    expect(storedMids().size).toBe(mids.length);
    await ann.caughtUp();
    const shown = ann.eventsOf('message.received').map(({ data }) => data['mid']);
    expect(shown.toSorted()).toEqual(mids.toSorted());
  });

  test('S07 lock keyed on the wrong side: echoes belong to their customer, one stuck thread stops no other', async () => {
    const users = Array.from({ length: 12 }, (_, index) => String(7_000_000_000_000_100 + index));
    await rig.deliverEvents(
      ...users.flatMap((user, index) => [
        echoTo(user, { mid: `m_s07-out-${index}`, text: 'news', app_id: 999 }, START),
        fromCustomer(user, textOf(`m_s07-in-${index}`, 'thanks'), START + 1),
      ]),
    );
    for (const user of users) {
      const bubbles = await ann.bubbles(conversationOf(user));
      expect(bubbles.map(({ from }) => from)).toEqual(['outside', 'customer']);
    }
    expect(ann.store.conversation(conversationOf(PAGE))).toBeUndefined();
    for (const user of users) rig.simulator.world.addCustomer(user);
    rig.simulator.faults.nextSend({ kind: 'lost_answer' });
    rig.simulator.faults.setWebhooks({ hold: true });
    const [stuck = '', ...others] = users.map((user) => conversationOf(user));
    const first = await ann.send(stuck, 'this one hangs');
    await until('the call that hangs', () => rig.simulator.sentMessages.length === 1);
    const sent = await Promise.all(others.map((name) => ann.send(name, 'this one does not')));
    for (const [index, name] of others.entries()) await ann.status(name, sent[index] ?? '', 'sent');
    expect(ann.messages(stuck).find(({ outbox }) => outbox === first)?.status).toBe('queued');
  });

  test('S08 lock retries run out: interleaved conversations over many connections, none lost, each in order', async () => {
    const random = seededRandom(SEED);
    const users = Array.from({ length: 20 }, (_, index) => String(7_000_000_000_000_200 + index));
    const perUser = 30;
    const wanted = (user: string): string[] =>
      Array.from({ length: perUser }, (_, index) => `m_s08-${user}-${index}`);
    // Each customer's events follow one another; the customers go on at the same time.
    const lanes = users.map(async (user) => {
      for (const [index, mid] of wanted(user).entries()) {
        const event = fromCustomer(user, textOf(mid, mid), START + index);
        const body = writeLikeMeta({
          object: 'page',
          entry: [entryOf({ messaging: [event] })],
        });
        const copies = random() < 0.2 ? 3 : 1;
        const answers = await Promise.all(Array.from({ length: copies }, () => rig.post(body)));
        expect(answers.every(({ status }) => status === 200)).toBe(true);
      }
    });
    await Promise.all(lanes);
    for (const user of users) {
      const bubbles = await ann.bubbles(conversationOf(user));
      expect(bubbles.map(({ key }) => key)).toEqual(wanted(user));
      const events = ann.events.filter((event) => event.conversation === conversationOf(user));
      const received = events.filter(({ kind }) => kind === 'message.received');
      expect(received.map(({ data }) => data['mid'])).toEqual(wanted(user));
      expect(events.every((event, at) => event.prev === (events[at - 1]?.seq ?? 0))).toBe(true);
    }
    expect(ann.gaps).toBe(0);
  });

  test.each<{ readonly first: string; readonly second: string }>([
    { first: 'messaging', second: 'standby' },
    { first: 'standby', second: 'messaging' },
  ])('S09 same mid on $first and then on $second: one message', async ({ first, second }) => {
    const events: Json[] = [
      fromCustomer(USER, textOf('m_s09', 'once'), START),
      fromCustomer(USER, { postback: { mid: 'm_s09-tap', title: 'Talk to us' } }, START + 1),
    ];
    await rig.deliverEntries(entryOf({ [first]: events }), entryOf({ [second]: events }));
    await rig.deliverEntries(entryOf({ [second]: events }));
    expect(rig.records().map(({ kind }) => kind)).toEqual(['message.received', 'postback']);
    expect(await ann.shown(CONVERSATION)).toMatchObject([
      { type: 'message', text: 'once' },
      { type: 'note', kind: 'postback' },
    ]);
  });
});
