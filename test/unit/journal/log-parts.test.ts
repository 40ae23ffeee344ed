// The parts that the log is made of, each alone: lines, recent rows, heads, keys, failures.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConversationHeads, type HeadsSource } from '../../../lib/journal/heads.ts';
import { LogFile } from '../../../lib/journal/log-file.ts';
import { decodeLine, encodeLine, lineStart, recordOf } from '../../../lib/journal/log-line.ts';
import { RecentRows } from '../../../lib/journal/recent-rows.ts';
import { SeenKeys } from '../../../lib/journal/seen-keys.ts';
import { failureOf, isDamaged, loadSqlite } from '../../../lib/journal/sqlite.ts';
import type { JournalRecord, NewRecord } from '../../../lib/journal/types.ts';
import { newRecord } from '../../support/journal-contract.ts';
import { temporaryDirectory } from '../../support/journal-rig.ts';

describe('a line', () => {
  const lines: { name: string; change: Partial<NewRecord> }[] = [
    { name: 'plain', change: {} },
    { name: 'with tabs in its data', change: { data: '{"a":\t"b\tc"}' } },
    { name: 'empty', change: { data: '{}' } },
    { name: 'beyond ASCII', change: { data: '{"a":"žluťoučký 🐎"}' } },
    { name: 'fencing', change: { fences: true } },
    { name: 'internal', change: { internal: true } },
    { name: 'fencing and internal', change: { fences: true, internal: true } },
  ];
  test.each(lines)('that is $name reads back among others', ({ change }) => {
    const record = newRecord(change);
    const body = [newRecord(), record, newRecord()].map((each) => encodeLine(each, 41)).join('\n');
    expect(decodeLine(body, lineStart(body, 1), 77)).toEqual(recordOf(record, 77, 41));
  });

  test.each(['2\t0\t0\t0\tc\tk\t{}', '', '11\t0'])(
    'of an unknown format is refused: %j',
    (line) => {
      expect(() => decodeLine(line, 0, 5)).toThrow(
        expect.objectContaining({ code: 'ERR_JOURNAL_FORMAT' }),
      );
    },
  );
});

describe('recent rows', () => {
  test('keep the newest within the bound and find any seq of them', () => {
    const rows = new RecentRows(100);
    let first = 1;
    for (let index = 0; index < 50; index++) {
      const count = 1 + (index % 3);
      rows.push({ first, count, body: 'x'.repeat(10) });
      first += count;
    }
    const held = Array.from({ length: first + 1 }, (_, seq) => rows.find(seq)).map(Boolean);
    const oldest = held.indexOf(true);
    expect(held.slice(oldest, first).every(Boolean)).toBe(true);
    expect(held[first]).toBe(false);
    expect(rows.range(oldest, first - 1)).toHaveLength(10);
    expect(rows.range(oldest - 1, first)).toBeUndefined();
    expect(rows.range(first - 1, first + 9)).toHaveLength(1);
  });

  test('hold nothing that is larger than the bound', () => {
    const rows = new RecentRows(100);
    rows.push({ first: 1, count: 1, body: 'x'.repeat(101) });
    expect(rows.find(1)).toBeUndefined();
    rows.push({ first: 2, count: 1, body: 'x' });
    expect(rows.find(2)?.first).toBe(2);
    rows.clear();
    expect(rows.find(2)).toBeUndefined();
  });
});

describe('heads', () => {
  function headsOf(headsMax: number, stored: readonly JournalRecord[] = []) {
    const asked: string[] = [];
    const state = { mark: 0 };
    const source: HeadsSource = {
      viewed: (conversation) => {
        asked.push(conversation);
        return conversation === 'viewed' ? { last: 7, fence: 5 } : undefined;
      },
      mark: () => state.mark,
      read: (from) => stored.filter((record) => record.seq >= from).slice(0, 2),
    };
    return { heads: new ConversationHeads(source, headsMax), asked, state };
  }

  test('come from the views, then from memory', () => {
    const { heads, asked } = headsOf(10);
    expect(heads.head('viewed')).toMatchObject({ last: 7, fence: 5 });
    expect(heads.advance('viewed', 9, { fences: true })).toBe(7);
    expect(heads.advance('viewed', 10, { internal: true })).toBe(9);
    expect(heads.head('viewed')).toMatchObject({ last: 9, fence: 9 });
    expect(asked).toEqual(['viewed']);
  });

  test('are read from the log after the mark, all pages', () => {
    const stored = [1, 2, 3, 4, 5].map((seq) => recordOf(newRecord({ fences: seq < 3 }), seq, 0));
    const { heads, state } = headsOf(10, stored);
    state.mark = 1;
    heads.load();
    expect(heads.head('messenger/1/7')).toMatchObject({ last: 5, fence: 2 });
  });

  test('that the views do not know are held beyond the bound; others go, oldest first', () => {
    const { heads, asked, state } = headsOf(3);
    for (let seq = 1; seq <= 6; seq++) heads.advance(`c${seq}`, seq, {});
    expect(heads.size).toBe(6);
    state.mark = 4;
    heads.advance('c7', 7, {});
    expect(heads.size).toBe(3);
    asked.length = 0;
    expect(heads.head('c6')).toMatchObject({ last: 6 });
    expect(asked).toEqual([]);
    heads.head('c1');
    expect(asked).toEqual(['c1']);
  });

  test('are read again after a reset', () => {
    const { heads } = headsOf(10, [recordOf(newRecord(), 1, 0)]);
    heads.load();
    heads.advance('messenger/1/7', 2, {});
    heads.reset();
    heads.load();
    expect(heads.head('messenger/1/7')).toMatchObject({ last: 1 });
  });
});

describe('the file', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let file: LogFile;

  beforeEach(() => {
    directory = temporaryDirectory();
    file = new LogFile(loadSqlite(), directory.path);
  });

  afterEach(() => {
    file.close();
    directory.remove();
  });

  test('keeps two keys that share a time and a hash apart', () => {
    expect(file.insertSeen(1, 42, 1, 10)).toBe(true);
    expect(file.insertSeen(1, 42, 2, 11)).toBe(true);
    expect(file.insertSeen(1, 42, 1, 12)).toBe(false);
    expect([file.findSeen(1, 42, 1), file.findSeen(1, 42, 2)]).toEqual([10, 11]);
  });

  test('hashes keys with its own secret, in numbers that are exact', () => {
    const filed: number[][] = [];
    const insert = file.insertSeen.bind(file);
    file.insertSeen = (at, hash, tag, seq) => {
      filed.push([hash, tag]);
      return insert(at, hash, tag, seq);
    };
    const keys = new SeenKeys(file);
    for (let n = 1; n <= 500; n++) expect(keys.file(`key${n}`, newRecord(), n)).toBe(0);
    expect(filed.flat().every(Number.isSafeInteger)).toBe(true);
    expect(new Set(filed.map(([hash]) => hash)).size).toBe(500);
    expect(keys.file('key7', newRecord(), 501)).toBe(7);
    expect(file.seed).toMatch(/^[0-9a-f]{32}$/);
    expect(file.seed).not.toContain(file.epoch);
  });
});

describe('a failure', () => {
  const failures: { name: string; errcode: number; failure: string }[] = [
    { name: 'SQLITE_FULL', errcode: 13, failure: 'full' },
    { name: 'SQLITE_BUSY', errcode: 5, failure: 'locked' },
    { name: 'SQLITE_BUSY_SNAPSHOT', errcode: 517, failure: 'locked' },
    { name: 'SQLITE_READONLY', errcode: 8, failure: 'broken' },
    { name: 'SQLITE_CANTOPEN', errcode: 14, failure: 'broken' },
    { name: 'SQLITE_IOERR_WRITE', errcode: 778, failure: 'broken' },
    { name: 'SQLITE_IOERR_FSYNC', errcode: 1034, failure: 'fatal' },
    { name: 'SQLITE_IOERR_DIR_FSYNC', errcode: 1290, failure: 'fatal' },
    { name: 'SQLITE_CORRUPT', errcode: 11, failure: 'fatal' },
    { name: 'SQLITE_NOTADB', errcode: 26, failure: 'fatal' },
    { name: 'no code at all', errcode: 0, failure: 'broken' },
  ];
  test.each(failures)('of $name is $failure', ({ errcode, failure }) => {
    const error = Object.assign(new Error('x'), errcode === 0 ? {} : { errcode });
    expect(failureOf(error)).toBe(failure);
    expect(isDamaged(error)).toBe(errcode === 11 || errcode === 26);
  });
});

describe('the SQLite module', () => {
  test.each(['20.19.0', '22.15.1', '23.11.0'])('of Node %s is the package', (version) => {
    expect(loadSqlite(version).specifier).toContain('@photostructure/sqlite');
  });

  test.each(['22.16.0', '24.0.0'])('of Node %s is the one built in', (version) => {
    const [major = 0] = process.versions.node.split('.').map(Number);
    if (major >= 24) expect(loadSqlite(version).specifier).toBe('node:sqlite');
    else expect(() => loadSqlite(version)).toThrow(/node:sqlite/);
  });
});
