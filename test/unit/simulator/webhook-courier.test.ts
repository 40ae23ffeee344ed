// Delivery of webhooks: in order, until 200, and wrong in the ways that somebody asked for.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSignatureVerifier } from '../../../lib/messenger/signature.ts';
import { Faults } from '../../../lib/simulator/faults.ts';
import { type CourierOptions, WebhookCourier } from '../../../lib/simulator/webhook-courier.ts';
import type { WebhookEvent } from '../../../lib/simulator/webhook-events.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { WebhookReceiver } from '../../support/webhook-receiver.ts';

const event = (name: string, user = '200', page = '100'): WebhookEvent => ({
  page,
  user,
  field: 'messages',
  event: { name, text: 'é/' },
});

let receiver: WebhookReceiver;
let clock: ManualClock;
let faults: Faults;
let courier: WebhookCourier;

function create(more: Partial<CourierOptions> = {}): WebhookCourier {
  faults = new Faults(() => courier.wake());
  courier = new WebhookCourier({
    url: `${receiver.url}/hook`,
    appSecret: 'secret',
    clock,
    faults,
    order: 'page',
    batchMax: 1,
    random: (below) => below - 1,
    ...more,
  });
  return courier;
}

const names = (): readonly string[] => receiver.received.flatMap((webhook) => webhook.names);

/** Lets waits of the courier pass until `condition` holds. */
async function pass(ms: number, isDone: () => boolean): Promise<void> {
  while (!isDone()) await clock.advance(ms);
}

beforeEach(async () => {
  receiver = new WebhookReceiver();
  clock = new ManualClock();
  await receiver.start();
  create();
});

afterEach(async () => {
  await courier.stop();
  await receiver.stop();
});

describe('the courier', () => {
  test('delivers in order, one post at a time, signed over the bytes', async () => {
    let inFlight = 0;
    receiver.before = async () => {
      inFlight++;
      expect(inFlight).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
    };
    const wanted = Array.from({ length: 20 }, (_, n) => `e${n}`);
    expect(await Promise.all(wanted.map((name) => courier.carry(event(name))))).not.toContain(
      false,
    );
    expect(names()).toEqual(wanted);
    const verifier = createSignatureVerifier(['secret']);
    for (const { bytes, signature } of receiver.received) {
      expect(verifier.verify(bytes, signature)).toBe(true);
      expect(bytes.toString()).toContain(String.raw`\u00e9\/`);
    }
    expect(courier.counts).toEqual({ delivered: 20, posts: 20, failures: 0, waiting: 0, lost: 0 });
  });

  test('S03 comes again with another entry.time until it is taken, and nothing overtakes it', async () => {
    receiver.answers = [503, 401, 500];
    const done = [courier.carry(event('first')), courier.carry(event('second'))];
    await pass(50, () => courier.counts.delivered === 2);
    expect(await Promise.all(done)).toEqual([true, true]);
    expect(names()).toEqual(['first', 'first', 'first', 'first', 'second']);
    const times = receiver.received.slice(0, 4).map((webhook) => webhook.entryTime);
    expect(new Set(times).size).toBe(4);
    expect(courier.counts.failures).toBe(3);
  });

  test('waits longer after every failure, up to the bound', async () => {
    receiver.answers = Array.from({ length: 9 }, () => 500);
    void courier.carry(event('e'));
    await pass(25, () => receiver.received.length === 10);
    const times = receiver.received.map((webhook) => webhook.entryTime);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    // The clock moves in steps of 25 ms while the posts are under way.
    [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000].forEach((wanted, index) => {
      expect(gaps[index]).toBeGreaterThanOrEqual(wanted);
    });
  });

  test('survives a receiver that is not there', async () => {
    await receiver.stop();
    const done = courier.carry(event('e'));
    await pass(500, () => courier.counts.failures >= 2);
    await courier.stop();
    expect(await done).toBe(false);
    expect(courier.counts).toMatchObject({ delivered: 0, waiting: 0, lost: 1 });
  });

  test('gives up an answer that takes too long', async () => {
    create({ timeoutMs: 50 });
    let release: () => void = () => undefined;
    receiver.before = () => new Promise((resolve) => (release = resolve));
    void courier.carry(event('e'));
    await pass(50, () => courier.counts.failures >= 1);
    receiver.before = () => undefined;
    release();
    await pass(50, () => courier.counts.delivered === 1);
    expect(receiver.received.length).toBeGreaterThan(1);
  });

  test('takes another lane per Page, or per conversation', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    receiver.before = (webhook) => (webhook.names[0] === 'slow' ? gate : undefined);
    const slow = courier.carry(event('slow'));
    const behind = courier.carry(event('behind', '201'));
    expect(await courier.carry(event('other', '200', '101'))).toBe(true);
    expect(names()).toEqual(expect.arrayContaining(['slow', 'other']));
    release();
    await Promise.all([slow, behind]);
    create({ order: 'conversation' });
    receiver.received.length = 0;
    receiver.before = (webhook) =>
      webhook.names[0] === 'slow' ? new Promise(() => undefined) : undefined;
    void courier.carry(event('slow'));
    expect(await courier.carry(event('beside', '201'))).toBe(true);
  });

  test('puts what waits into one post up to the bound', async () => {
    create({ batchMax: 3 });
    faults.setWebhooks({ hold: true });
    for (let n = 0; n < 7; n++) void courier.carry(event(`e${n}`));
    faults.setWebhooks({ hold: false });
    await courier.settled();
    expect(receiver.received.map((webhook) => webhook.names.length)).toEqual([3, 3, 1]);
    expect(names()).toEqual(['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6']);
  });

  test('loses and counts what is over the bound of a lane', async () => {
    faults.setWebhooks({ hold: true });
    for (let n = 0; n < 100_000; n++) void courier.carry(event('e'));
    expect(await courier.carry(event('one too many'))).toBe(false);
    expect(courier.counts).toMatchObject({ waiting: 100_000, lost: 1 });
  });

  test('says when nothing waits, and takes nothing after its end', async () => {
    await courier.settled();
    const done = courier.carry(event('e'));
    await courier.settled();
    expect(await done).toBe(true);
    await courier.stop();
    expect(await courier.carry(event('late'))).toBe(false);
  });
});

describe('faults of webhooks', () => {
  test('S02 every post is made twice', async () => {
    faults.setWebhooks({ duplicate: true });
    await Promise.all([courier.carry(event('a')), courier.carry(event('b'))]);
    expect(names()).toEqual(['a', 'a', 'b', 'b']);
  });

  test('S17 what waits is shuffled, the same way for the same seed', async () => {
    faults.setWebhooks({ hold: true, shuffle: true });
    for (const name of ['a', 'b', 'c']) void courier.carry(event(name));
    faults.setWebhooks({ hold: false });
    await courier.settled();
    expect(names()).toEqual(['c', 'b', 'a']);
  });

  test('S01 posts are slow', async () => {
    faults.setWebhooks({ slowMs: 1000 });
    const done = courier.carry(event('a'));
    await clock.advance(999);
    expect(receiver.received).toHaveLength(0);
    await clock.advance(1);
    expect(await done).toBe(true);
  });

  test('nothing goes out while it is held', async () => {
    faults.setWebhooks({ hold: true });
    const done = courier.carry(event('a'));
    await clock.advance(60_000);
    expect(courier.counts).toMatchObject({ posts: 0, waiting: 1 });
    faults.clear();
    expect(await done).toBe(true);
  });
});
