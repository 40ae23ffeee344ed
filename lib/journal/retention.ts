// Deletes what is too old, a small batch per call so that appends never wait long. Rows go from the oldest on
// and only whole. The newest row always stays, since it tells the next seq; so do rows that the
// fold still needs.

import type { LogFile } from './log-file.ts';
import { integerOf, type SqlRow } from './sqlite.ts';

const ROWS_PER_CALL = 200;
const KEYS_PER_CALL = 2_000;

/**
 * Deletes up to ROWS_PER_CALL rows and about KEYS_PER_CALL keys that are older than `at`.
 * @param mark newest seq that the views hold
 * @returns true when there may be more
 */
export function deleteBefore(log: LogFile, at: number, mark: number): boolean {
  log.begin();
  try {
    const hasMoreRows = deleteRows(log, at, mark);
    const hasMoreKeys = deleteKeys(log, at);
    log.commit();
    return hasMoreRows || hasMoreKeys;
  } catch (error) {
    log.rollback();
    throw error;
  }
}

function deleteRows(log: LogFile, at: number, mark: number): boolean {
  const oldest = log
    .prepare('SELECT first_seq, at FROM log ORDER BY first_seq LIMIT ?')
    .all(ROWS_PER_CALL + 1);
  const kept = oldest.findIndex((row, index) => isKept(row, oldest[index + 1], at, mark));
  if (kept <= 0) return false;
  log.prepare('DELETE FROM log WHERE first_seq < ?').run(integerOf(oldest[kept], 'first_seq'));
  return kept === ROWS_PER_CALL;
}

/** Young, the last one looked at, or not folded to its end. */
function isKept(row: SqlRow, next: SqlRow | undefined, at: number, mark: number): boolean {
  return (
    integerOf(row, 'at') >= at || next === undefined || integerOf(next, 'first_seq') > mark + 1
  );
}

function deleteKeys(log: LogFile, at: number): boolean {
  const bound = log
    .prepare('SELECT at FROM seen WHERE at < ? ORDER BY at LIMIT 1 OFFSET ?')
    .get(at, KEYS_PER_CALL);
  const until = bound === undefined ? at - 1 : integerOf(bound, 'at');
  log.prepare('DELETE FROM seen WHERE at <= ?').run(until);
  return bound !== undefined;
}
