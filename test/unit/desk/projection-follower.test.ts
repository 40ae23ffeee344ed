// A projection that follows rows which another process writes: whatever comes late, the states are those of
// the log, and nothing is folded twice.

import { describe, expect, test } from 'vitest';
import { Projection } from '../../../lib/desk/projection.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryLog, MemoryViews, newRecord, PAGE, T0 } from './memory-desk.ts';
import { RandomLog } from './random-log.ts';

/** The clerk's rows as a follower sees them: `mark` is what it was told, rows are what they are. */
class SeenViews extends MemoryViews {
  readonly of: MemoryViews;

  constructor(of: MemoryViews) {
    super();
    this.of = of;
    this.mark = of.mark;
  }

  override get(key: string) {
    return this.of.get(key);
  }

  override getMarked(key: string) {
    return { row: this.get(key), mark: this.of.mark };
  }

  override list(query: Parameters<MemoryViews['list']>[0]) {
    return this.of.list(query);
  }
}

function conversationsOf(log: MemoryLog): string[] {
  return [...new Set(log.records.map((record) => record.conversation))];
}

describe('a follower', () => {
  test.each([1, 2, 3, 4, 5, 6])('of random log %i has the states of the log', async (n) => {
    const seed = (Date.now() + n * 7919) & 0x7fffffff;
    console.log(`seed ${seed}`);
    const source = new RandomLog(seed);
    const log = new MemoryLog();
    const clock = new ManualClock();
    const views = new MemoryViews();
    const limits = { cleanStatesMax: 3, dirtyMax: 5, checkpointIntervalMs: 100 };
    const clerk = new Projection({ views, clock, limits });
    log.onCommit = (records) => void clerk.apply(records);
    clerk.start();
    const seen = new SeenViews(views);
    const follower = new Projection({ views: seen, clock, limits, follows: true });

    for (let i = 0; i < 150; i++) {
      log.commit(source.batch());
      await clock.advance(source.below(200));
      const records = log.records.slice(follower.position);
      // Some commits come late, and some rows are ahead of them when somebody asks.
      if (source.below(3) > 0) follower.apply(records.slice(0, 1 + source.below(records.length)));
      for (const key of conversationsOf(log)) if (source.below(4) === 0) follower.get(key);
      follower.list({ limit: 5 });
      if (source.below(3) === 0) follower.marked(views.mark);
    }
    follower.apply(log.records.slice(follower.position));
    expect(follower.position).toBe(clerk.position);
    for (const key of conversationsOf(log)) expect(follower.get(key)).toEqual(clerk.get(key));
    expect(follower.list({ limit: 50 })).toEqual(clerk.list({ limit: 50 }));
    expect(seen.checkpoints).toBe(0);
    expect(follower.damaged).toBe(clerk.damaged);
    // Nothing stays pinned once the rows have it.
    await clerk.stop();
    follower.marked(views.mark);
    expect(follower.dirtyCount).toBe(0);
  });

  test('counts a message once whose row was ahead of it', async () => {
    const log = new MemoryLog();
    const clock = new ManualClock();
    const views = new MemoryViews();
    const clerk = new Projection({ views, clock });
    log.onCommit = (records) => void clerk.apply(records);
    const follower = new Projection({ views: new SeenViews(views), clock, follows: true });
    const conversation = `messenger/${PAGE}/1`;
    for (const at of [T0, T0 + 1, T0 + 2]) {
      log.commit([newRecord('message.received', { mid: `m${at}`, at }, at, conversation)]);
      await clerk.checkpoint();
    }
    expect(follower.get(conversation)?.unread).toBe(3);
    follower.apply(log.records);
    expect(follower.get(conversation)?.unread).toBe(3);
    log.commit([newRecord('message.received', { mid: 'm4', at: T0 }, T0, conversation)]);
    follower.apply(log.records);
    expect(follower.get(conversation)?.unread).toBe(4);
  });

  test('keeps a changed state until its row is there', () => {
    const clock = new ManualClock();
    const views = new MemoryViews();
    const limits = { cleanStatesMax: 1 };
    const follower = new Projection({ views, clock, limits, follows: true });
    const log = new MemoryLog();
    log.onCommit = (records) => void follower.apply(records);
    for (let user = 0; user < 20; user++) {
      const conversation = `messenger/${PAGE}/${user}`;
      log.commit([newRecord('message.received', { mid: `m${user}`, at: T0 }, T0, conversation)]);
    }
    expect(follower.dirtyCount).toBe(20);
    for (let user = 0; user < 20; user++) {
      expect(follower.get(`messenger/${PAGE}/${user}`)?.unread).toBe(1);
    }
    follower.marked(10);
    expect(follower.dirtyCount).toBe(10);
    expect(clock.timerCount).toBe(0);
  });
});
