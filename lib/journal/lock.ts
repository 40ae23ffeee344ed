// One process per data folder. The lock is SQLite's own on a file of its own: the kernel frees it with the
// process, also after kill -9, and it outlives a new connection to the log.

import { join } from 'node:path';
import { SluiceError } from '../base/errors.ts';
import { type Database, failureOf, type SqliteModule } from './sqlite.ts';

export const LOCK_FILE = 'lock.db';

export class DirectoryLock {
  readonly #database: Database;

  /**
   * Takes the folder.
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE when another process has it or it cannot be written
   */
  constructor(sqlite: SqliteModule, directory: string) {
    let database: Database | undefined;
    try {
      database = sqlite.open(join(directory, LOCK_FILE));
      database.exec('BEGIN EXCLUSIVE');
      this.#database = database;
    } catch (error) {
      database?.close();
      throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', refusal(error, directory), { cause: error });
    }
  }

  release(): void {
    this.#database.close();
  }
}

function refusal(error: unknown, directory: string): string {
  return failureOf(error) === 'locked'
    ? `Another process is using the journal in ${directory}.`
    : `The journal's folder ${directory} cannot be written.`;
}
