// A journal put together from its parts in a folder of its own, for tests that reach into the parts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../lib/base/log.ts';
import { JOURNAL_LIMITS, type JournalLimits } from '../../lib/journal/limits.ts';
import { DirectoryLock } from '../../lib/journal/lock.ts';
import { LogFile } from '../../lib/journal/log-file.ts';
import { loadSqlite } from '../../lib/journal/sqlite.ts';
import { SqliteJournal, type SqliteJournalParts } from '../../lib/journal/sqlite-journal.ts';
import type { ConversationHead } from '../../lib/journal/types.ts';
import { ManualClock } from './manual-clock.ts';

/** A temporary folder and how to be rid of it. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'journal-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export class JournalRig {
  readonly directory = temporaryDirectory();
  readonly clock = new ManualClock();
  readonly file: LogFile;
  readonly journal: SqliteJournal;
  /** What the views know; set by tests. */
  mark = 0;
  readonly viewed = new Map<string, ConversationHead>();
  readonly events: string[] = [];
  #commit: (() => void) | undefined;

  constructor(limits: Partial<JournalLimits> = {}, parts: Partial<SqliteJournalParts> = {}) {
    const sqlite = loadSqlite();
    const lock = new DirectoryLock(sqlite, this.directory.path);
    this.file = new LogFile(sqlite, this.directory.path);
    this.journal = new SqliteJournal({
      lock,
      file: this.file,
      clock: this.clock,
      log: { ...silentLog, warn: (_fields, message) => this.events.push(message) },
      limits: { ...JOURNAL_LIMITS, ...limits },
      scheduleCommit: (task) => {
        this.#commit = task;
      },
      heads: (conversation) => this.viewed.get(conversation),
      mark: () => this.mark,
      onCommit: ({ records }) => this.events.push(`commit ${records}`),
      onFatal: (error) => this.events.push(error.code),
      onTailError: (error) => this.events.push(`tail ${String(error)}`),
      ...parts,
    });
  }

  /** Ends the tick: commits what waits. */
  commit(): void {
    const commit = this.#commit;
    this.#commit = undefined;
    commit?.();
  }

  /** Makes the next commit fail once; `isStored` when it fails after it was stored. */
  failNextCommit(errcode: number, isStored = false): void {
    const commit = this.file.commit.bind(this.file);
    this.file.commit = () => {
      this.file.commit = commit;
      if (isStored) commit();
      throw Object.assign(new Error('injected'), { errcode });
    };
  }

  async end(): Promise<void> {
    await this.journal.close();
    this.directory.remove();
  }
}
