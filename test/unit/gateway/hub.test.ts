import { describe, expect, test } from 'vitest';
import { CHUNK_CHARS_MAX, Hub } from '../../../lib/gateway/hub.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import type { JournalRecord } from '../../../lib/journal/types.ts';

function recordOf(seq: number, page = '100', internal = false, data = '{}'): JournalRecord {
  const conversation = `messenger/${page}/7`;
  const kind = internal ? 'message.sending' : 'message.received';
  return { seq, prev: 0, at: 1, conversation, kind, data, fences: false, internal };
}

interface Published {
  readonly topic: string;
  readonly seq: number;
  readonly position: number;
}

function start(position = 0): { hub: Hub; published: Published[]; time: { now: number } } {
  const published: Published[] = [];
  const time = { now: 5 };
  const hub: Hub = new Hub(
    (topic, texts) => {
      for (const text of texts) {
        published.push({ topic, seq: JSON.parse(text).seq, position: hub.position });
      }
    },
    position,
    () => time.now,
  );
  return { hub, published, time };
}

const agent = new Scope(['100'], 'agent');
const other = new Scope(['200'], 'agent');
const all = new Scope(['*'], 'supervisor');

describe('Hub', () => {
  test('publishes each event once per group that sees its page', () => {
    const { hub, published } = start();
    const groups = [hub.join(agent), hub.join(agent), hub.join(other), hub.join(all)];
    hub.publish([recordOf(1, '100'), recordOf(2, '200'), recordOf(3, '300')]);
    const seqs = (topic: string | undefined): number[] =>
      published.filter((entry) => entry.topic === topic).map((entry) => entry.seq);
    expect(seqs(groups[0]?.topic)).toEqual([1]);
    expect(seqs(groups[2]?.topic)).toEqual([2]);
    expect(seqs(groups[3]?.topic)).toEqual([1, 2, 3]);
    expect(hub.groupCount).toBe(3);
    expect(hub.published).toBe(5);
  });

  test('never publishes an internal record, but counts it as passed', () => {
    const { hub, published } = start();
    hub.join(all);
    hub.publish([recordOf(1, '100', true)]);
    expect(published).toEqual([]);
    expect(hub.position).toBe(1);
  });

  test('stands before what is being published: a socket gets all of it or none', () => {
    const { hub, published } = start();
    hub.join(all);
    hub.publish([recordOf(1), recordOf(2)]);
    expect(published.map((entry) => entry.position)).toEqual([0, 0]);
    expect(hub.position).toBe(2);
  });

  test.each([
    [1, [0, 0, 2]],
    [0, [0, 0, 2]],
    [-1, [0, 0, 0]],
  ])('publishes at most the bound at once, %i above it', (above, positions) => {
    const { hub, published } = start();
    hub.join(all);
    const data = `{"a":"${'x'.repeat(CHUNK_CHARS_MAX + above - 2 - 8)}"}`;
    hub.publish([recordOf(1), recordOf(2, '100', false, data), recordOf(3)]);
    expect(published.map((entry) => entry.position)).toEqual(positions);
    expect(published.map((entry) => entry.seq)).toEqual([1, 2, 3]);
    expect(hub.position).toBe(3);
  });

  test('skips what it was started behind', () => {
    const { hub, published } = start(2);
    hub.join(all);
    hub.publish([recordOf(1), recordOf(2), recordOf(3)]);
    expect(published.map((entry) => entry.seq)).toEqual([3]);
  });

  test('forgets a group with its last member and finds a new one at once', () => {
    const { hub, published } = start();
    const first = hub.join(agent);
    const second = hub.join(agent);
    hub.publish([recordOf(1)]);
    hub.leave(first);
    hub.publish([recordOf(2)]);
    hub.leave(second);
    hub.publish([recordOf(3)]);
    expect(hub.groupCount).toBe(0);
    hub.join(all);
    hub.publish([recordOf(4)]);
    expect(published.map((entry) => entry.seq)).toEqual([1, 2, 4]);
  });

  test('remembers when a group was last told something', () => {
    const { hub, time } = start();
    const group = hub.join(agent);
    time.now = 9;
    hub.publish([recordOf(1, '200')]);
    expect(group.publishedAt).toBe(5);
    hub.publish([recordOf(2, '100')]);
    expect(group.publishedAt).toBe(9);
  });
});
