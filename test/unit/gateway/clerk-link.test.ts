// The bus between workers and clerk: what is said, who may say it, what waits, what is refused.

import { describe, expect, test } from 'vitest';
import { SluiceError } from '../../../lib/base/errors.ts';
import { silentLog } from '../../../lib/base/log.ts';
import {
  commonVersion,
  decodeCommit,
  decodeRecords,
  encodeAppends,
  encodeCommit,
  type Versions,
} from '../../../lib/gateway/bus-words.ts';
import { ClerkLink } from '../../../lib/gateway/clerk-link.ts';
import { ClerkService } from '../../../lib/gateway/clerk-service.ts';
import {
  APPEND_BYTES_MAX,
  APPEND_WAIT_MS,
  APPENDS_BYTES_TOTAL_MAX,
  CLERK_STATE_MS,
  CLERK_SWEEP_MS,
  COMMIT_CHARS_MAX,
} from '../../../lib/gateway/limits.ts';
import type { Appended, NewRecord } from '../../../lib/journal/types.ts';
import type { BusPeer } from '../../../lib/process/bus-types.ts';
import { newRecord } from '../../support/journal-contract.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const CLERK_SLOT = 2;

type Handler = (text: string) => unknown;

/** One clerk on a bus: what it answers is what a test says. */
class FakeClerk {
  readonly peer: BusPeer;
  readonly asked: NewRecord[][] = [];
  readonly handlers = new Map<string, Handler>();
  /** Rejections of what is under way when it is killed. */
  readonly open = new Set<(error: Error) => void>();
  isGone = false;

  constructor(serial: number) {
    this.peer = { serial, slot: CLERK_SLOT };
  }
}

class FakeBus {
  readonly clerks: FakeClerk[] = [];
  readonly #listeners: ((peer: BusPeer, isReachable: boolean) => void)[] = [];

  get peers(): readonly BusPeer[] {
    return this.clerks.map((clerk) => clerk.peer);
  }

  onPeer(handler: (peer: BusPeer, isReachable: boolean) => void): void {
    this.#listeners.push(handler);
  }

  add(clerk: FakeClerk): void {
    this.clerks.push(clerk);
    for (const tell of this.#listeners) tell(clerk.peer, true);
  }

  kill(clerk: FakeClerk): void {
    clerk.isGone = true;
    this.clerks.splice(this.clerks.indexOf(clerk), 1);
    for (const reject of clerk.open) reject(new SluiceError('ERR_CLOSED', 'gone'));
    for (const tell of this.#listeners) tell(clerk.peer, false);
  }

  request(serial: number, name: string, data: string | Uint8Array): Promise<string> {
    const clerk = this.clerks.find((each) => each.peer.serial === serial);
    if (clerk === undefined) return Promise.reject(new SluiceError('ERR_CLOSED'));
    return new Promise((resolve, reject) => {
      clerk.open.add(reject);
      Promise.resolve(clerk.handlers.get(name)?.(String(data))).then(
        (answer) => resolve(String(answer)),
        (error: unknown) => reject(new SluiceError('ERR_REMOTE', String(error))),
      );
    });
  }
}

const HELLO = JSON.stringify({ version: 1, epoch: 'e', head: 0, tailSeq: 1, mark: 0 });
const appended = (records: readonly NewRecord[]): Appended[] =>
  records.map((_record, index) => ({ status: 'appended', seq: index + 1, prev: 0 }));

function clerkThat(serial: number, answer: (records: NewRecord[]) => unknown): FakeClerk {
  const clerk = new FakeClerk(serial);
  clerk.handlers.set('clerk.hello', () => HELLO);
  clerk.handlers.set('clerk.append', async (text) => {
    const records = decodeRecords(text);
    clerk.asked.push(records);
    return JSON.stringify(await answer(records));
  });
  return clerk;
}

function world(versions?: Versions) {
  const bus = new FakeBus();
  const clock = new ManualClock();
  const fatal: SluiceError[] = [];
  const link = new ClerkLink({
    bus,
    slot: CLERK_SLOT,
    clock,
    log: silentLog,
    onAttached: () => undefined,
    onFatal: (error) => fatal.push(error),
    ...(versions === undefined ? {} : { versions }),
  });
  return { bus, clock, fatal, link };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: SluiceError) => error.code,
  );
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const keyed = (n: number): NewRecord => newRecord({ dedupeKey: `k${n}`, dedupeAt: n });
const never = (): Promise<never> => new Promise(() => undefined);

describe('what is said', () => {
  const records = [
    newRecord({ data: '{"text":"ä 👍 \\"q\\""}', dedupeKey: 'a|b', dedupeAt: 5, fences: true }),
    newRecord({ kind: 'message.sending', internal: true, expectSeq: 7 }),
  ];

  test('records come out as they went in', () => {
    const [text] = encodeAppends(records, APPEND_BYTES_MAX);
    expect(decodeRecords(text ?? '')).toEqual(records);
  });

  test('an append is cut where a piece would be too long, and a single record never is', () => {
    const long = newRecord({ data: `{"t":"${'x'.repeat(400)}"}` });
    const texts = encodeAppends([long, long, long, long, long], 1100);
    expect(texts.map((text) => decodeRecords(text).length)).toEqual([2, 2, 1]);
    expect(encodeAppends([long], 10)).toHaveLength(1);
  });

  test('a commit comes out as it went in', () => {
    const rows = [
      { first: 3, count: 2, body: 'line "1"\nline ä' },
      { first: 5, count: 1, body: '👍' },
    ];
    const state = { head: 5, tailSeq: 1, mark: 2 };
    expect(decodeCommit(encodeCommit(rows, state))).toEqual({ rows, state });
  });

  test.each([
    [{ least: 1, most: 1 }, { least: 1, most: 1 }, 1],
    [{ least: 1, most: 2 }, { least: 1, most: 1 }, 1],
    [{ least: 1, most: 2 }, { least: 1, most: 2 }, 2],
    [{ least: 2, most: 3 }, { least: 1, most: 2 }, 2],
    [{ least: 2, most: 3 }, { least: 1, most: 1 }, undefined],
    [{ least: 1, most: 1 }, { least: 2, most: 3 }, undefined],
  ])('%j and %j agree on %s', (ours, theirs, version) => {
    expect(commonVersion(ours, theirs)).toBe(version);
  });
});

describe('a worker', () => {
  test('waits for the clerk, and asks in order', async () => {
    const { bus, link } = world();
    const results = [1, 2, 3].map((n) => link.append([keyed(n)]));
    const clerk = clerkThat(5, appended);
    bus.add(clerk);
    await Promise.all(results);
    expect(clerk.asked.map(([record]) => record?.dedupeKey)).toEqual(['k1', 'k2', 'k3']);
    expect(link.openBytes).toBe(0);
  });

  test('is refused after a while without one', async () => {
    const { clock, link } = world();
    const refused = codeOf(link.append([keyed(1)]));
    await clock.advance(APPEND_WAIT_MS - 1);
    expect(link.openBytes).toBeGreaterThan(0);
    await clock.advance(CLERK_SWEEP_MS + 1);
    expect(await refused).toBe('ERR_JOURNAL_UNAVAILABLE');
    expect([link.openBytes, clock.timerCount]).toEqual([0, 0]);
  });

  test('has a bound on what is open', async () => {
    const { link } = world();
    const big = newRecord({ dedupeKey: 'big', data: `{"t":"${'x'.repeat(250_000)}"}` });
    const many = Math.floor(APPENDS_BYTES_TOTAL_MAX / 250_200);
    const waiting = Array.from({ length: many }, () => link.append([big]));
    for (const each of waiting) each.catch(() => undefined);
    expect(link.openBytes).toBeLessThanOrEqual(APPENDS_BYTES_TOTAL_MAX);
    expect(await codeOf(link.append([big, big]))).toBe('ERR_JOURNAL_UNAVAILABLE');
  });

  test('asks the next clerk what the one before left unanswered, in order, if it is keyed', async () => {
    const { bus, link } = world();
    const first = clerkThat(5, never);
    bus.add(first);
    await turn();
    const kept = [1, 2].map((n) => link.append([keyed(n)]));
    const lost = codeOf(link.append([newRecord()]));
    await turn();
    expect(first.asked).toHaveLength(3);
    bus.kill(first);
    expect(await lost).toBe('ERR_JOURNAL_UNAVAILABLE');
    const later = link.append([keyed(3)]);
    const next = clerkThat(9, appended);
    bus.add(next);
    await Promise.all([...kept, later]);
    expect(next.asked.map(([record]) => record?.dedupeKey)).toEqual(['k1', 'k2', 'k3']);
  });

  test('keeps for the next one what a closing clerk did not take, keyed or not', async () => {
    const { bus, link } = world();
    const closing = clerkThat(5, () => ({ error: 'ERR_CLOSED', message: 'closing' }));
    bus.add(closing);
    await turn();
    const result = link.append([newRecord()]);
    await turn();
    const next = clerkThat(9, appended);
    bus.add(next);
    expect(await result).toHaveLength(1);
    expect([closing.asked.length, next.asked.length]).toEqual([1, 1]);
  });

  test('passes on what the journal refuses', async () => {
    const { bus, link } = world();
    bus.add(clerkThat(5, () => ({ error: 'ERR_JOURNAL_UNAVAILABLE', message: 'full' })));
    await expect(link.append([newRecord()])).rejects.toThrow('full');
  });

  test('believes the younger of two clerks, and no other place', async () => {
    const { bus, link } = world();
    const old = clerkThat(5, appended);
    const young = clerkThat(9, appended);
    const worker = clerkThat(11, appended);
    Object.assign(worker, { peer: { serial: 11, slot: 0 } });
    for (const clerk of [young, old, worker]) bus.add(clerk);
    await turn();
    await link.append([keyed(1)]);
    expect([old.asked.length, young.asked.length, worker.asked.length]).toEqual([0, 1, 0]);
    expect(link.isClerk(young.peer)).toBe(true);
    expect(link.isClerk(old.peer)).toBe(false);
  });
});

/** The clerk's end over a bus that only remembers. */
function service(versions?: Versions) {
  const handlers = new Map<string, Handler>();
  const told: [string, string][] = [];
  const clock = new ManualClock();
  const journal = {
    epoch: 'e',
    head: 4,
    tailSeq: 1,
    append: (records: readonly NewRecord[]) => Promise.resolve(appended(records)),
  };
  const clerk = new ClerkService({
    bus: {
      onRequest: (name, handler) => {
        const peer = { serial: 1, slot: 0 };
        handlers.set(name, (text) => handler(text, peer));
      },
      onSignal: () => undefined,
      signal: (_to, name, text) => {
        told.push([name, String(text)]);
        return 1;
      },
    },
    clock,
    act: () => undefined,
    ...(versions === undefined ? {} : { versions }),
  });
  const ask = (name: string, text: string) => handlers.get(name)?.(text) as Promise<string>;
  return {
    clerk,
    journal,
    told,
    clock,
    ask,
    open: () => clerk.start({ journal, views: { mark: 2 } }),
  };
}

describe('a clerk', () => {
  test('answers a hello when its journal is open', async () => {
    const { ask, open } = service();
    let answer = '';
    const hello = ask('clerk.hello', '{"least":1,"most":1}').then((text) => {
      answer = text;
    });
    await turn();
    expect(answer).toBe('');
    open();
    await hello;
    expect(JSON.parse(answer)).toEqual({ version: 1, epoch: 'e', head: 4, tailSeq: 1, mark: 2 });
  });

  test('speaks its version and the one before, and refuses others', async () => {
    const { ask, open } = service({ least: 2, most: 3 });
    open();
    const versionWith = async (least: number, most: number): Promise<unknown> =>
      JSON.parse(await ask('clerk.hello', JSON.stringify({ least, most }))).version;
    expect(await versionWith(1, 2)).toBe(2);
    expect(await versionWith(3, 4)).toBe(3);
    await expect(versionWith(1, 1)).rejects.toThrow('No common version.');
    await expect(versionWith(4, 5)).rejects.toThrow('No common version.');
  });

  test('a worker of another age ends', async () => {
    const { bus, fatal } = world({ least: 1, most: 1 });
    const clerk = new FakeClerk(5);
    const { ask, open } = service({ least: 2, most: 3 });
    open();
    clerk.handlers.set('clerk.hello', (text) => ask('clerk.hello', text));
    bus.add(clerk);
    await turn();
    expect(fatal.map((error) => error.code)).toEqual(['ERR_STATE']);
  });

  test('says what was committed, or where it stands when that is too long', () => {
    const { clerk, told, open } = service();
    open();
    told.length = 0;
    const row = (chars: number) => ({ first: 1, count: 1, body: 'x'.repeat(chars) });
    clerk.committed([row(COMMIT_CHARS_MAX)]);
    clerk.committed([row(COMMIT_CHARS_MAX), row(1)]);
    expect(told.map(([name]) => name)).toEqual(['clerk.commit', 'clerk.state']);
    expect(Buffer.byteLength('€'.repeat(COMMIT_CHARS_MAX))).toBeLessThan(1024 * 1024 - 4096);
  });

  test('says where it stands from time to time, until it stops', async () => {
    const { clerk, told, clock, open } = service();
    open();
    await clock.advance(3 * CLERK_STATE_MS);
    expect(told.map(([name, text]) => [name, text])).toEqual(
      Array(4).fill(['clerk.state', '[4,1,2]']),
    );
    clerk.stop();
    expect(clock.timerCount).toBe(0);
  });

  test('answers with the code of what the journal throws', async () => {
    const { ask, journal, open } = service();
    open();
    journal.append = () => Promise.reject(new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'full'));
    const [text] = encodeAppends([newRecord()], APPEND_BYTES_MAX);
    expect(JSON.parse(await ask('clerk.append', text ?? ''))).toEqual({
      error: 'ERR_JOURNAL_UNAVAILABLE',
      message: 'full',
    });
  });
});
