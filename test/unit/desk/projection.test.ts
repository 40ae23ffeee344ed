// The live projection over a journal and views in memory: same log, same states, whatever the checkpoints.

import { describe, expect, test } from 'vitest';
import type { ConversationState } from '../../../lib/desk/conversation.ts';
import { Projection, type ProjectionLimits } from '../../../lib/desk/projection.ts';
import { decodeCursor, encodeCursor } from '../../../lib/desk/projection-list.ts';
import { fromRow, toRow } from '../../../lib/desk/view.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { CONVERSATION, MemoryLog, MemoryViews, newRecord, PAGE, T0 } from './memory-desk.ts';
import { RandomLog } from './random-log.ts';

interface World {
  readonly log: MemoryLog;
  readonly views: MemoryViews;
  readonly clock: ManualClock;
  readonly projection: Projection;
}

function world(limits: Partial<ProjectionLimits> = {}, views = new MemoryViews()): World {
  const log = new MemoryLog();
  const clock = new ManualClock();
  const projection = new Projection({ views, clock, limits });
  log.onCommit = (records) => void projection.apply(records);
  return { log, views, clock, projection };
}

function received(user: number, at: number) {
  const conversation = `messenger/${PAGE}/${user}`;
  return newRecord('message.received', { mid: `m${user}-${at}`, at, text: 'x' }, at, conversation);
}

function statesOf(projection: Projection, log: MemoryLog): Map<string, ConversationState> {
  const states = new Map<string, ConversationState>();
  for (const { conversation } of log.records) {
    const state = projection.get(conversation);
    if (state !== undefined) states.set(conversation, state);
  }
  return states;
}

describe('same log, same state', () => {
  test.each([11, 22, 33, 44, 55])(
    'random log %i, replayed whole, in pieces, and from rows',
    async (n) => {
      const seed = (Date.now() + n) & 0x7fffffff;
      console.log(`seed ${seed}`);
      const source = new RandomLog(seed);
      const live = world({ cleanStatesMax: 3, dirtyMax: 7 });
      live.projection.start();
      for (let i = 0; i < 40; i++) {
        live.log.commit(source.batch());
        await live.clock.advance(source.below(700));
      }
      const whole = world();
      whole.projection.apply(live.log.records);
      const expected = statesOf(whole.projection, live.log);
      expect(expected.size).toBeGreaterThan(5);
      expect(statesOf(live.projection, live.log)).toEqual(expected);

      // As after a kill: rows of the last checkpoint, the rest from the log.
      const resumed = new Projection({ views: live.views, clock: live.clock });
      const rest = live.log.records.filter((record) => record.seq > resumed.position);
      resumed.apply(rest);
      expect(statesOf(resumed, live.log)).toEqual(expected);

      expect(await live.projection.stop()).toBe(true);
      expect(live.views.mark).toBe(live.log.records.length);
      const cold = new Projection({ views: live.views, clock: live.clock });
      expect(statesOf(cold, live.log)).toEqual(expected);
      expect(live.clock.timerCount).toBe(0);
    },
  );

  test('a state becomes a row and a state again without loss', () => {
    const { log, projection } = world();
    log.commit(new RandomLog(7).batch(200));
    for (const state of statesOf(projection, log).values()) {
      expect(fromRow(toRow(state))).toEqual(state);
    }
  });

  test('records that were folded before are not folded again', () => {
    const { log, projection } = world();
    log.commit([received(1, T0)]);
    projection.apply(log.records);
    expect(projection.get(`messenger/${PAGE}/1`)?.unread).toBe(1);
  });
});

describe('apply', () => {
  test('returns the records with parsed data and the stored text', () => {
    const { log, projection } = world();
    log.commit([received(1, T0)]);
    const [record] = new Projection({ views: new MemoryViews(), clock: new ManualClock() }).apply(
      log.records,
    );
    expect(record?.data).toEqual({ mid: `m1-${T0}`, at: T0, text: 'x' });
    expect(record?.data).toBe(record?.data);
    expect(record?.text).toBe(log.records[0]?.data);
    expect(projection.position).toBe(1);
  });

  test.each(['', '[]', 'null', '{"a":', '"text"'])('S51: data that is %j says nothing', (data) => {
    const { log, projection } = world();
    log.commit([{ conversation: CONVERSATION, kind: 'message.received', at: T0, data }]);
    expect(projection.get(CONVERSATION)?.seq).toBe(1);
    expect(projection.damaged).toBe(0);
  });

  test('a state that cannot be loaded ends the work instead of being replaced by a wrong one', () => {
    const { log, views, projection } = world();
    const broken = `messenger/${PAGE}/13`;
    views.rows.set(broken, { ...toRow(stateOf(received(13, T0))), json: '{' });
    expect(() => log.commit([received(13, T0)])).toThrow(SyntaxError);
    expect(projection.dirtyCount).toBe(0);
    expect(projection.damaged).toBe(0);
  });
});

function stateOf(...records: readonly ReturnType<typeof received>[]): ConversationState {
  const { log, projection } = world();
  log.commit(records);
  const state = projection.get(records[0]?.conversation ?? '');
  if (state === undefined) throw new Error('not folded');
  return state;
}

describe('checkpoints', () => {
  test('are written a while after a change, with the mark, and only when there is one', async () => {
    const { log, views, clock, projection } = world({ checkpointIntervalMs: 1000 });
    projection.start();
    await clock.advance(5000);
    expect(views.checkpoints).toBe(0);
    log.commit([received(1, T0)]);
    await clock.advance(999);
    expect([views.checkpoints, projection.lag, projection.dirtyCount]).toEqual([0, 1, 1]);
    await clock.advance(1);
    expect([views.checkpoints, projection.lag, projection.dirtyCount]).toEqual([1, 0, 0]);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    { dirty: 2, checkpoints: 0 },
    { dirty: 3, checkpoints: 1 },
    { dirty: 4, checkpoints: 1 },
  ])('$dirty changed states of dirtyMax 3 bring forward $checkpoints', async (row) => {
    const { log, views, clock, projection } = world({ dirtyMax: 3 });
    projection.start();
    log.commit(Array.from({ length: row.dirty }, (_, i) => received(i, T0)));
    await clock.advance(0);
    expect(views.checkpoints).toBe(row.checkpoints);
  });

  test('a state that changes while it is written stays changed', async () => {
    const { log, views, clock, projection } = world({ checkpointIntervalMs: 10 });
    let open: () => void = () => undefined;
    views.gate = new Promise((resolve) => {
      open = resolve;
    });
    projection.start();
    log.commit([received(1, T0)]);
    await clock.advance(10);
    log.commit([received(1, T0 + 1)]);
    expect(projection.get(`messenger/${PAGE}/1`)?.unread).toBe(2);
    open();
    await clock.advance(0);
    expect([views.mark, projection.dirtyCount]).toEqual([1, 1]);
    await clock.advance(10);
    expect([views.mark, projection.dirtyCount]).toEqual([2, 0]);
    expect(JSON.parse(views.get(`messenger/${PAGE}/1`)?.json ?? '').unread).toBe(2);
  });

  test('a failed one is tried again, and loses nothing meanwhile', async () => {
    const { log, views, clock, projection } = world({ checkpointIntervalMs: 10, dirtyMax: 1 });
    projection.start();
    views.failures = 2;
    log.commit([received(1, T0)]);
    await clock.advance(0);
    expect([views.mark, projection.dirtyCount]).toEqual([0, 1]);
    log.commit([received(2, T0)]);
    await clock.advance(10);
    expect([views.failures, views.mark]).toEqual([0, 0]);
    await clock.advance(10);
    expect([views.mark, views.rows.size, projection.dirtyCount]).toEqual([2, 2, 0]);
  });

  test('stop says so when the last one cannot be written, and leaves no timer', async () => {
    const { log, views, clock, projection } = world();
    projection.start();
    log.commit([received(1, T0)]);
    views.failures = 1;
    expect(await projection.stop()).toBe(false);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    { max: 2, loads: 0 },
    { max: 1, loads: 1 },
  ])('unchanged states above $max are dropped and loaded again', async ({ max, loads }) => {
    const { log, views, projection } = world({ cleanStatesMax: max });
    log.commit([received(1, T0), received(2, T0)]);
    await projection.checkpoint();
    let loaded = 0;
    const get = views.get.bind(views);
    views.get = (key) => {
      loaded++;
      return get(key);
    };
    projection.get(`messenger/${PAGE}/1`);
    expect(loaded).toBe(loads);
  });
});

describe('lists', () => {
  const users = [1, 2, 3, 4, 5, 6, 7];

  async function mixed(): Promise<World> {
    const made = world();
    made.log.commit(users.map((user) => received(user, T0 + (user % 3))));
    made.log.commit([newRecord('policy', { action: 'block' }, T0, `messenger/${PAGE}`)]);
    await made.projection.checkpoint();
    // Two move to the top, one is new; their rows are stale now.
    made.log.commit([received(1, T0 + 9), received(4, T0 + 8), received(8, T0 + 2)]);
    return made;
  }

  const order = [1, 4, 8, 5, 2, 7, 6, 3].map((user) => `messenger/${PAGE}/${user}`);

  test.each([1, 2, 3, 7, 8, 9])('pages of %i show everything once, in order', async (limit) => {
    const { projection } = await mixed();
    const seen: string[] = [];
    let after: ReturnType<typeof decodeCursor>;
    for (let turn = 0; turn < 10; turn++) {
      const page = projection.list({ limit, ...(after === undefined ? {} : { after }) });
      expect(page.states.length).toBeLessThanOrEqual(limit);
      seen.push(...page.states.map((state) => state.conversation));
      if (page.next === undefined) break;
      after = decodeCursor(encodeCursor(page.next));
    }
    expect(seen).toEqual(order);
  });

  test.each([
    { name: 'another page', query: { pages: ['1'] }, found: 0 },
    { name: 'this page', query: { pages: ['1', PAGE] }, found: 8 },
    { name: 'closed ones', query: { state: 'closed' }, found: 1 },
    { name: 'open ones', query: { state: 'open' }, found: 7 },
    { name: 'unclaimed ones', query: { owner: '' }, found: 8 },
    { name: 'those of an agent', query: { owner: 'ann' }, found: 0 },
  ] as const)('finds $name', async ({ query, found }) => {
    const { log, projection } = await mixed();
    log.commit([newRecord('conversation.closed', {}, T0, `messenger/${PAGE}/2`)]);
    for (const turn of ['changed', 'written']) {
      expect(projection.list({ ...query, limit: 50 }).states, turn).toHaveLength(found);
      await projection.checkpoint();
    }
  });

  test('more rows than a chunk come whole, in queries of a bounded size', async () => {
    const { log, views, projection } = world();
    log.commit(Array.from({ length: 450 }, (_, i) => received(i, T0 + i)));
    await projection.checkpoint();
    log.commit(Array.from({ length: 210 }, (_, i) => received(i, T0 + 1000 + i)));
    for (const limit of [450, 10_000]) {
      const { states, next } = projection.list({ limit });
      expect([states.length, next]).toEqual([450, undefined]);
    }
    expect(views.listedMax).toBeLessThanOrEqual(200);
  });

  test.each(['', '!', 'bnVsbA', 'WzEsMl0', 'a'.repeat(600)])('a cursor %j is refused', (cursor) => {
    expect(decodeCursor(cursor)).toBeUndefined();
  });

  test('conversations with work for the clerk are found in rows and in memory', async () => {
    const { log, projection } = world();
    const queued = (user: number) =>
      newRecord('message.queued', { message: `M${user}` }, T0, `messenger/${PAGE}/${user}`);
    log.commit([queued(1), queued(2), received(3, T0)]);
    await projection.checkpoint();
    const sent = { message: 'M2', mid: 'm' };
    log.commit([queued(4), newRecord('message.sent', sent, T0, `messenger/${PAGE}/2`)]);
    expect([...projection.unsettled()].sort()).toEqual([
      `messenger/${PAGE}/1`,
      `messenger/${PAGE}/4`,
    ]);
  });

  test('heads name the last event and the last fence', () => {
    const { log, projection } = world();
    log.commit([
      received(1, T0),
      newRecord('message.read', { watermark: 1 }, T0, `messenger/${PAGE}/1`),
    ]);
    expect(projection.heads(`messenger/${PAGE}/1`)).toEqual({ last: 2, fence: 1 });
    expect(projection.heads('messenger/1/2')).toEqual({ last: 0, fence: 0 });
  });
});
