// log.db as another process reads it while the clerk writes it. WAL lets both go on; nothing is written here.

import { join } from 'node:path';
import { LOG_FILE, logRowOf, prepareReads } from './log-file.ts';
import type { LogRow } from './recent-rows.ts';
import { type Database, integerOf, type SqliteModule, textOf } from './sqlite.ts';

/** A connection that writes is a mistake, and says so. */
export const FOLLOWER_PRAGMAS = `
PRAGMA busy_timeout = 5000;
PRAGMA query_only = ON;`;

export class FollowedLog {
  /** Held for as long as its statements are (sqlite.ts). */
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareReads>;
  readonly epoch: string;
  readonly seed: string;

  /** @throws what SQLite throws for a folder that holds no log yet */
  constructor(sqlite: SqliteModule, directory: string) {
    this.#database = sqlite.open(join(directory, LOG_FILE));
    try {
      this.#database.exec(FOLLOWER_PRAGMAS);
      this.#statements = prepareReads(this.#database);
      this.epoch = textOf(this.#statements.meta.get('epoch'), 'value');
      this.seed = textOf(this.#statements.meta.get('seed'), 'value');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  rowHolding(seq: number): LogRow | undefined {
    const row = this.#statements.rowHolding.get(seq);
    return row === undefined ? undefined : logRowOf(row);
  }

  rowsBetween(from: number, to: number): readonly LogRow[] {
    return this.#statements.rowsBetween.all(from, to).map(logRowOf);
  }

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

  close(): void {
    this.#database.close();
  }
}
