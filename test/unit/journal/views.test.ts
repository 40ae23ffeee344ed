// The views: written by the thread, read here, made anew when they do not belong to the log.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/base/clock.ts';
import { silentLog } from '../../../lib/base/log.ts';
import {
  type OpenedJournal,
  type OpenJournalOptions,
  openJournal,
} from '../../../lib/journal/open.ts';
import { loadSqlite } from '../../../lib/journal/sqlite.ts';
import { SqliteViews } from '../../../lib/journal/sqlite-views.ts';
import type { ViewQuery, ViewRow } from '../../../lib/journal/types.ts';
import { openViewsFile, selectsOf } from '../../../lib/journal/views-file.ts';
import { newRecord } from '../../support/journal-contract.ts';
import { temporaryDirectory } from '../../support/journal-rig.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PAGE_BYTES = 4_096;

let directory: ReturnType<typeof temporaryDirectory>;
let opened: OpenedJournal;

async function open(options: Partial<OpenJournalOptions> = {}): Promise<void> {
  opened = await openJournal({ directory: directory.path, ...options });
}

async function close(): Promise<void> {
  await opened.journal.close();
  await opened.views.close();
}

beforeEach(async () => {
  directory = temporaryDirectory();
  await open();
});

afterEach(async () => {
  await close();
  directory.remove();
});

function row(change: Partial<ViewRow> = {}): ViewRow {
  return {
    key: 'messenger/1/7',
    page: '1',
    state: 'open',
    owner: '',
    activityAt: 1_800_000_000_000,
    unsettled: 0,
    seq: 3,
    fence: 2,
    json: '{"name":"Žofie"}',
    ...change,
  };
}

/** Small numbers from a seed, the same in every run. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

describe('a checkpoint', () => {
  test('replaces rows and the mark together, and lasts', async () => {
    await opened.journal.append([newRecord(), newRecord(), newRecord()]);
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([0, undefined]);
    await opened.views.checkpoint([row(), row({ key: 'b' })], 2);
    await opened.views.checkpoint([row({ owner: 'anna', json: '{}' })], 3);
    const expected = row({ owner: 'anna', json: '{}' });
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([3, expected]);
    await close();
    await open();
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([3, expected]);
    expect(opened.views.get('b')).toEqual(row({ key: 'b' }));
    expect(opened.journal.lag).toBe(0);
  });

  test('is the only one at a time', async () => {
    const first = opened.views.checkpoint([row()], 0);
    await expect(opened.views.checkpoint([], 0)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await first;
    await opened.views.checkpoint([], 0);
  });

  test('that fails changes nothing, and the next one works', async () => {
    await opened.views.checkpoint([row()], 1);
    const broken = row({ key: 'c', seq: Number.NaN });
    const failed = opened.views.checkpoint([row({ json: '{"new":1}' }), broken], 2);
    await expect(failed).rejects.toMatchObject({ code: 'ERR_JOURNAL_UNAVAILABLE' });
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([1, row()]);
    await opened.views.checkpoint([row({ json: '{"new":1}' })], 2);
    expect([opened.views.mark, opened.views.get('messenger/1/7')?.json]).toEqual([2, '{"new":1}']);
  });

  test.each([0, 1, 99, 100, 101, 1_234])('of %d rows is one transaction', async (count) => {
    const rows = Array.from({ length: count }, (_, n) => row({ key: `k${n}` }));
    const running = opened.views.checkpoint(rows, 0);
    const counts = new Set<number>();
    let isDone = false;
    const done = running.then(() => {
      isDone = true;
    });
    while (!isDone) {
      counts.add(opened.views.list({ limit: 10_000 }).length);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    expect([...counts].every((seen) => seen === 0 || seen === count)).toBe(true);
    expect(opened.views.list({ limit: 10_000 })).toHaveLength(count);
  });

  test('that fails half-way is undone and no later part of it is written', async () => {
    const rows = Array.from({ length: 1_000 }, (_, n) =>
      row({ key: `k${n}`, ...(n === 150 ? { seq: Number.NaN } : {}) }),
    );
    await expect(opened.views.checkpoint(rows, 5)).rejects.toMatchObject({
      code: 'ERR_JOURNAL_UNAVAILABLE',
    });
    await opened.views.checkpoint([row()], 1);
    expect(opened.views.list({ limit: 10_000 })).toEqual([row()]);
  });

  test('is waited for by close, after which all is refused', async () => {
    const rows = Array.from({ length: 5_000 }, (_, n) => row({ key: `k${n}` }));
    const running = opened.views.checkpoint(rows, 0);
    const closing = opened.views.close();
    await expect(opened.views.checkpoint([], 0)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await running;
    await closing;
    expect(() => opened.views.get('k1')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    await opened.journal.close();
    await open();
    expect(opened.views.get('k4999')).toEqual(row({ key: 'k4999' }));
  });

  test('that takes too long is given up', async () => {
    await close();
    const clock = new ManualClock();
    await open({ clock, limits: { checkpointTimeoutMs: 1_000 } });
    const slow = opened.views.checkpoint([row()], 1);
    const refused = expect(slow).rejects.toThrow('took too long');
    await clock.advance(1_000);
    await refused;
    expect(opened.views.mark).toBe(0);
    await opened.views.checkpoint([], 1);
    expect(opened.views.mark).toBe(1);
    expect(clock.timerCount).toBe(0);
  });
});

describe('a thread that ends unasked', () => {
  test('fails the checkpoint and is started again by the next one', async () => {
    const sqlite = loadSqlite();
    const errors: string[] = [];
    const path = join(directory.path, 'elsewhere', 'views.db');
    const { database, mark } = openViewsFile(sqlite, directory.path, opened.journal.epoch, 0);
    const views = new SqliteViews({
      sqlite,
      path,
      database,
      mark,
      clock: systemClock,
      log: { ...silentLog, error: (_fields, message) => errors.push(message) },
      checkpointTimeoutMs: 5_000,
      onDamaged: () => undefined,
    });
    const refused = { code: 'ERR_JOURNAL_UNAVAILABLE' };
    await expect(views.checkpoint([row()], 1)).rejects.toMatchObject(refused);
    await expect(views.checkpoint([row()], 1)).rejects.toMatchObject(refused);
    expect(errors).toEqual(Array(2).fill("The views' thread failed."));
    mkdirSync(join(directory.path, 'elsewhere'));
    const elsewhere = openViewsFile(sqlite, join(directory.path, 'elsewhere'), 'x', 0);
    await views.checkpoint([row()], 1);
    expect(views.mark).toBe(1);
    await views.close();
    elsewhere.database.close();
  });
});

describe('a list', () => {
  test('is what a plain filter and sort gives, for any query', async () => {
    const next = numbersFrom(20_261_123);
    const pages = ['1', '2', '3'];
    const states = ['open', 'closed', 'page'];
    const owners = ['', 'anna', 'ben'];
    const pick = <T>(list: readonly T[], fallback: T): T => list[next(list.length)] ?? fallback;
    const rows = Array.from({ length: 300 }, (_, n) =>
      row({
        key: `messenger/${n}`,
        page: pick(pages, '1'),
        state: pick(states, 'open'),
        owner: pick(owners, ''),
        activityAt: 1_000 + next(40),
        unsettled: next(10) === 0 ? 1 : 0,
      }),
    );
    await opened.views.checkpoint(rows, 0);
    for (let round = 0; round < 200; round++) {
      const query: ViewQuery = {
        limit: 1 + next(20),
        ...(next(2) === 0 ? {} : { pages: pages.slice(next(3)) }),
        ...(next(2) === 0 ? {} : { state: pick(states, 'open') }),
        ...(next(2) === 0 ? {} : { owner: pick(owners, '') }),
        ...(next(3) === 0 ? { unsettled: true } : {}),
        ...(next(2) === 0 ? {} : { after: pick(rows, row()) }),
      };
      expect(opened.views.list(query), JSON.stringify(query)).toEqual(plainList(rows, query));
    }
  });

  test.each<Omit<ViewQuery, 'limit'>>([
    {},
    { pages: ['1', '2'] },
    { state: 'open' },
    { pages: ['1'], state: 'closed' },
    { state: 'open', owner: 'anna' },
    { pages: ['1'], state: 'open', owner: 'anna' },
    { pages: ['1'], state: 'open', owner: '' },
    { owner: '' },
    { unsettled: true },
  ])('follows an index and sorts nothing: %j', async (query) => {
    const elsewhere = temporaryDirectory();
    const { database } = openViewsFile(loadSqlite(), elsewhere.path, 'e', 0);
    for (const after of [undefined, { activityAt: 5, key: 'k' }]) {
      for (const { sql, values } of selectsOf({ ...query, ...(after && { after }), limit: 5 })) {
        const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
        const steps = plan.map((step) => String(step['detail'])).join('; ');
        expect(steps).not.toMatch(/B-TREE|SCAN views$/);
        if (query.pages !== undefined && query.owner !== 'anna') expect(steps).toMatch(/by_page/);
      }
    }
    database.close();
    elsewhere.remove();
  });

  test('of no pages is empty', () => {
    expect(opened.views.list({ pages: [], limit: 5 })).toEqual([]);
  });

  test.each([0, -1, 1.5, 10_001])('refuses a limit of %d', (limit) => {
    expect(() => opened.views.list({ limit })).toThrow(/1 to 10000 rows/);
  });
});

function plainList(rows: readonly ViewRow[], query: ViewQuery): ViewRow[] {
  const isAfter = (each: ViewRow): boolean =>
    query.after === undefined ||
    each.activityAt < query.after.activityAt ||
    (each.activityAt === query.after.activityAt && each.key < query.after.key);
  return rows
    .filter((each) => query.pages?.includes(each.page) ?? true)
    .filter((each) => query.state === undefined || each.state === query.state)
    .filter((each) => query.owner === undefined || each.owner === query.owner)
    .filter((each) => query.unsettled !== true || each.unsettled > 0)
    .filter(isAfter)
    .sort((a, b) => b.activityAt - a.activityAt || (a.key < b.key ? 1 : -1))
    .slice(0, query.limit);
}

describe('heads', () => {
  test('of conversations that the views hold need no log before the mark', async () => {
    await opened.journal.append([newRecord({ fences: true }), newRecord(), newRecord()]);
    await opened.views.checkpoint([row({ seq: 3, fence: 1 })], 3);
    await close();
    await open();
    const [refused, taken] = await opened.journal.append([
      newRecord({ expectSeq: 0 }),
      newRecord({ expectSeq: 1 }),
    ]);
    expect(refused).toEqual({ status: 'conflict', seq: 1 });
    expect(taken).toEqual({ status: 'appended', seq: 4, prev: 3 });
  });
});

describe('views that do not belong to the log', () => {
  beforeEach(async () => {
    await opened.journal.append([newRecord(), newRecord()]);
    await opened.views.checkpoint([row()], 2);
    await close();
  });

  /** Changes a file of the closed journal. */
  function change(file: string, sql: string): void {
    const database = loadSqlite().open(join(directory.path, file));
    database.exec(sql);
    database.close();
  }

  const strange: { name: string; spoil: () => void }[] = [
    {
      name: 'of another journal',
      spoil: () => change('views.db', "UPDATE meta SET value = 'x' WHERE name = 'epoch'"),
    },
    {
      name: 'of another format',
      spoil: () => change('views.db', "UPDATE meta SET value = '0' WHERE name = 'format'"),
    },
    {
      name: 'ahead of the log',
      spoil: () => change('views.db', "UPDATE meta SET value = '3' WHERE name = 'mark'"),
    },
    {
      name: 'that are no database',
      spoil: () => writeFileSync(join(directory.path, 'views.db'), 'x'.repeat(9_000)),
    },
  ];
  test.each(strange)('$name are made anew', async ({ spoil }) => {
    spoil();
    await open();
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([0, undefined]);
    expect(opened.journal.head).toBe(2);
    await opened.views.checkpoint([row()], 2);
  });

  test('but damaged inside are reported once, and made anew by the next process', async () => {
    const path = join(directory.path, 'views.db');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, 2 * PAGE_BYTES));
    const fatal: string[] = [];
    await open({ onFatal: (error) => fatal.push(error.code) });
    for (let n = 0; n < 2; n++) {
      expect(() => opened.views.get('messenger/1/7')).toThrow(
        expect.objectContaining({ code: 'ERR_JOURNAL_FATAL' }),
      );
    }
    expect(fatal).toEqual(['ERR_JOURNAL_FATAL']);
    await close();
    await open();
    expect([opened.views.mark, opened.views.get('messenger/1/7')]).toEqual([0, undefined]);
  });
});

describe('a folder', () => {
  test('is one journal at a time', async () => {
    await expect(openJournal({ directory: directory.path })).rejects.toMatchObject({
      code: 'ERR_JOURNAL_UNAVAILABLE',
    });
  });

  test('of a newer format is refused and left alone', async () => {
    await close();
    const database = loadSqlite().open(join(directory.path, 'log.db'));
    database.exec("UPDATE meta SET value = '9' WHERE name = 'format'");
    await expect(openJournal({ directory: directory.path })).rejects.toMatchObject({
      code: 'ERR_JOURNAL_FORMAT',
    });
    database.exec("UPDATE meta SET value = '1' WHERE name = 'format'");
    database.close();
    await open();
  });

  test('that cannot be made is refused', async () => {
    const below = join(directory.path, 'log.db', 'data');
    await expect(openJournal({ directory: below })).rejects.toMatchObject({
      code: 'ERR_JOURNAL_UNAVAILABLE',
    });
  });
});
