// What is old is deleted in small batches; what is left reads as before.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newRecord } from '../../support/journal-contract.ts';
import { JournalRig } from '../../support/journal-rig.ts';
import { until } from '../../support/until.ts';

const START = 1_800_000_000_000;

let rig: JournalRig;

beforeEach(() => {
  rig = new JournalRig();
});

afterEach(() => rig.end());

async function append(count: number, at: number): Promise<void> {
  const records = Array.from({ length: count }, (_, n) =>
    newRecord({ at, dedupeKey: `${at}:${n}`, dedupeAt: at }),
  );
  const appended = rig.journal.append(records);
  rig.commit();
  await appended;
  rig.mark = rig.journal.head;
}

function deleteAll(at: number): number {
  let calls = 1;
  while (rig.journal.deleteBefore(at)) calls++;
  return calls;
}

describe('retention', () => {
  test('deletes whole old rows and old keys, and moves the oldest seq', async () => {
    for (const at of [START, START + 1, START + 2]) await append(3, at);
    deleteAll(START + 2);
    expect(rig.journal.tailSeq).toBe(7);
    expect(rig.journal.get(6)).toBeUndefined();
    expect(rig.journal.read(1, 100).map((record) => record.seq)).toEqual([7, 8, 9]);
    expect(rig.journal.find(`${START}:0`, START)).toBeUndefined();
    expect(rig.journal.find(`${START + 2}:0`, START + 2)).toBe(7);
    expect(rig.journal.history('messenger/1/7', undefined, 100)).toMatchObject({ complete: true });
    expect(rig.journal.history('messenger/1/7', 9, 1)).toMatchObject({ complete: false });
  });

  test.each([
    ['a failed flush', 1034, 'ERR_JOURNAL_FATAL', ['ERR_JOURNAL_FATAL']],
    ['a full disk', 13, 'ERR_JOURNAL_UNAVAILABLE', []],
  ])('%s while it deletes means the same as with an append', async (_name, errcode, code, told) => {
    await append(3, START);
    rig.events.length = 0;
    rig.file.commit = () => {
      throw Object.assign(new Error('disk'), { errcode });
    };
    expect(() => rig.journal.deleteBefore(START + 1)).toThrow(expect.objectContaining({ code }));
    await Promise.resolve();
    expect(rig.events).toEqual(told);
    expect(rig.journal.isAvailable).toBe(false);
  });

  test('works in batches', async () => {
    for (let n = 0; n < 450; n++) await append(1, START + n);
    expect(deleteAll(START + 500)).toBe(3);
    expect(rig.journal.read(1, 1_000).map((record) => record.seq)).toEqual([450]);
  });

  test('keeps the newest row, so that no seq is given twice', async () => {
    await append(5, START);
    deleteAll(START + 1);
    expect([rig.journal.tailSeq, rig.journal.head]).toEqual([1, 5]);
    await append(1, START + 10);
    deleteAll(START + 5);
    expect([rig.journal.tailSeq, rig.journal.head]).toEqual([6, 6]);
    expect(rig.journal.get(6)).toMatchObject({ prev: 5 });
  });

  test('does not stop a tail that starts in what was deleted', async () => {
    for (let n = 0; n < 10; n++) await append(1, START + n);
    deleteAll(START + 8);
    const seen: number[] = [];
    const tail = rig.journal.tail(2, (records) => seen.push(...records.map(({ seq }) => seq)));
    await until('the tail', () => tail.position === 10);
    expect(seen).toEqual([9, 10]);
  });

  const folded = [
    { mark: 2, tailSeq: 1 },
    { mark: 3, tailSeq: 4 },
    { mark: 5, tailSeq: 4 },
    { mark: 6, tailSeq: 7 },
  ];
  test.each(folded)('with views up to $mark keeps what is not folded: $tailSeq', async (given) => {
    for (const at of [START, START + 1, START + 2]) await append(3, at);
    rig.mark = given.mark;
    deleteAll(START + 100);
    expect(rig.journal.tailSeq).toBe(given.tailSeq);
  });

  test('deletes nothing when nothing is old', async () => {
    expect(rig.journal.deleteBefore(START)).toBe(false);
    await append(2, START);
    expect(rig.journal.deleteBefore(START)).toBe(false);
    expect(rig.journal.tailSeq).toBe(1);
  });
});
