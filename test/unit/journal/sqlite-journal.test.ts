// SQLite on disk, held to the contract of every store.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../../lib/journal/open.ts';
import type { Journal } from '../../../lib/journal/types.ts';
import { describeJournal } from '../../support/journal-contract.ts';

describeJournal('the journal on SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'journal-'));
  const closers: (() => Promise<void>)[] = [];
  return {
    async open(): Promise<Journal> {
      const { journal, views } = await openJournal({ directory });
      closers.push(() => views.close());
      return journal;
    },
    async remove() {
      for (const close of closers) await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
