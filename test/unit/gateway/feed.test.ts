import { describe, expect, test } from 'vitest';
import { Feed } from '../../../lib/gateway/feed.ts';
import { Hub } from '../../../lib/gateway/hub.ts';
import { CATCH_UP_RECORDS_MAX, SNAPSHOT_PART_MAX } from '../../../lib/gateway/limits.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import type { JournalRecord } from '../../../lib/journal/types.ts';
import { FakeSocket } from './fakes.ts';

/** A feed on a log that grows by `commit`, and a hub that reaches the socket like the server does. */
class World {
  readonly log: JournalRecord[] = [];
  readonly socket: FakeSocket;
  readonly hub: Hub;
  readonly feed: Feed;
  readonly later: (() => void)[] = [];
  tailSeq = 1;
  now = 0;
  lost = 0;
  unblocked = 0;
  reads = 0;
  readonly failures: unknown[] = [];
  readError: Error | undefined;

  constructor(options: { isSlow?: boolean; queueBytes?: number; events?: number } = {}) {
    this.socket = new FakeSocket(options);
    for (let seq = 1; seq <= (options.events ?? 0); seq++) this.log.push(recordOf(seq));
    this.hub = new Hub(
      (topic, texts) => {
        if (!this.socket.topics.has(topic)) return;
        for (const text of texts) {
          if (this.socket.send(text) === 'dropped') this.feed.fellBehind();
        }
      },
      this.log.length,
      () => this.now,
    );
    const { socket, hub } = this;
    this.feed = new Feed({
      socket,
      hub,
      journal: this,
      scope: new Scope(['100'], 'agent'),
      viewText: (name) => (name.endsWith('gone') ? undefined : JSON.stringify({ name })),
      later: (task) => void this.later.push(task),
      now: () => this.now,
      onUnblocked: () => {
        this.unblocked += 1;
      },
      onLost: () => {
        this.lost += 1;
      },
      onFailed: (error) => {
        this.failures.push(error);
      },
    });
  }

  read(from: number, limit: number): readonly JournalRecord[] {
    this.reads += 1;
    if (this.readError !== undefined) throw this.readError;
    return this.log.filter((record) => record.seq >= from).slice(0, limit);
  }

  commit(record: JournalRecord): void {
    this.log.push(record);
    this.hub.publish([record]);
  }

  turn(): void {
    for (const task of this.later.splice(0)) task();
  }

  /** The kernel takes everything, and the socket says so. */
  drain(): void {
    this.socket.pendingBytes = 0;
    this.feed.drained();
    this.turn();
  }

  seqs(type: string): number[] {
    const messages = this.socket.messages.filter((message) => message['type'] === type);
    return messages.map((message) => message['seq'] as number);
  }
}

function recordOf(seq: number, change: Partial<JournalRecord> = {}): JournalRecord {
  const base = { seq, prev: seq - 1, at: 1, conversation: 'messenger/100/7', data: '{"n":1}' };
  return { ...base, kind: 'message.received', fences: true, internal: false, ...change };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('replay', () => {
  test('sends what was missed, then a position, then live events', () => {
    const world = new World({ events: 5 });
    world.feed.startAt(2);
    world.commit(recordOf(6));
    expect(world.socket.messages.map((message) => [message['type'], message['seq']])).toEqual([
      ['event', 3],
      ['event', 4],
      ['event', 5],
      ['position', 5],
      ['event', 6],
    ]);
    expect(world.feed.isLive).toBe(true);
  });

  test('ends when the journal cannot be read, also in a later turn, and harms nobody', () => {
    const world = new World({ events: CATCH_UP_RECORDS_MAX + 1, queueBytes: 1e9 });
    world.feed.startAt(0);
    world.readError = new Error('disk I/O error');
    expect(() => world.turn()).not.toThrow();
    expect(world.failures).toEqual([world.readError]);
    world.readError = undefined;
    world.drain();
    world.turn();
    expect(world.seqs('event')).toEqual(range(1, CATCH_UP_RECORDS_MAX));
    expect(world.failures.length).toBe(1);
  });

  test('leaves out internal records and other pages', () => {
    const world = new World();
    world.commit(recordOf(1, { internal: true }));
    world.commit(recordOf(2, { conversation: 'messenger/200/7' }));
    world.commit(recordOf(3));
    world.feed.startAt(0);
    expect(world.seqs('event')).toEqual([3]);
    expect(world.seqs('position')).toEqual([3]);
  });

  test.each([CATCH_UP_RECORDS_MAX - 1, CATCH_UP_RECORDS_MAX, CATCH_UP_RECORDS_MAX + 1])(
    'gives the loop a turn after each bounded read of %i events',
    (events) => {
      const world = new World({ events, queueBytes: 1e9 });
      world.feed.startAt(0);
      expect(world.later.length).toBe(events > CATCH_UP_RECORDS_MAX ? 1 : 0);
      world.turn();
      expect(world.seqs('event')).toEqual(range(1, events));
      expect(world.feed.isLive).toBe(true);
    },
  );

  test('passes over a stretch that holds nothing any more', () => {
    const world = new World({ events: 3 });
    world.log.length = 0;
    world.feed.startAt(1);
    expect(world.feed.isLive).toBe(true);
  });

  test('says that its place is lost when retention took it', () => {
    const world = new World({ events: 9 });
    world.tailSeq = 5;
    world.feed.startAt(3);
    expect(world.lost).toBe(1);
    expect(world.socket.sent).toEqual([]);
  });
});

describe('snapshot', () => {
  test.each([
    [0, [0]],
    [SNAPSHOT_PART_MAX, [SNAPSHOT_PART_MAX]],
    [SNAPSHOT_PART_MAX + 1, [SNAPSHOT_PART_MAX, 1]],
    [3 * SNAPSHOT_PART_MAX, [SNAPSHOT_PART_MAX, SNAPSHOT_PART_MAX, SNAPSHOT_PART_MAX]],
  ])('of %i conversations comes in parts of %j', (count, sizes) => {
    const world = new World({ events: 4, queueBytes: 1e9 });
    const conversations = range(1, count).map((number) => `c${number}`);
    world.feed.startWithSnapshot({ seq: 4, conversations });
    const parts = world.socket.messages.filter((message) => message['type'] === 'snapshot');
    expect(parts.map((part) => (part['conversations'] as unknown[]).length)).toEqual(sizes);
    expect(parts.map((part) => part['part'])).toEqual(range(1, sizes.length));
    expect(parts.map((part) => part['last'])).toEqual(sizes.map((_, i) => i === sizes.length - 1));
    expect(parts.every((part) => part['seq'] === 4)).toBe(true);
    expect(world.seqs('position')).toEqual([4]);
  });

  test('leaves out what is gone when its part is built', () => {
    const world = new World();
    world.feed.startWithSnapshot({ seq: 0, conversations: ['a', 'gone', 'b'] });
    expect(world.socket.messages[0]?.['conversations']).toEqual([{ name: 'a' }, { name: 'b' }]);
  });

  test('waits for a slow line between parts and then tells what happened meanwhile', () => {
    const world = new World({ events: 2, isSlow: true, queueBytes: 2_000 });
    const conversations = range(1, 500).map((number) => `conversation-${number}`);
    world.feed.startWithSnapshot({ seq: 2, conversations });
    expect(world.seqs('snapshot').length).toBe(1);
    world.commit(recordOf(3));
    for (let turns = 0; turns < 20; turns++) world.drain();
    expect(world.seqs('snapshot').length).toBe(10);
    expect(world.seqs('event')).toEqual([3]);
    expect(world.feed.isLive).toBe(true);
  });
});

describe('a slow session', () => {
  test('catches up from the journal: every event once, in order', () => {
    const world = new World({ isSlow: true, queueBytes: 600 });
    world.feed.startAt(0);
    for (let seq = 1; seq <= 300; seq++) {
      world.commit(recordOf(seq));
      if (seq % 37 === 0) world.drain();
    }
    expect(world.feed.isLive).toBe(false);
    for (let turns = 0; turns < 400 && !world.feed.isLive; turns++) world.drain();
    expect(world.seqs('event')).toEqual(range(1, 300));
    expect(world.seqs('position').at(-1)).toBe(300);
    expect(world.socket.topics.size).toBe(1);
  });

  test('queues nothing but replies, which arrive first and in order', () => {
    const world = new World({ isSlow: true, queueBytes: 600 });
    world.feed.startAt(0);
    for (let seq = 1; seq <= 50; seq++) world.commit(recordOf(seq));
    const before = world.socket.sent.length;
    world.feed.write('{"type":"reply","id":"1"}');
    world.feed.write('{"type":"reply","id":"2"}');
    expect(world.socket.sent.length).toBe(before);
    world.drain();
    expect(world.socket.messages[before]).toMatchObject({ id: '1' });
    expect(world.socket.messages[before + 1]).toMatchObject({ id: '2' });
  });

  test('goes on in a later turn when a flush took everything without a drain', () => {
    const world = new World({ isSlow: true, queueBytes: 600 });
    world.feed.write('x'.repeat(400));
    expect(world.feed.isBlocked).toBe(true);
    world.socket.pendingBytes = 0;
    world.turn();
    expect(world.feed.isBlocked).toBe(false);
    expect(world.unblocked).toBe(1);
  });

  test('is stalled only while it takes nothing', () => {
    const world = new World({ isSlow: true, queueBytes: 100_000 });
    world.feed.write('x'.repeat(90_000));
    world.turn();
    world.now = 29_999;
    expect(world.feed.stalledMs()).toBe(29_999);
    world.socket.pendingBytes -= 1;
    expect(world.feed.stalledMs()).toBe(0);
    world.now = 60_000;
    expect(world.feed.stalledMs()).toBe(30_001);
    world.drain();
    expect(world.feed.stalledMs()).toBe(0);
  });

  test('gets no hints and no heartbeats', () => {
    const world = new World({ isSlow: true, queueBytes: 600 });
    world.feed.startAt(0);
    world.feed.write('x'.repeat(400));
    const before = world.socket.sent.length;
    world.feed.hint('{}');
    world.feed.heartbeat();
    expect(world.socket.sent.length).toBe(before);
  });
});

test('an ended feed leaves its group and sends nothing more', () => {
  const world = new World();
  world.feed.startAt(0);
  world.feed.end();
  world.commit(recordOf(1));
  world.feed.write('{}');
  expect(world.seqs('event')).toEqual([]);
  expect(world.hub.groupCount).toBe(0);
  expect(world.socket.topics.size).toBe(0);
});

test('knows when something last left for it, live events included', () => {
  const world = new World();
  world.now = 3;
  world.feed.startAt(0);
  expect(world.feed.sentAt).toBe(3);
  world.now = 8;
  world.commit(recordOf(1));
  expect(world.feed.sentAt).toBe(8);
  world.now = 9;
  world.feed.heartbeat();
  expect(world.feed.sentAt).toBe(9);
  expect(world.seqs('position')).toEqual([0, 1]);
});
