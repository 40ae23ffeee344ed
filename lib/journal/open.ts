// Opens a data folder: takes the lock, then the log, then the views that belong to it.

import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { makeDataFolder } from '../base/data-folder.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { CommitStats } from './commit-writer.ts';
import { JOURNAL_LIMITS, type JournalLimits } from './limits.ts';
import { DirectoryLock } from './lock.ts';
import { LogFile } from './log-file.ts';
import type { LogRow } from './recent-rows.ts';
import { loadSqlite, type SqliteModule } from './sqlite.ts';
import { SqliteJournal } from './sqlite-journal.ts';
import { SqliteViews } from './sqlite-views.ts';
import type { ConversationHead } from './types.ts';
import { deleteViewsFile, openViewsFile, VIEWS_FILE } from './views-file.ts';

export interface OpenJournalOptions {
  /** Made if missing. One process at a time. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly limits?: Partial<JournalLimits>;
  /** Runs a commit at the end of the tick; default setImmediate. */
  readonly scheduleCommit?: (task: () => void) => void;
  /**
   * Heads of conversations that did not change since the views' mark; default from the views'
   * rows.
   */
  readonly heads?: (conversation: string) => ConversationHead | undefined;
  readonly onCommit?: (stats: CommitStats) => void;
  /** The rows of each commit, for those who follow; before the appends resolve. */
  readonly onRows?: (rows: readonly LogRow[]) => void;
  /**
   * The disk failed in a way that only a new process can recover from: end this one. Called once.
   */
  readonly onFatal?: (error: SluiceError) => void;
  /** A tail's callback threw and its tail is closed. */
  readonly onTailError?: (error: unknown) => void;
}

export interface OpenedJournal {
  readonly journal: SqliteJournal;
  readonly views: SqliteViews;
}

/**
 * Opens or creates the journal of a data folder. Close the journal, then the views, before the process exits.
 * @throws SluiceError ERR_JOURNAL_UNAVAILABLE when another process uses the folder or it cannot be written
 * @throws SluiceError ERR_JOURNAL_FORMAT when a newer version wrote it
 */
export async function openJournal(given: OpenJournalOptions): Promise<OpenedJournal> {
  const options = withOneFatal(given);
  const sqlite = loadSqlite();
  const { directory } = options;
  const undo: (() => void)[] = [];
  try {
    makeDataFolder(directory);
    const lock = new DirectoryLock(sqlite, directory);
    undo.push(() => lock.release());
    const file = new LogFile(sqlite, directory);
    undo.push(() => file.abandon());
    const views = openViews(sqlite, file, options);
    return { journal: joinJournal(lock, file, views, options), views };
  } catch (error) {
    for (const step of undo.reverse()) step();
    if (isSluiceError(error)) throw error;
    const message = `The journal in ${directory} cannot be opened.`;
    throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', message, { cause: error });
  }
}

/** Log and views may both fail; the process ends once. */
function withOneFatal(options: OpenJournalOptions): OpenJournalOptions {
  let isCalled = false;
  const onFatal = (error: SluiceError): void => {
    if (!isCalled) options.onFatal?.(error);
    isCalled = true;
  };
  return { ...options, onFatal };
}

function openViews(sqlite: SqliteModule, file: LogFile, options: OpenJournalOptions): SqliteViews {
  const { directory, clock = systemClock, log = silentLog } = options;
  const { last } = file.bounds();
  const opened = openViewsFile(sqlite, directory, file.epoch, last);
  if (!file.wasClean) log.info({ head: last }, 'The journal was not closed; it is recovered.');
  if (opened.wasRebuilt) log.warn({ head: last }, 'The views are rebuilt from the log.');
  return new SqliteViews({
    sqlite,
    path: join(directory, VIEWS_FILE),
    database: opened.database,
    mark: opened.mark,
    clock,
    log,
    onDamaged: (error) => {
      log.error({ file: VIEWS_FILE }, 'The views are damaged: the next start rebuilds them.');
      deleteViewsFile(directory);
      options.onFatal?.(error);
    },
    checkpointTimeoutMs: options.limits?.checkpointTimeoutMs ?? JOURNAL_LIMITS.checkpointTimeoutMs,
  });
}

function joinJournal(
  lock: DirectoryLock,
  file: LogFile,
  views: SqliteViews,
  options: OpenJournalOptions,
): SqliteJournal {
  return new SqliteJournal({
    lock,
    file,
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
    limits: { ...JOURNAL_LIMITS, ...options.limits },
    scheduleCommit: options.scheduleCommit ?? ((task) => void setImmediate(task)),
    heads: options.heads ?? ((conversation) => headOf(views, conversation)),
    mark: () => views.mark,
    onCommit: options.onCommit,
    onRows: options.onRows,
    onFatal: options.onFatal,
    onTailError: options.onTailError,
  });
}

function headOf(views: SqliteViews, conversation: string): ConversationHead | undefined {
  const row = views.get(conversation);
  return row === undefined ? undefined : { last: row.seq, fence: row.fence };
}
