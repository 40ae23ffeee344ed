// Reads rows of views.db over one connection: what the process that writes them and those that follow share.

import { SluiceError } from '../base/errors.ts';
import {
  allRows,
  type Database,
  isDamaged,
  type SqlRow,
  type SqlValue,
  type Statement,
} from './sqlite.ts';
import type { ViewQuery, ViewRow } from './types.ts';
import { compareRows, selectsOf, VIEWS_GET, type ViewsSelect, viewRowOf } from './views-file.ts';

const LIST_LIMIT_MAX = 10_000;

export class ViewsReader {
  /** Held for as long as its statements are (sqlite.ts). */
  readonly #database: Database;
  readonly #get: Statement;
  readonly #selects = new Map<string, Statement>();
  readonly #onDamaged: (error: SluiceError) => void;
  #isDamaged = false;

  /** @param onDamaged the file must be made anew by the next process; called once */
  constructor(database: Database, onDamaged: (error: SluiceError) => void) {
    this.#database = database;
    this.#get = database.prepare(VIEWS_GET);
    this.#onDamaged = onDamaged;
  }

  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** The row as SQLite gives it, with the mark that it was read under; undefined when there is none. */
  row(key: string): SqlRow | undefined {
    return this.#all(this.#get, [key])[0];
  }

  /** @throws SluiceError ERR_ARG_RANGE for a limit out of range */
  list(query: ViewQuery): readonly ViewRow[] {
    if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > LIST_LIMIT_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `A list has 1 to ${LIST_LIMIT_MAX} rows.`);
    }
    const [first, ...others] = selectsOf(query);
    if (first === undefined) return [];
    if (others.length === 0) return this.#select(first);
    const rows = [first, ...others].flatMap((select) => this.#select(select));
    return rows.sort(compareRows).slice(0, query.limit);
  }

  /** Notes that the file is damaged. @returns what to throw */
  damaged(cause: unknown): SluiceError {
    const damage = new SluiceError('ERR_JOURNAL_FATAL', 'The views are damaged.', { cause });
    if (!this.#isDamaged) this.#onDamaged(damage);
    this.#isDamaged = true;
    return damage;
  }

  #select({ sql, values }: ViewsSelect): readonly ViewRow[] {
    let statement = this.#selects.get(sql);
    if (statement === undefined) {
      // Bounded by the number of ways to combine the conditions.
      statement = this.#database.prepare(sql);
      this.#selects.set(sql, statement);
    }
    return this.#all(statement, values).map(viewRowOf);
  }

  #all(statement: Statement, values: readonly SqlValue[]): readonly SqlRow[] {
    try {
      return allRows(statement, values);
    } catch (error) {
      throw isDamaged(error) ? this.damaged(error) : error;
    }
  }
}
