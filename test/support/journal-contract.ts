// What every store of the journal must do, whatever it stands on. A store's test file calls `describeJournal`
// with a way to open it; reopening the same place must find what was stored there.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Appended, Journal, JournalRecord, NewRecord } from '../../lib/journal/types.ts';
import { until } from './until.ts';

/** One place where a journal lives. */
export interface JournalPlace {
  open(): Promise<Journal>;
  remove(): Promise<void>;
}

const CONVERSATION = 'messenger/1/7';
const START = 1_800_000_000_000;
const DAY_MS = 86_400_000;

/** A record with what a test does not care about filled in. */
export function newRecord(change: Partial<NewRecord> = {}): NewRecord {
  return {
    conversation: CONVERSATION,
    kind: 'message.received',
    at: START,
    data: '{"text":"hello"}',
    ...change,
  };
}

function seqs(records: readonly JournalRecord[]): number[] {
  return records.map((record) => record.seq);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Declares the suite for one kind of store. */
export function describeJournal(name: string, makePlace: () => Promise<JournalPlace>): void {
  describe(name, () => {
    let place: JournalPlace;
    let journal: Journal;

    beforeEach(async () => {
      place = await makePlace();
      journal = await place.open();
    });

    afterEach(async () => {
      await journal.close();
      await place.remove();
    });

    const append = (...records: Partial<NewRecord>[]): Promise<Appended[]> =>
      journal.append(records.map(newRecord));

    const reopen = async (): Promise<void> => {
      await journal.close();
      journal = await place.open();
    };

    describe('append', () => {
      test('starts empty', () => {
        expect(journal.head).toBe(0);
        expect(journal.tailSeq).toBe(1);
        expect(journal.get(1)).toBeUndefined();
        expect(journal.read(1, 10)).toEqual([]);
        expect(journal.history(CONVERSATION, undefined, 10)).toEqual({
          records: [],
          complete: true,
        });
      });

      test('numbers records without a gap and gives them back as they were', async () => {
        const data = '{"text":"tab\\t, \\"quote\\", ☃ and 🎉","list":[1,2]}';
        const record = newRecord({ data, kind: 'message.edited', fences: true, at: START + 5 });
        await append({});
        expect(await journal.append([record])).toEqual([{ status: 'appended', seq: 2, prev: 1 }]);
        expect(journal.head).toBe(2);
        expect(journal.get(2)).toEqual({
          seq: 2,
          prev: 1,
          at: START + 5,
          conversation: CONVERSATION,
          kind: 'message.edited',
          data,
          fences: true,
          internal: false,
        });
      });

      test('keeps the order of calls of one tick', async () => {
        const results = await Promise.all(
          range(1, 20).map((n) => append({ data: `{"n":${n}}` }, { data: `{"n":${n + 0.5}}` })),
        );
        expect(results.flat().map((result) => result.seq)).toEqual(range(1, 40));
        expect(journal.read(3, 2).map((record) => record.data)).toEqual(['{"n":2}', '{"n":2.5}']);
      });

      test('accepts an empty call', async () => {
        expect(await journal.append([])).toEqual([]);
        expect(journal.head).toBe(0);
      });

      const refused: { name: string; record: Partial<NewRecord> }[] = [
        { name: 'a line break in data', record: { data: '{"a":\n1}' } },
        { name: 'a zero character in data', record: { data: '{"a":"\0"}' } },
        { name: 'data that is no object', record: { data: '[1]' } },
        { name: 'data that is too long', record: { data: `{"a":"${'x'.repeat(1 << 20)}"}` } },
        { name: 'an empty conversation', record: { conversation: '' } },
        { name: 'a tab in the conversation', record: { conversation: 'a\tb' } },
        { name: 'a kind with a space', record: { kind: 'message received' } },
        { name: 'a kind with a line break', record: { kind: 'message\n' } },
        { name: 'a time with a fraction', record: { at: 1.5 } },
        { name: 'a negative time', record: { at: -1 } },
        { name: 'an empty key', record: { dedupeKey: '' } },
        { name: 'a key time that is no number', record: { dedupeKey: 'a', dedupeAt: Number.NaN } },
        { name: 'an expected seq below zero', record: { expectSeq: -1 } },
      ];
      test.each(refused)('refuses $name and stores nothing of the call', async ({ record }) => {
        await expect(append({}, record)).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
        expect(journal.head).toBe(0);
      });
    });

    describe('duplicates', () => {
      const dated = { dedupeKey: 'mid:1', dedupeAt: START - 500 };

      test('are found within a call, across calls of a tick, and later', async () => {
        const results = await Promise.all([append(dated, {}, dated), append(dated)]);
        expect(results).toEqual([
          [
            { status: 'appended', seq: 1, prev: 0 },
            { status: 'appended', seq: 2, prev: 1 },
            { status: 'duplicate', seq: 1 },
          ],
          [{ status: 'duplicate', seq: 1 }],
        ]);
        expect(await append({ ...dated, data: '{"other":true}' })).toEqual([
          { status: 'duplicate', seq: 1 },
        ]);
        expect(journal.head).toBe(2);
      });

      const places = [
        { count: 1, again: 0 },
        { count: 4, again: 3 },
        { count: 16, again: 0 },
        { count: 21, again: 20 },
        { count: 85, again: 17 },
      ];
      test.each(places)('are found as number $again of $count keys of a tick', async (place) => {
        await append(dated);
        const records = range(1, place.count).map((i) => ({ ...dated, dedupeKey: `mid:n${i}` }));
        const calls = records.map((record, i) => append(i === place.again ? dated : record));
        const results = (await Promise.all(calls)).flat();
        expect(results.map((result) => result.status === 'duplicate')).toEqual(
          records.map((_, i) => i === place.again),
        );
        const { seq } = results[place.again] ?? {};
        expect([seq, journal.head]).toEqual([1, place.count]);
        for (const [i, result] of results.entries()) {
          if (i !== place.again)
            expect(journal.find(`mid:n${i + 1}`, START - 500)).toBe(result.seq);
        }
      });

      test('are found behind a send of the same tick', async () => {
        const calls = [append({ dedupeKey: 'send:a:1', expectSeq: 0 }), append(dated, dated)];
        const results = (await Promise.all(calls)).flat();
        expect(results.map((result) => result.seq)).toEqual([1, 2, 2]);
      });

      test('are found after a restart', async () => {
        await append(dated);
        await reopen();
        expect(await append(dated)).toEqual([{ status: 'duplicate', seq: 1 }]);
        expect(journal.find('mid:1', dated.dedupeAt)).toBe(1);
      });

      test('have the same key and the same time', async () => {
        await append(dated);
        const results = await append({ ...dated, dedupeAt: START }, { ...dated, dedupeKey: 'b' });
        expect(results.map((result) => result.status)).toEqual(['appended', 'appended']);
      });

      const undated = [
        { name: 'the same day', laterMs: 0, status: 'duplicate' },
        { name: 'the next day', laterMs: DAY_MS, status: 'duplicate' },
        { name: 'two days later', laterMs: 2 * DAY_MS, status: 'appended' },
      ];
      test.each(undated)('of a key without a time, $name: $status', async ({ laterMs, status }) => {
        await append({ dedupeKey: 'send:a:1' });
        const results = await append({ dedupeKey: 'send:a:1', at: START + laterMs });
        expect(results.map((result) => result.status)).toEqual([status]);
      });

      test('are found only once they are stored', async () => {
        expect(journal.find('mid:1', dated.dedupeAt)).toBeUndefined();
        const stored = append(dated);
        expect(journal.find('mid:1', dated.dedupeAt)).toBeUndefined();
        await stored;
        expect(journal.find('mid:1', dated.dedupeAt)).toBe(1);
        expect(journal.find('mid:1', START)).toBeUndefined();
      });

      test('come before a conflict', async () => {
        await append({ ...dated, fences: true });
        await append({ fences: true });
        expect(await append({ ...dated, expectSeq: 0 })).toEqual([{ status: 'duplicate', seq: 1 }]);
      });
    });

    describe('fencing', () => {
      test('refuses a writer that has not seen the last fencing record', async () => {
        await append({ fences: true }, {}, { fences: true, internal: true }, {});
        expect(await append({ expectSeq: 1 })).toEqual([{ status: 'conflict', seq: 3 }]);
        expect(await append({ expectSeq: 3, fences: true })).toMatchObject([{ seq: 5 }]);
        expect(await append({ expectSeq: 3 })).toEqual([{ status: 'conflict', seq: 5 }]);
      });

      test('counts records of the same call and of the same tick', async () => {
        const claim = { expectSeq: 0, fences: true };
        const results = await Promise.all([append(claim, claim), append(claim)]);
        expect(results.flat().map((result) => result.status)).toEqual([
          'appended',
          'conflict',
          'conflict',
        ]);
      });

      test('knows nothing of other conversations', async () => {
        await append({ fences: true });
        expect(await append({ conversation: 'messenger/1/8', expectSeq: 0 })).toMatchObject([
          { status: 'appended', prev: 0 },
        ]);
      });

      test('holds after a restart', async () => {
        await append({ fences: true }, {});
        await reopen();
        expect(await append({ expectSeq: 0 })).toEqual([{ status: 'conflict', seq: 1 }]);
        expect(await append({ expectSeq: 1 })).toEqual([{ status: 'appended', seq: 3, prev: 2 }]);
      });

      test('leaves the key of a refused record free', async () => {
        await append({ fences: true });
        const late = { dedupeKey: 'send:a:2', expectSeq: 0 };
        expect(await append(late)).toMatchObject([{ status: 'conflict' }]);
        expect(await append({ ...late, expectSeq: 1 })).toMatchObject([{ status: 'appended' }]);
      });
    });

    describe('prev', () => {
      test('links the events of a conversation and skips internal records', async () => {
        const other = { conversation: 'messenger/1/8' };
        const results = await append({}, other, { internal: true }, {}, { internal: true }, other);
        expect(results.map((result) => 'prev' in result && result.prev)).toEqual([
          0, 0, 1, 1, 4, 2,
        ]);
      });

      test('goes on after a restart', async () => {
        await append({}, { internal: true });
        await reopen();
        expect(await append({})).toEqual([{ status: 'appended', seq: 3, prev: 1 }]);
      });
    });

    describe('tail', () => {
      test('hands over stored records, then live ones, each once', async () => {
        await append(...range(1, 5).map(() => ({})));
        const seen: number[] = [];
        const tail = journal.tail(2, (records) => seen.push(...seqs(records)));
        await append({});
        await until('the tail', () => tail.position === 6);
        await append({}, { internal: true });
        expect(seen).toEqual(range(3, 8));
        expect(tail.position).toBe(8);
      });

      test('has no gap while others append', async () => {
        const total = 3_000;
        for (let sent = 0; sent < total / 2; sent += 100)
          await append(...range(1, 100).map(() => ({})));
        const seen: number[][] = [[], [], []];
        const starts = [0, 700, total / 2];
        for (const [index, after] of starts.entries()) {
          journal.tail(after, (records) => seen[index]?.push(...seqs(records)));
        }
        for (let sent = total / 2; sent < total; sent += 10)
          await append(...range(1, 10).map(() => ({})));
        await until('the tails', () => seen.every((list) => list.at(-1) === total));
        expect(seen).toEqual(starts.map((after) => range(after + 1, total)));
      });

      test('is told in the tick of the commit, before the append resolves', async () => {
        const order: string[] = [];
        journal.tail(0, (records) => {
          order.push(`tail ${records.length} of ${journal.head}`);
          queueMicrotask(() => order.push('microtask of the tail'));
        });
        await Promise.all([
          append({}).then(() => order.push('first')),
          append({}, {}).then(() => order.push('second')),
        ]);
        expect(order[0]).toBe('tail 3 of 3');
        expect(order.slice(1).sort()).toEqual(['first', 'microtask of the tail', 'second']);
      });

      test('may be closed and opened by a callback', async () => {
        const seen: string[] = [];
        const first = journal.tail(0, (records) => {
          first.close();
          seen.push(`first ${seqs(records)}`);
          journal.tail(journal.head, (later) => seen.push(`second ${seqs(later)}`));
        });
        await append({});
        await append({});
        expect(seen).toEqual(['first 1', 'second 2']);
      });

      test('may append from a callback', async () => {
        const results: Promise<Appended[]>[] = [];
        journal.tail(0, (records) => {
          if (records[0]?.seq === 1) results.push(append({ kind: 'answer' }));
        });
        await append({});
        expect(await Promise.all(results)).toEqual([[{ status: 'appended', seq: 2, prev: 1 }]]);
      });

      test('that throws is closed; others and the caller go on', async () => {
        const seen: number[] = [];
        const broken = journal.tail(0, () => {
          throw new Error('broken reader');
        });
        journal.tail(0, (records) => seen.push(...seqs(records)));
        await append({});
        await append({});
        expect(seen).toEqual([1, 2]);
        expect(broken.position).toBe(0);
      });

      test('refuses to start beyond the head', () => {
        expect(() => journal.tail(1, () => undefined)).toThrow(/between 0 and the head/);
        expect(() => journal.tail(-1, () => undefined)).toThrow(/between 0 and the head/);
      });
    });

    describe('read and history', () => {
      test('read pages through everything, whatever the commits were', async () => {
        for (const count of [1, 7, 300, 2, 40]) await append(...range(1, count).map(() => ({})));
        const seen: number[] = [];
        while (seen.length < journal.head) seen.push(...seqs(journal.read(seen.length + 1, 13)));
        expect(seen).toEqual(range(1, 350));
        expect(journal.read(351, 13)).toEqual([]);
      });

      test('read gives the same after a restart', async () => {
        for (const count of [1, 7, 300, 2]) await append(...range(1, count).map(() => ({})));
        const before = journal.read(1, 1_000);
        await reopen();
        expect(journal.read(1, 1_000)).toEqual(before);
        expect(journal.read(305, 3)).toEqual(before.slice(304, 307));
      });

      test('history is the events of one conversation, newest page first', async () => {
        for (let n = 0; n < 10; n++) {
          await append({}, { conversation: 'messenger/1/8' }, { internal: true });
        }
        const newest = journal.history(CONVERSATION, undefined, 4);
        expect(seqs(newest.records)).toEqual([19, 22, 25, 28]);
        expect(newest.complete).toBe(false);
        const middle = journal.history(CONVERSATION, 19, 4);
        expect(seqs(middle.records)).toEqual([7, 10, 13, 16]);
        const oldest = journal.history(CONVERSATION, 7, 2);
        expect(seqs(oldest.records)).toEqual([1, 4]);
        expect(oldest.complete).toBe(true);
      });

      test('history takes any seq as its bound', async () => {
        await append({}, { conversation: 'messenger/1/8' }, { internal: true }, {}, {});
        const bounds = [1, 2, 3, 4, 5, 6, 99].map((before) =>
          seqs(journal.history(CONVERSATION, before, 10).records),
        );
        expect(bounds).toEqual([[], [1], [1], [1], [1, 4], [1, 4, 5], [1, 4, 5]]);
      });
    });

    describe('close', () => {
      test('commits what waits, then refuses', async () => {
        const waiting = append({}, {});
        await journal.close();
        expect(await waiting).toHaveLength(2);
        await expect(append({})).rejects.toMatchObject({ code: 'ERR_CLOSED' });
        expect(() => journal.get(1)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
        expect(() => journal.tail(0, () => undefined)).toThrow(
          expect.objectContaining({ code: 'ERR_CLOSED' }),
        );
        await journal.close();
      });

      test('keeps the epoch and the head', async () => {
        await append({}, {});
        const { epoch } = journal;
        await reopen();
        expect(journal.epoch).toBe(epoch);
        expect(journal.head).toBe(2);
        expect(await append({})).toMatchObject([{ seq: 3 }]);
      });
    });
  });
}
