// Opens a data folder that another process writes.

import { type Clock, systemClock } from '../base/clock.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { FollowedLog } from './followed-log.ts';
import { type AppendPort, FollowerJournal } from './follower-journal.ts';
import { FollowerViews } from './follower-views.ts';
import { JOURNAL_LIMITS, type JournalLimits } from './limits.ts';
import { loadSqlite } from './sqlite.ts';

export interface OpenFollowerOptions {
  /** Of a journal that a clerk has opened. */
  readonly directory: string;
  readonly port: AppendPort;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly limits?: Partial<JournalLimits>;
  /** The folder's journal is another one now, or damaged: end this process. */
  readonly onFatal?: (error: SluiceError) => void;
  /** A tail's callback threw and its tail is closed. */
  readonly onTailError?: (error: unknown) => void;
}

export interface OpenedFollower {
  readonly journal: FollowerJournal;
  readonly views: FollowerViews;
}

/**
 * Follows the journal of a folder. Close the journal, then the views.
 * @throws SluiceError ERR_JOURNAL_UNAVAILABLE when there is none, or it cannot be read
 */
export function openFollower(options: OpenFollowerOptions): OpenedFollower {
  const { directory, port, onFatal, onTailError, clock = systemClock, log = silentLog } = options;
  const sqlite = loadSqlite();
  let views: FollowerViews | undefined;
  try {
    // First the views: their mark must not be above the head that is read after it.
    views = new FollowerViews(sqlite, directory, (error) => onFatal?.(error));
    const file = new FollowedLog(sqlite, directory);
    const limits = { ...JOURNAL_LIMITS, ...options.limits };
    const parts = { file, views, port, clock, log, limits, onFatal, onTailError };
    return { journal: new FollowerJournal(parts), views };
  } catch (error) {
    void views?.close();
    if (isSluiceError(error)) throw error;
    const message = `The journal in ${directory} cannot be followed.`;
    throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', message, { cause: error });
  }
}
