// views.db as another process reads it while the clerk writes it. A row may be ahead of what this process has
// followed: it comes with the mark that it was read under, and whoever folds skips what it holds already.

import { join } from 'node:path';
import { SluiceError } from '../base/errors.ts';
import { FOLLOWER_PRAGMAS } from './followed-log.ts';
import { type Database, type SqliteModule, textOf } from './sqlite.ts';
import type { ViewQuery, ViewRow, Views } from './types.ts';
import { VIEWS_FILE, VIEWS_MARK, viewRowOf } from './views-file.ts';
import { ViewsReader } from './views-reader.ts';

export class FollowerViews implements Views {
  readonly #sqlite: SqliteModule;
  readonly #path: string;
  readonly #onDamaged: (error: SluiceError) => void;
  #database: Database;
  #reader: ViewsReader;
  #mark: number;
  #isClosed = false;

  constructor(sqlite: SqliteModule, directory: string, onDamaged: (error: SluiceError) => void) {
    this.#sqlite = sqlite;
    this.#path = join(directory, VIEWS_FILE);
    this.#onDamaged = onDamaged;
    this.#database = this.#connect();
    this.#reader = new ViewsReader(this.#database, onDamaged);
    this.#mark = this.#storedMark();
  }

  /** As the clerk last said, or as it was when the file was opened. */
  get mark(): number {
    return this.#mark;
  }

  /** The clerk says that the rows hold everything up to `mark`. */
  marked(mark: number): void {
    this.#mark = Math.max(this.#mark, mark);
  }

  /** A new clerk may have made the file anew: what is open would be the old one for ever. */
  reopen(): void {
    const before = this.#database;
    this.#database = this.#connect();
    this.#reader = new ViewsReader(this.#database, this.#onDamaged);
    before.close();
  }

  get(key: string): ViewRow | undefined {
    return this.getMarked(key).row;
  }

  /** The row, and the mark in the same look at the file. */
  getMarked(key: string): { readonly row: ViewRow | undefined; readonly mark: number } {
    this.#requireOpen();
    const row = this.#reader.row(key);
    if (row === undefined) return { row: undefined, mark: this.#mark };
    return { row: viewRowOf(row), mark: Number(row['mark']) };
  }

  list(query: ViewQuery): readonly ViewRow[] {
    this.#requireOpen();
    return this.#reader.list(query);
  }

  /** @throws SluiceError (rejects) ERR_STATE: only the clerk writes */
  checkpoint(): Promise<void> {
    return Promise.reject(new SluiceError('ERR_STATE', 'A follower writes no views.'));
  }

  close(): Promise<void> {
    if (!this.#isClosed) this.#database.close();
    this.#isClosed = true;
    return Promise.resolve();
  }

  #connect(): Database {
    const database = this.#sqlite.open(this.#path);
    try {
      database.exec(FOLLOWER_PRAGMAS);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #storedMark(): number {
    return Number(textOf(this.#database.prepare(VIEWS_MARK).get(), 'value'));
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The views are closed.');
  }
}
