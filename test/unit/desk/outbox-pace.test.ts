// The clerk's rates, retries and pauses, each at its bound. No real time passes.

import { afterEach, describe, expect, test } from 'vitest';
import { OUTBOX_LIMITS } from '../../../lib/desk/outbox-limits.ts';
import { OutboxPaces } from '../../../lib/desk/outbox-paces.ts';
import { TokenBucket } from '../../../lib/desk/token-bucket.ts';
import { ClerkWorld, FAST, outcomes, userConversation } from './clerk-world.ts';
import { ANN, newRecord, PAGE } from './memory-desk.ts';

const worlds: ClerkWorld[] = [];

function world(...args: ConstructorParameters<typeof ClerkWorld>): ClerkWorld {
  const made = new ClerkWorld(...args);
  worlds.push(made);
  return made;
}

afterEach(async () => {
  for (const { outbox, clock } of worlds.splice(0)) {
    const done = outbox.shutdown(1);
    await clock.advance(1);
    await done;
    expect(clock.timerCount).toBe(0);
  }
});

function queueMany(w: ClerkWorld, count: number, page = PAGE, from = 0): void {
  for (let user = from; user < from + count; user++) {
    const id = page === PAGE ? `T${user}` : `O${user}`;
    w.queue([id], userConversation(user, page));
  }
}

describe('a class R refusal', () => {
  test('is tried again after 1, 2, 4 and 8 seconds, five times in all, then fails', async () => {
    const w = world();
    w.meta.auto = () => outcomes.refused('retry');
    w.queue(['A']);
    await w.advance(300_000);
    const times = w.meta.calls.map((call) => call.at - (w.meta.calls[0]?.at ?? 0));
    expect(times).toEqual([0, 1000, 3000, 7000, 15_000]);
    expect(w.status('A')).toBe('failed');
    expect(w.count('message.deferred')).toBe(OUTBOX_LIMITS.triesMax - 1);
  });

  test('ends when its time is over, however few tries there were', async () => {
    const w = world();
    w.meta.auto = () => outcomes.refused('retry', { retryAfterMs: 50_000 });
    w.queue(['A']);
    await w.advance(400_000);
    expect([w.meta.calls.length, w.status('A')]).toEqual([3, 'failed']);
  });

  test('keeps the next message waiting', async () => {
    const w = world();
    w.meta.auto = (call) => (call.content.text === 'A' ? outcomes.refused('retry') : undefined);
    w.queue(['A', 'B']);
    await w.advance(5000);
    expect(new Set(w.meta.texts)).toEqual(new Set(['A']));
  });

  test('of a resend begins to count afresh', async () => {
    const w = world();
    w.meta.auto = () => outcomes.refused('retry');
    w.queue(['A']);
    await w.advance(100_000);
    await w.outbox.resolve(userConversation(7000000000000001), 'A', 'resend', ANN);
    await w.advance(100_000);
    expect(w.meta.calls).toHaveLength(2 * OUTBOX_LIMITS.triesMax);
    const attempts = w.log.dataOf('message.sending').map((data) => data['attempt']);
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

test('a held thread waits as long as Meta says, others go on, and fails after its span', async () => {
  const w = world();
  w.meta.auto = (call) =>
    call.content.text === 'A' ? outcomes.refused('pauseThread') : outcomes.sent('m');
  w.queue(['A'], userConversation(1));
  w.queue(['B'], userConversation(2));
  await w.advance(OUTBOX_LIMITS.threadPauseMs - 1);
  expect(w.meta.texts).toEqual(['A', 'B']);
  await w.advance(OUTBOX_LIMITS.threadPauseSpanMs + 1);
  expect(w.status('A', userConversation(1))).toBe('failed');
  expect(w.meta.texts.filter((text) => text === 'A')).toHaveLength(61);
});

describe('S39: a Page that Meta limits', () => {
  test('is paused whole, probed once, and climbs back over a minute', async () => {
    const w = world({ random: () => 0 });
    let isLimited = true;
    w.meta.auto = () => (isLimited ? outcomes.refused('pausePage') : outcomes.sent('m'));
    queueMany(w, 1);
    await w.settle();
    queueMany(w, 200, PAGE, 1);
    await w.advance(OUTBOX_LIMITS.limitPauseMs - 1);
    expect(w.meta.calls).toHaveLength(1);
    expect(w.outbox.pauses).toMatchObject([{ page: PAGE, why: 'limit' }]);
    await w.advance(1);
    expect(w.meta.calls).toHaveLength(2);
    isLimited = false;
    await w.advance(2 * OUTBOX_LIMITS.limitPauseMs - 1);
    expect(w.meta.calls).toHaveLength(2);
    await w.advance(1);
    expect(w.outbox.pauses).toEqual([]);
    const before = w.meta.calls.length;
    await w.advance(1000);
    expect(w.meta.calls.length - before).toBeLessThan(12);
    await w.advance(59_000);
    expect(w.meta.calls).toHaveLength(203);
    expect(w.count('message.failed')).toBe(0);
  });

  test('waits as long as Meta asks, when that is longer', async () => {
    const w = world();
    w.meta.auto = () => outcomes.refused('pausePage', { retryAfterMs: 500_000 });
    w.queue(['A']);
    await w.advance(499_999);
    expect(w.meta.calls).toHaveLength(1);
    await w.advance(1);
    expect(w.meta.calls).toHaveLength(2);
  });

  test('does not stop another Page', async () => {
    const w = world();
    w.meta.auto = (call) =>
      call.page === PAGE ? outcomes.refused('pausePage') : outcomes.sent('m');
    queueMany(w, 1);
    queueMany(w, 3, '555');
    await w.advance(1000);
    expect(w.meta.calls.filter((call) => call.page === '555')).toHaveLength(3);
  });

  test('a probe without a clear answer is not followed by a flood', async () => {
    const w = world();
    let answer = outcomes.refused('pausePage');
    w.meta.auto = () => answer;
    queueMany(w, 5);
    await w.advance(1000);
    answer = outcomes.unknown();
    const before = w.meta.calls.length;
    await w.advance(OUTBOX_LIMITS.limitPauseMs * 1.2);
    expect(w.meta.calls.length - before).toBe(1);
  });
});

describe('S44: a Page whose token died', () => {
  test('raises its alarm once, keeps the queue, and clears it when a probe goes through', async () => {
    const w = world({ random: () => 0 });
    w.meta.auto = () => outcomes.refused('pausePage', { alarm: 'token' });
    queueMany(w, 10);
    await w.advance(3 * OUTBOX_LIMITS.alarmPauseMs);
    expect(w.log.dataOf('page.alarm')).toMatchObject([{ alarm: 'token', state: 'raised' }]);
    w.meta.auto = () => outcomes.sent('m');
    await w.advance(OUTBOX_LIMITS.alarmPauseMs + 60_000);
    expect(w.log.dataOf('page.alarm')).toMatchObject([{ state: 'raised' }, { state: 'cleared' }]);
    expect(w.count('message.sent')).toBe(10);
    expect(w.count('message.failed')).toBe(0);
  });

  test('a restriction is probed once an hour', async () => {
    const w = world({ random: () => 0 });
    w.meta.auto = () => outcomes.refused('pausePage', { alarm: 'restricted' });
    w.queue(['A']);
    await w.advance(OUTBOX_LIMITS.restrictedPauseMs - 1);
    expect(w.meta.calls).toHaveLength(1);
    await w.advance(1);
    expect(w.meta.calls).toHaveLength(2);
  });

  test('resumePage probes at once', async () => {
    const w = world();
    w.meta.auto = () => outcomes.refused('pausePage', { alarm: 'token' });
    w.queue(['A', 'B']);
    await w.settle();
    w.meta.auto = () => outcomes.sent('m');
    w.outbox.resumePage(PAGE);
    await w.advance(10_000);
    expect(w.meta.texts).toEqual(['A', 'A', 'B']);
  });

  test('after a restart the alarm is not raised again and one call probes', async () => {
    const first = world();
    first.meta.auto = () => outcomes.refused('pausePage', { alarm: 'token' });
    queueMany(first, 10);
    await first.advance(1000);
    expect(await first.outbox.shutdown(0)).toBe(true);
    const second = world({}, first.log);
    second.meta.auto = first.meta.auto;
    await second.advance(1000);
    expect(second.meta.calls.length).toBeLessThanOrEqual(1);
    await second.advance(OUTBOX_LIMITS.alarmPauseMs * 1.2);
    expect(second.meta.calls.length).toBeGreaterThan(0);
    expect(first.log.dataOf('page.alarm')).toHaveLength(1);
  });

  test('after a restart a limit that Meta set still holds', async () => {
    const first = world();
    first.meta.auto = () => outcomes.refused('pausePage', { retryAfterMs: 100_000 });
    queueMany(first, 3);
    await first.settle();
    await first.outbox.shutdown(0);
    const second = world({}, first.log);
    await second.advance(99_000);
    expect(second.meta.calls).toHaveLength(0);
    await second.advance(1000);
    expect(second.meta.calls).toHaveLength(1);
  });
});

describe('rates', () => {
  test('a Page never sends more than 40 texts in any second', async () => {
    const w = world();
    w.meta.auto = () => outcomes.sent('m');
    queueMany(w, 300);
    await w.advance(10_000);
    expect(w.meta.calls).toHaveLength(300);
    expect(busiestSecond(w)).toBeLessThanOrEqual(40);
    expect(busiestSecond(w)).toBeGreaterThan(34);
  });

  test('attachments have a slower lane that does not hold texts back', async () => {
    const w = world();
    w.meta.auto = () => outcomes.sent('m');
    for (let user = 0; user < 40; user++) {
      const attachments = [{ index: 0, type: 'image', url: `https://x/${user}` }];
      const data = { message: `I${user}`, request: `${user}`, by: ANN, attachments };
      w.log.commit([newRecord('message.queued', data, 1, userConversation(user + 1000))]);
    }
    queueMany(w, 20);
    await w.advance(1000);
    const texts = w.meta.texts.filter((text) => text.startsWith('T'));
    expect(texts).toHaveLength(20);
    expect(w.meta.calls.length - texts.length).toBeLessThanOrEqual(10);
    await w.advance(6000);
    expect(w.meta.calls).toHaveLength(60);
  });

  test('a conversation gets five at once, then one a second, also one by one', async () => {
    const w = world({ limits: {} });
    w.meta.auto = () => outcomes.sent('m');
    w.queue(['A', 'B', 'C']);
    await w.settle();
    w.queue(['D', 'E', 'F', 'G']);
    await w.advance(999);
    expect(w.meta.calls).toHaveLength(5);
    await w.advance(1);
    expect(w.meta.calls).toHaveLength(6);
    await w.advance(1000);
    expect(w.meta.calls).toHaveLength(7);
  });

  test.each([
    { max: 1, open: 1 },
    { max: 3, open: 3 },
    { max: 4, open: 4 },
    { max: 5, open: 4 },
  ])('at most $max calls are open at once: $open of 4', async ({ max, open }) => {
    const w = world({ limits: { ...FAST, inFlightMax: max } });
    queueMany(w, 2);
    queueMany(w, 2, '555');
    await w.settle();
    expect([w.meta.open, w.outbox.inFlight]).toEqual([open, open]);
    for (let answered = 0; answered < 4; answered++) {
      w.meta.calls[answered]?.answer(outcomes.sent('m'));
      await w.settle();
    }
    expect([w.meta.calls.length, w.count('message.sent')]).toEqual([4, 4]);
  });
});

function busiestSecond(w: ClerkWorld): number {
  const times = w.meta.calls.map((call) => call.at);
  return Math.max(
    ...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length),
  );
}

describe('a token bucket', () => {
  test.each([
    { taken: 2, afterMs: 0, share: 1, waitMs: 0 },
    { taken: 3, afterMs: 0, share: 1, waitMs: 500 },
    { taken: 3, afterMs: 499, share: 1, waitMs: 1 },
    { taken: 3, afterMs: 500, share: 1, waitMs: 0 },
    { taken: 3, afterMs: 0, share: 0.1, waitMs: 5000 },
  ])('of 2/s and 3 at once after $taken and $afterMs ms waits $waitMs', (row) => {
    const bucket = new TokenBucket(2, 3, 0);
    for (let i = 0; i < row.taken; i++) bucket.take();
    expect(bucket.waitMs(row.afterMs, row.share)).toBe(row.waitMs);
  });

  test('never holds more than its burst, and a clock that stands gives nothing', () => {
    const bucket = new TokenBucket(2, 3, 0);
    for (let i = 0; i < 3; i++) {
      expect(bucket.waitMs(60_000)).toBe(0);
      bucket.take();
    }
    expect(bucket.waitMs(60_000)).toBe(500);
  });
});

test.each([
  { kept: 2, size: 2 },
  { kept: 3, size: 3 },
  { kept: 4, size: 3 },
])('the paces of $kept conversations are kept', ({ kept, size }) => {
  const paces = new OutboxPaces({ ...OUTBOX_LIMITS, pacesKeptMax: kept });
  const first = paces.of('a', 0);
  paces.of('b', 0);
  paces.of('c', 0);
  expect(paces.size).toBe(size);
  expect(paces.of('a', 0) === first).toBe(kept >= 3);
});
