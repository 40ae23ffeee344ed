// A journal that another process writes: held to the contract of every store, and to what is its own, gaps,
// order and the clerk that is replaced.

import { afterEach, describe, expect, test } from 'vitest';
import { SluiceError } from '../../../lib/base/errors.ts';
import { type OpenedJournal, openJournal } from '../../../lib/journal/open.ts';
import { type OpenedFollower, openFollower } from '../../../lib/journal/open-follower.ts';
import type { LogRow } from '../../../lib/journal/recent-rows.ts';
import type { Journal } from '../../../lib/journal/types.ts';
import { describeJournal, newRecord } from '../../support/journal-contract.ts';
import { temporaryDirectory } from '../../support/journal-rig.ts';

interface Pair {
  readonly clerk: OpenedJournal;
  readonly follower: OpenedFollower;
  readonly fatal: SluiceError[];
}

function stateOf({ journal, views }: OpenedJournal) {
  return { head: journal.head, tailSeq: journal.tailSeq, mark: views.mark };
}

/** @param pass says whether a commit's rows reach the follower */
async function openPair(directory: string, pass: () => boolean = () => true): Promise<Pair> {
  let follower: OpenedFollower | undefined;
  const onRows = (rows: readonly LogRow[]): void => {
    if (pass()) follower?.journal.committed(rows, stateOf(clerk));
  };
  const clerk = await openJournal({ directory, onRows });
  const fatal: SluiceError[] = [];
  follower = openFollower({
    directory,
    port: { append: (records) => clerk.journal.append(records) },
    onFatal: (error) => fatal.push(error),
  });
  return { clerk, follower, fatal };
}

describeJournal('a journal that is followed', async () => {
  const directory = temporaryDirectory();
  const closers: (() => Promise<void>)[] = [];
  return {
    async open(): Promise<Journal> {
      const { clerk, follower } = await openPair(directory.path);
      const { journal, views } = follower;
      const close = journal.close.bind(journal);
      journal.close = async () => {
        // As its process ends: what was asked is stored first.
        await clerk.journal.close();
        await close();
        await views.close();
        await clerk.views.close();
      };
      closers.push(() => journal.close());
      return journal;
    },
    async remove() {
      for (const close of closers) await close();
      directory.remove();
    },
  };
});

describe('a follower', () => {
  const ends: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function pairIn(directory: string, pass?: () => boolean): Promise<Pair> {
    const pair = await openPair(directory, pass);
    ends.push(async () => {
      await pair.follower.journal.close();
      await pair.follower.views.close();
      await pair.clerk.journal.close();
      await pair.clerk.views.close();
    });
    return pair;
  }

  function folder(): string {
    const directory = temporaryDirectory();
    ends.push(() => directory.remove());
    return directory.path;
  }

  const some = (count: number) => Array.from({ length: count }, () => newRecord());

  test('reads what did not come, once and in order', async () => {
    let passes = 0;
    const { clerk, follower } = await pairIn(folder(), () => passes++ % 3 === 0);
    const seen: number[] = [];
    follower.journal.tail(0, (records) => seen.push(...records.map((record) => record.seq)));
    for (let i = 0; i < 40; i++) await clerk.journal.append(some(1 + (i % 4)));
    follower.journal.announced(stateOf(clerk));
    expect(follower.journal.head).toBe(clerk.journal.head);
    expect(seen).toEqual(Array.from({ length: clerk.journal.head }, (_, index) => index + 1));
  });

  test('ignores rows that it has', async () => {
    const rows: LogRow[] = [];
    const directory = folder();
    const clerk = await openJournal({ directory, onRows: (more) => rows.push(...more) });
    const follower = openFollower({ directory, port: clerk.journal });
    ends.push(async () => {
      await follower.journal.close();
      await follower.views.close();
      await clerk.journal.close();
      await clerk.views.close();
    });
    let count = 0;
    follower.journal.tail(0, (records) => {
      count += records.length;
    });
    await clerk.journal.append(some(5));
    for (let i = 0; i < 3; i++) follower.journal.committed(rows, stateOf(clerk));
    expect([count, follower.journal.head]).toEqual([5, 5]);
  });

  test('an append resolves after the tails have seen it, though no row came', async () => {
    const { follower } = await pairIn(folder(), () => false);
    const seen: string[] = [];
    follower.journal.tail(0, (records) => seen.push(`tail ${records.length}`));
    const results = await follower.journal.append(some(3));
    seen.push(`answer ${results.at(-1)?.seq}`);
    expect(seen).toEqual(['tail 3', 'answer 3']);
    expect(follower.journal.history('messenger/1/7', undefined, 10).records).toHaveLength(3);
  });

  test('what the port refuses is refused here, and a bad record never reaches it', async () => {
    const directory = folder();
    const { follower } = await pairIn(directory);
    const calls: number[] = [];
    const other = openFollower({
      directory,
      port: {
        append: (records) => {
          calls.push(records.length);
          return Promise.reject(new SluiceError('ERR_JOURNAL_UNAVAILABLE'));
        },
      },
    });
    await expect(other.journal.append(some(2))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_JOURNAL_UNAVAILABLE' }),
    );
    const bad = newRecord({ data: 'no object' });
    await expect(other.journal.append([bad])).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
    expect(calls).toEqual([2]);
    await other.journal.close();
    await other.views.close();
    expect(follower.journal.head).toBe(0);
  });

  test('outlives its clerk, and goes on with the next one', async () => {
    const directory = folder();
    const { clerk, follower, fatal } = await pairIn(directory);
    await clerk.journal.append(some(10));
    await clerk.journal.close();
    await clerk.views.close();
    expect(follower.journal.read(1, 100)).toHaveLength(10);
    const next = await openJournal({ directory });
    ends.push(async () => {
      await next.journal.close();
      await next.views.close();
    });
    follower.journal.attached(next.journal.epoch, stateOf(next));
    await next.journal.append(some(5));
    follower.journal.announced(stateOf(next));
    expect(follower.journal.read(1, 100)).toHaveLength(15);
    expect(fatal).toEqual([]);
  });

  test.each([
    ['another epoch', { epoch: 'other', head: 10, mark: 0 }],
    ['a head that went back', { epoch: '', head: 9, mark: 0 }],
  ])('%s ends the process', async (_name, { epoch, head, mark }) => {
    const { clerk, follower, fatal } = await pairIn(folder());
    await clerk.journal.append(some(10));
    follower.journal.attached(epoch === '' ? follower.journal.epoch : epoch, {
      head,
      tailSeq: 1,
      mark,
    });
    await Promise.resolve();
    expect(fatal.map((error) => error.code)).toEqual(['ERR_JOURNAL_FATAL']);
  });

  test('a row of the views comes with the mark that it was read under', async () => {
    const { clerk, follower } = await pairIn(folder());
    await clerk.journal.append(some(4));
    const row = { key: 'messenger/1/7', page: '1', state: 'open', owner: '', activityAt: 1 };
    await clerk.views.checkpoint([{ ...row, unsettled: 0, seq: 4, fence: 0, json: '{}' }], 4);
    expect(follower.views.mark).toBe(0);
    expect(follower.views.getMarked('messenger/1/7')).toMatchObject({ mark: 4, row: { seq: 4 } });
    follower.journal.announced(stateOf(clerk));
    expect(follower.views.mark).toBe(4);
    await expect(follower.views.checkpoint()).rejects.toThrow(/writes no views/);
  });

  test('a folder without a journal is refused', () => {
    const open = () => openFollower({ directory: folder(), port: { append: async () => [] } });
    expect(open).toThrow(expect.objectContaining({ code: 'ERR_JOURNAL_UNAVAILABLE' }));
  });
});
