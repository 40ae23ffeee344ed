// The journal at its bounds and after failures of a commit, with the end of the tick in the test's hands.

import { afterEach, describe, expect, test } from 'vitest';
import type { JournalLimits } from '../../../lib/journal/limits.ts';
import type { Appended, NewRecord } from '../../../lib/journal/types.ts';
import { newRecord } from '../../support/journal-contract.ts';
import { JournalRig } from '../../support/journal-rig.ts';
import { until } from '../../support/until.ts';

const SQLITE_IOERR_WRITE = 778;
const SQLITE_IOERR_FSYNC = 1034;
const SQLITE_FULL = 13;
const UNAVAILABLE = { code: 'ERR_JOURNAL_UNAVAILABLE' };

let rig: JournalRig | undefined;

function start(limits: Partial<JournalLimits> = {}): JournalRig {
  rig = new JournalRig(limits);
  return rig;
}

afterEach(async () => {
  await rig?.end();
  rig = undefined;
});

function records(count: number, change: Partial<NewRecord> = {}): NewRecord[] {
  return Array.from({ length: count }, () => newRecord(change));
}

async function appendNow(to: JournalRig, ...list: Partial<NewRecord>[]): Promise<Appended[]> {
  const appended = to.journal.append(list.map(newRecord));
  to.commit();
  return appended;
}

describe('what may wait', () => {
  test('is bounded in records: the one beyond is refused, the others are stored', async () => {
    const { journal } = start({ pendingRecordsMax: 10 });
    const first = journal.append(records(9));
    const second = journal.append(records(1));
    await expect(journal.append(records(1))).rejects.toMatchObject(UNAVAILABLE);
    expect(journal.pendingRecords).toBe(10);
    rig?.commit();
    expect([...(await first), ...(await second)]).toHaveLength(10);
    expect(journal.pendingRecords).toBe(0);
    const later = journal.append(records(10));
    rig?.commit();
    expect(await later).toHaveLength(10);
  });

  test('is bounded in characters', async () => {
    const { journal } = start({ pendingCharsMax: 1_000 });
    const fitting = newRecord({ data: `{"a":"${'x'.repeat(940)}"}` });
    await expect(
      journal.append([{ ...fitting, data: `{"a":"${'x'.repeat(1_000)}"}` }]),
    ).rejects.toMatchObject(UNAVAILABLE);
    const stored = journal.append([fitting]);
    await expect(journal.append([fitting])).rejects.toMatchObject(UNAVAILABLE);
    rig?.commit();
    expect(await stored).toHaveLength(1);
  });

  const sizes = [
    { chars: 99, isTaken: true },
    { chars: 100, isTaken: true },
    { chars: 101, isTaken: false },
  ];
  test.each(sizes)('takes data of $chars characters of 100: $isTaken', async (given) => {
    const to = start({ dataCharsMax: 100 });
    const appended = appendNow(to, { data: `{"a":"${'x'.repeat(given.chars - 8)}"}` });
    if (given.isTaken) expect(await appended).toMatchObject([{ seq: 1 }]);
    else await expect(appended).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
  });
});

describe('the lag of the views', () => {
  test('is warned of once per climb, then refuses appends and histories', async () => {
    const to = start({ foldLagRecordsMax: 20, foldLagRecordsWarn: 10 });
    await appendNow(to, ...records(10));
    expect(to.events).toEqual(['commit 10']);
    await appendNow(to, ...records(5));
    await appendNow(to, ...records(5));
    expect(to.events).toEqual(['commit 10', 'The views fall behind.', 'commit 5', 'commit 5']);
    expect(to.journal.lag).toBe(20);
    await expect(appendNow(to, {})).rejects.toMatchObject(UNAVAILABLE);
    expect(to.journal.history('messenger/1/7', undefined, 3).records).toHaveLength(3);
    to.mark = 20;
    expect(await appendNow(to, {})).toMatchObject([{ seq: 21, prev: 20 }]);
  });

  test('beyond the bound at the start refuses histories until the fold has caught up', async () => {
    const to = start({ foldLagRecordsMax: 5 });
    await appendNow(to, ...records(5));
    to.mark = -1;
    expect(() => to.journal.history('messenger/1/7', undefined, 3)).toThrow(/too far behind/);
    to.mark = 5;
    expect(to.journal.history('messenger/1/7', undefined, 3).records).toHaveLength(3);
  });
});

describe('rows', () => {
  const splits = [
    { name: 'records', limits: { rowRecordsMax: 4 }, rows: [4, 4, 2] },
    { name: 'characters', limits: { rowCharsMax: 250 }, rows: [3, 3, 3, 1] },
    { name: 'characters, one record each', limits: { rowCharsMax: 10 }, rows: Array(10).fill(1) },
  ];
  test.each(splits)('of a commit are split by $name', async ({ limits, rows }) => {
    const to = start(limits);
    await appendNow(to, ...records(10));
    expect(to.file.rowsBetween(1, 10).map((row) => row.count)).toEqual(rows);
    expect(to.journal.read(1, 100).map((record) => record.seq)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(to.events).toEqual(['commit 10']);
  });

  test('read the same from memory and from the file', async () => {
    const to = start({ recentCharsMax: 400, rowRecordsMax: 3 });
    await appendNow(to, ...records(20));
    const all = to.journal.read(1, 100);
    expect(all.map((record) => to.journal.get(record.seq))).toEqual(all);
    for (let from = 1; from <= 21; from++) {
      expect(to.journal.read(from, 2)).toEqual(all.slice(from - 1, from + 1));
    }
  });
});

describe('readers', () => {
  test('leave nothing open, so that the write-ahead log stays small', async () => {
    const to = start({ recentCharsMax: 0 });
    const data = `{"a":"${'x'.repeat(2_000)}"}`;
    let read = 0;
    for (let round = 0; round < 100; round++) {
      await appendNow(to, ...records(64, { data }));
      read += to.journal.read(1 + round * 64, 64).length;
      to.journal.tail(0, () => undefined);
      to.journal.history('messenger/1/7', undefined, 3);
    }
    expect(read).toBe(6_400);
    // 13 MB went through it; SQLite starts over after 4 MB unless a reader stands in the way.
    expect(to.journal.walBytes).toBeGreaterThan(0);
    expect(to.journal.walBytes).toBeLessThan(6 << 20);
  });
});

describe('history', () => {
  test('stops at its bound of steps and says that there is more', async () => {
    const to = start({ historyStepsMax: 5 });
    await appendNow(to, ...records(10));
    const page = to.journal.history('messenger/1/7', undefined, 8);
    expect(page.records.map((record) => record.seq)).toEqual([6, 7, 8, 9, 10]);
    expect(page.complete).toBe(false);
  });
});

describe('a failed commit', () => {
  test('on a full disk leaves no trace and the next one is tried at once', async () => {
    const to = start();
    await appendNow(to, { fences: true, dedupeKey: 'a' });
    to.failNextCommit(SQLITE_FULL);
    const refused = appendNow(to, { fences: true, dedupeKey: 'b' }, { conversation: 'other' });
    await expect(refused).rejects.toMatchObject(UNAVAILABLE);
    expect(to.journal.head).toBe(1);
    expect(to.journal.isAvailable).toBe(false);
    expect(to.journal.find('b')).toBeUndefined();
    expect(await appendNow(to, { dedupeKey: 'b', expectSeq: 1 })).toEqual([
      { status: 'appended', seq: 2, prev: 1 },
    ]);
    expect(to.journal.isAvailable).toBe(true);
  });

  test.each([
    { name: 'a full disk', errcode: SQLITE_FULL },
    { name: 'a broken connection', errcode: SQLITE_IOERR_WRITE },
  ])('of $name is followed by a probe, until the disk takes it', async ({ errcode }) => {
    const to = start({ probeDelayMs: 300 });
    to.failNextCommit(errcode);
    await expect(appendNow(to, {})).rejects.toMatchObject(UNAVAILABLE);
    to.failNextCommit(errcode);
    await to.clock.advance(300);
    expect(to.journal.isAvailable).toBe(false);
    await to.clock.advance(299);
    expect(to.journal.isAvailable).toBe(false);
    await to.clock.advance(1);
    expect([to.journal.isAvailable, to.journal.head]).toEqual([true, 0]);
  });

  test('of a broken connection is tried again after a pause that grows to its bound', async () => {
    const to = start({ reopenDelayMs: 100, reopenDelayMaxMs: 150 });
    for (const pauseMs of [100, 150, 150]) {
      to.failNextCommit(SQLITE_IOERR_WRITE);
      await expect(appendNow(to, {})).rejects.toMatchObject(UNAVAILABLE);
      expect(to.journal.isAvailable).toBe(false);
      await to.clock.advance(pauseMs - 1);
      await expect(appendNow(to, {})).rejects.toThrow('does not take records now');
      await to.clock.advance(1);
    }
    expect(await appendNow(to, {})).toMatchObject([{ seq: 1 }]);
    expect(to.journal.isAvailable).toBe(true);
  });

  test('that was stored after all is handed to the tails when the file is opened again', async () => {
    const to = start();
    const seen: number[] = [];
    to.journal.tail(0, (list) => seen.push(...list.map((record) => record.seq)));
    await appendNow(to, { dedupeKey: 'a' });
    to.failNextCommit(SQLITE_IOERR_WRITE, true);
    await expect(appendNow(to, { dedupeKey: 'b' })).rejects.toMatchObject(UNAVAILABLE);
    await to.clock.advance(1_000);
    expect(await appendNow(to, { dedupeKey: 'b' }, { dedupeKey: 'c' })).toEqual([
      { status: 'duplicate', seq: 2 },
      { status: 'appended', seq: 3, prev: 2 },
    ]);
    expect(seen).toEqual([1, 2, 3]);
  });

  test('at the flush is fatal: told once, nothing more is stored', async () => {
    const to = start();
    to.failNextCommit(SQLITE_IOERR_FSYNC);
    await expect(appendNow(to, {})).rejects.toMatchObject({ code: 'ERR_JOURNAL_FATAL' });
    await expect(appendNow(to, {})).rejects.toMatchObject({ code: 'ERR_JOURNAL_FATAL' });
    expect(to.events).toEqual(['ERR_JOURNAL_FATAL']);
    expect(to.journal.isAvailable).toBe(false);
  });
});

describe('a tail that cannot read', () => {
  test('tries again after a pause and misses nothing', async () => {
    const to = start({ recentCharsMax: 0, reopenDelayMaxMs: 500 });
    await appendNow(to, ...records(3));
    const readRows = to.file.rowsBetween.bind(to.file);
    to.file.rowsBetween = () => {
      to.file.rowsBetween = readRows;
      throw new Error('unreadable');
    };
    const seen: number[] = [];
    const tail = to.journal.tail(0, (list) => seen.push(...list.map((record) => record.seq)));
    await until('the timer', () => to.clock.timerCount === 1);
    await appendNow(to, {});
    await to.clock.advance(500);
    expect(tail.position).toBe(4);
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});

describe('a tail whose callback throws', () => {
  test('is reported', async () => {
    const to = start();
    to.journal.tail(0, () => {
      throw new Error('broken reader');
    });
    await appendNow(to, {});
    expect(to.events).toEqual(['commit 1', 'tail Error: broken reader']);
  });
});
