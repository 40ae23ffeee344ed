// Reads of log.db over one connection: what the process that writes it and those that follow share.

import type { LogRow } from './recent-rows.ts';
import { type Database, integerOf, type SqlRow, textOf } from './sqlite.ts';

function prepare(database: Database) {
  return {
    rowHolding: database.prepare(
      'SELECT first_seq, count, body FROM log WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1',
    ),
    rowsBetween: database.prepare(
      'SELECT first_seq, count, body FROM log WHERE first_seq >= ? AND first_seq <= ? ORDER BY first_seq',
    ),
    first: database.prepare('SELECT min(first_seq) AS first FROM log'),
    findSeen: database.prepare('SELECT seq FROM seen WHERE at = ? AND hash = ? AND tag = ?'),
    meta: database.prepare('SELECT value FROM meta WHERE name = ?'),
  };
}

function logRowOf(row: SqlRow): LogRow {
  return {
    first: integerOf(row, 'first_seq'),
    count: integerOf(row, 'count'),
    body: textOf(row, 'body'),
  };
}

export class LogReads {
  readonly #statements: ReturnType<typeof prepare>;

  /** @param database whoever opened it holds it for as long as this is used (sqlite.ts) */
  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  /** The row with the greatest first seq up to `seq`; it need not reach as far as `seq`. */
  rowHolding(seq: number): LogRow | undefined {
    const row = this.#statements.rowHolding.get(seq);
    return row === undefined ? undefined : logRowOf(row);
  }

  /** Rows that start in from..to, both included. */
  rowsBetween(from: number, to: number): readonly LogRow[] {
    return this.#statements.rowsBetween.all(from, to).map(logRowOf);
  }

  /** seq of the record whose key has this digest. */
  findSeen(at: number, hash: number, tag: number): number | undefined {
    const row = this.#statements.findSeen.get(at, hash, tag);
    return row === undefined ? undefined : integerOf(row, 'seq');
  }

  /** First and last seq that are held; an empty log has first 1 and last 0. */
  bounds(): { readonly first: number; readonly last: number } {
    const first = this.#statements.first.get()?.['first'];
    const newest = this.rowHolding(Number.MAX_SAFE_INTEGER);
    if (typeof first !== 'number' || newest === undefined) return { first: 1, last: 0 };
    return { first, last: newest.first + newest.count - 1 };
  }

  /** What the file says of itself. */
  meta(name: string): string | undefined {
    const row = this.#statements.meta.get(name);
    return row === undefined ? undefined : textOf(row, 'value');
  }
}
