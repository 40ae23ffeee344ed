// messenger.md section 9, what must not take the gateway down: S49 to S53.

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openJournal } from '../../lib/journal/open.ts';
import type { NewRecord } from '../../lib/journal/types.ts';
import { writeLikeMeta } from '../../lib/simulator/wire.ts';
import { GatewayProcess, textBody } from '../support/gateway-process.ts';
import { compilePreload, ERRNO, type Faults, FaultyDisk } from '../support/preload.ts';
import {
  conversationOf,
  entryOf,
  exampleBody,
  fromCustomer,
  type Json,
  OTHER_PAGE,
  PAGE,
  Person,
  ScenarioRig,
  textOf,
} from '../support/scenario-rig.ts';
import { until } from '../support/until.ts';

const USER = '7410258963014785';
const CONVERSATION = conversationOf(USER);
const START = Date.now() - 60_000;

describe('events that are unlike the others', () => {
  let rig: ScenarioRig;
  let ann: Person;
  beforeEach(async () => {
    rig = await ScenarioRig.start();
    ann = await rig.join();
  });
  afterEach(() => rig.dispose());

  test('S49 postback on standby has no payload: shown read-only as it is, no crash', async () => {
    await rig.deliver(exampleBody('standby_message_and_postback'));
    const thread = conversationOf('8520369741258963');
    expect(await ann.shown(thread)).toMatchObject([
      { type: 'message', text: 'are you there?' },
      { type: 'note', kind: 'postback', data: { title: 'Talk to an agent' } },
    ]);
    const [tap] = ann.eventsOf('postback');
    expect(tap).toMatchObject({ standby: true });
    expect(tap?.data).not.toHaveProperty('payload');
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations).toMatchObject([{ thread: 'other', last: { text: 'Talk to an agent' } }]);

    const bare = [{ postback: {} }, { postback: null }, { postback: { title: 'Only a title' } }];
    await rig.deliverEntries(
      entryOf({ standby: bare.map((tapped) => fromCustomer(USER, tapped, START)) }),
    );
    expect(await ann.shown(CONVERSATION)).toMatchObject([{ data: { title: 'Only a title' } }]);
  });

  test('S50 policy block event without sender: stored as an event of the Page, no crash', async () => {
    await rig.deliver(exampleBody('policy_enforcement_block'));
    await rig.deliver(exampleBody('policy_enforcement_block'));
    const event = await ann.event('policy');
    expect(event).toMatchObject({
      conversation: `messenger/${OTHER_PAGE}`,
      data: { action: 'block', reason: expect.stringContaining('limited') },
    });
    expect(rig.recordsOf('policy')).toHaveLength(1);
    await rig.deliverEvents(
      { recipient: { id: PAGE }, timestamp: START, policy_enforcement: { action: 'unblock' } },
      { recipient: { id: PAGE }, timestamp: START, app_roles: { 1122334455667788: ['x'] } },
      fromCustomer(USER, textOf('m_s50', 'life goes on'), START),
    );
    expect(await ann.bubbles(CONVERSATION)).toMatchObject([{ text: 'life goes on' }]);
    expect(ann.eventsOf('policy').map(({ data }) => data['action'])).toEqual(['block', 'unblock']);
    expect(ann.store.conversations).toHaveLength(1);
  });

  /** Stands for what JSON.stringify could not write. */
  const DEEP = 'much deeper than anybody nests';
  const deep = `${'[{"a":'.repeat(3_000)}1${'}]'.repeat(3_000)}`;
  const poison: readonly { readonly name: string; readonly event: unknown }[] = [
    { name: 'null', event: null },
    { name: 'a number', event: 7 },
    { name: 'a list', event: [[]] },
    { name: 'no members', event: {} },
    { name: 'a message that is a text', event: fromCustomer(USER, { message: 'hi' }) },
    { name: 'a mid that is a number', event: fromCustomer(USER, { message: { mid: 5 } }) },
    {
      name: 'attachments that are none',
      event: fromCustomer(USER, { message: { mid: 'm_p1', attachments: { 0: null } } }, START),
    },
    {
      name: 'attachments of null',
      event: fromCustomer(USER, { message: { mid: 'm_p2', attachments: [null, 3, {}] } }, START),
    },
    {
      name: 'names of prototypes',
      event: fromCustomer(USER, JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":1}}')),
    },
    { name: 'a depth of 3,000', event: fromCustomer(USER, { surprise: DEEP }, START) },
    {
      name: 'a time beyond all calendars',
      event: { ...fromCustomer(USER, textOf('m_p3', 'late')), timestamp: 9e18 },
    },
    {
      name: 'half a surrogate pair',
      event: fromCustomer(USER, textOf('m_p4\ud800', '\udc00 half'), START),
    },
    {
      name: 'line breaks and zeros in a mid',
      event: fromCustomer(USER, textOf('m_p5\n\u0000"', 'a\u0000b\nc'), START),
    },
    {
      name: 'a sender made of slashes',
      event: { ...fromCustomer('../../etc', textOf('m_p6', 'x')), timestamp: START },
    },
    {
      name: 'a text of 400,000 characters',
      event: fromCustomer(USER, textOf('m_p7', '\u00e4'.repeat(400_000)), START),
    },
    {
      name: 'a mid of 100,000 characters',
      event: fromCustomer(USER, textOf('m_'.padEnd(100_000, 'x'), 'long name'), START),
    },
    {
      name: 'a watermark that is a text',
      event: fromCustomer(USER, { read: { watermark: 'soon' }, delivery: { mids: [{}] } }),
    },
    {
      name: 'an echo of a send that never was',
      event: fromCustomer(USER, { message: { mid: 'm_p8', is_echo: true, metadata: 'gw::NaN' } }),
    },
  ];

  test('S51 poison event: whatever it looks like, the rest of its batch and its conversation goes on', async () => {
    for (const [index, { name, event }] of poison.entries()) {
      const before = fromCustomer(USER, textOf(`m_s51-${index}-a`, 'before'), START);
      const after = fromCustomer(USER, textOf(`m_s51-${index}-b`, 'after'), START + 1);
      const entry = [entryOf({ messaging: [before, event, after] })];
      const body = writeLikeMeta({ object: 'page', entry }).replace(`"${DEEP}"`, deep);
      expect((await rig.post(body)).status, name).toBe(200);
      expect((await rig.post(body)).status, `${name}, again`).toBe(200);
    }
    await ann.caughtUp();
    const mids = new Set(ann.messages(CONVERSATION).map(({ key }) => key));
    for (const [index, { name }] of poison.entries()) {
      expect(mids.has(`m_s51-${index}-a`), name).toBe(true);
      expect(mids.has(`m_s51-${index}-b`), name).toBe(true);
    }
    await ann.shown(CONVERSATION);
    expect(ann.gaps).toBe(0);
    // Nothing was delivered twice and nothing is tried for ever.
    const { events, damagedEvents } = rig.gateway.stats();
    expect(events).toBe(rig.records().length);
    expect(damagedEvents).toBeGreaterThan(4);
    await rig.restart();
    await until('the desk is back', () => ann.desk.state.state === 'online');
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s51-end', 'still here'), Date.now()));
    expect((await ann.bubbles(CONVERSATION)).at(-1)).toMatchObject({ text: 'still here' });
  });

  test('S53 burst: a thousand events in one POST of 5 MB are acknowledged in time and all arrive', async () => {
    const users = Array.from({ length: 40 }, (_, index) => String(7_000_000_000_000_300 + index));
    const events = Array.from({ length: 1_000 }, (_, index) => {
      const text = `${index} `.padEnd(4_900, 'é'.repeat(40).padEnd(400, 'burst '));
      return fromCustomer(users[index % 40] ?? '', textOf(`m_s53-${index}`, text), START + index);
    });
    const body = writeLikeMeta({ object: 'page', entry: [entryOf({ messaging: events })] });
    expect(body.length).toBeGreaterThan(5_000_000);
    const [posted, again] = [await rig.post(body), await rig.post(body)];
    expect([posted.status, again.status]).toEqual([200, 200]);
    expect(posted.tookMs).toBeLessThan(3_000);
    expect(again.tookMs).toBeLessThan(3_000);
    expect(rig.gateway.stats()).toMatchObject({ events: 1_000, duplicates: 1_000 });
    await until('all of it on the screen', () => ann.events.length === 1_000);
    for (const user of users) {
      const mids = ann.messages(conversationOf(user)).map(({ key }) => key);
      const first = users.indexOf(user);
      expect(mids).toEqual(Array.from({ length: 25 }, (_, round) => `m_s53-${first + round * 40}`));
    }
    expect(ann.gaps).toBe(0);
  });
});

test('S51 poison event: a stored record that the fold cannot digest stops neither the start nor its neighbours', async () => {
  const rig = await ScenarioRig.start();
  try {
    await rig.gateway.stop();
    const { journal, views } = await openJournal({ directory: rig.directory });
    const strange: readonly [kind: string, data: string][] = [
      ['message.received', '{not json}'],
      ['message.received', '{"mid":{"a":1},"at":"x","text":[1],"attachments":{"length":-1}}'],
      ['message.queued', '{"message":"M","by":null,"attachments":"none","quickReplies":7}'],
      ['message.sent', '{"message":"M","mids":{},"mid":4}'],
      ['message.sending', '{}'],
      ['message.echo', '{"mid":"m","metadata":"gw:M:-1"}'],
      ['message.delivered', '{"watermark":"soon","mids":"m"}'],
      ['conversation.seen', '{"seq":-1e99}'],
      ['kind.of.tomorrow', '{"a":{"b":[]}}'],
    ];
    const records = strange.map(([kind, data]): NewRecord => {
      return { conversation: CONVERSATION, kind, at: START, data };
    });
    await journal.append(records);
    await journal.close();
    await views.close();
    await rig.revive();
    const ann = await rig.join();
    await rig.deliverEvents(fromCustomer(USER, textOf('m_s51', 'after the poison'), Date.now()));
    await until('the message behind it', () =>
      ann.texts(CONVERSATION).includes('after the poison'),
    );
    const { conversations } = await ann.desk.list({ state: 'all' });
    expect(conversations).toMatchObject([{ last: { text: 'after the poison' } }]);
  } finally {
    await rig.dispose();
  }
});

describe('a journal that cannot take anything', () => {
  let folder: string;
  let disk: FaultyDisk;
  let gateway: GatewayProcess;
  let ann: Person;

  beforeEach(async () => {
    compilePreload();
    folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
    disk = new FaultyDisk(folder);
    gateway = await GatewayProcess.create({ env: disk.env });
    await gateway.start();
    const token = gateway.token('ann');
    ann = new Person(gateway.url, async () => token);
    await until('ann at the desk', () => ann.isReady);
  });
  afterEach(async () => {
    ann.leave();
    await gateway.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const conversation = `messenger/112233445566778/${USER}`;
  const outages: readonly { readonly name: string; readonly faults: Faults }[] = [
    { name: 'a full disk', faults: { write: { errno: ERRNO.ENOSPC, path: 'log.db' } } },
    { name: 'a read-only disk', faults: { write: { errno: ERRNO.EROFS, path: 'log.db' } } },
  ];

  test.each(outages)(
    'S52 backpressure, $name: 503 at once, never 200 without durability, back without a restart',
    async ({ faults }) => {
      expect(await gateway.post(textBody('m_s52-0', USER, 'before'))).toBe(200);
      await ann.event('message.received');
      disk.set(faults);
      const mids = Array.from({ length: 20 }, (_, index) => `m_s52-${index + 1}`);
      const statuses: number[] = [];
      let slowestMs = 0;
      for (const mid of mids) {
        const startedAt = performance.now();
        statuses.push(await gateway.post(textBody(mid, USER, mid)));
        slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      }
      expect(new Set(statuses)).toEqual(new Set([503]));
      expect(slowestMs).toBeLessThan(3_000);
      const id = randomUUID();
      const refused: Json = await ann.desk
        .send(conversation, { text: 'hello?' }, { id })
        .then(() => ({}))
        .catch((error: { readonly code: string }) => ({ code: error.code }));
      expect(refused).toEqual({ code: 'unavailable' });
      expect(await gateway.admin('/readyz')).toMatchObject({ status: 503 });

      disk.set({});
      await readyAgain();
      for (const mid of mids) expect(await gateway.post(textBody(mid, USER, mid))).toBe(200);
      const sent = await ann.desk.send(conversation, { text: 'hello?' }, { id });
      expect(sent.duplicate).toBeUndefined();
      await until('everything on the screen', () =>
        ann.texts(conversation).includes(mids[19] ?? ''),
      );
      const stored = gateway.records().filter(({ kind }) => kind === 'message.received');
      expect(stored.map(({ data }) => data['mid'])).toEqual(['m_s52-0', ...mids]);
    },
  );

  /** The gateway finds out by itself: whoever watches its readiness sends nothing meanwhile. */
  async function readyAgain(): Promise<void> {
    const latest = Date.now() + 8_000;
    while ((await gateway.admin('/readyz')).status !== 200) {
      if (Date.now() > latest) throw new Error('The journal did not come back.');
    }
  }
});
