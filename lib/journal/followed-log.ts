// log.db as another process reads it while the clerk writes it. WAL lets both go on; nothing is written here.

import { join } from 'node:path';
import { SluiceError } from '../base/errors.ts';
import { LOG_FILE } from './log-file.ts';
import { LogReads } from './log-reads.ts';
import type { Database, SqliteModule } from './sqlite.ts';

/** A connection that writes is a mistake, and says so. */
export const FOLLOWER_PRAGMAS = `
PRAGMA busy_timeout = 5000;
PRAGMA query_only = ON;`;

export class FollowedLog {
  /** Held for as long as its statements are (sqlite.ts). */
  readonly #database: Database;
  readonly reads: LogReads;
  readonly epoch: string;
  readonly seed: string;

  /** @throws what SQLite throws for a folder that holds no log yet */
  constructor(sqlite: SqliteModule, directory: string) {
    this.#database = sqlite.open(join(directory, LOG_FILE));
    try {
      this.#database.exec(FOLLOWER_PRAGMAS);
      this.reads = new LogReads(this.#database);
      this.epoch = this.#required('epoch');
      this.seed = this.#required('seed');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #required(name: string): string {
    const value = this.reads.meta(name);
    if (value === undefined) throw new SluiceError('ERR_JOURNAL_FORMAT', `The log has no ${name}.`);
    return value;
  }
}
