// Reads a log file from outside the process that writes it: `sluice export`, also while a gateway runs.
// Pages by key, so that nothing stays open between two pages and checkpoints go on.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../base/errors.ts';
import { LOG_FILE } from './log-file.ts';
import { decodeLine, lineEnd } from './log-line.ts';
import { type Database, integerOf, loadSqlite, type Statement, textOf } from './sqlite.ts';
import type { JournalRecord } from './types.ts';

const ROWS_PER_PAGE = 64;

export class LogExport {
  /** Held for as long as its statement is used (sqlite.ts). */
  readonly #database: Database;
  readonly #page: Statement;

  /**
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE when there is no journal in the folder or it
   * cannot be read
   */
  constructor(directory: string) {
    const file = join(directory, LOG_FILE);
    if (!existsSync(file)) {
      throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', `There is no journal in ${directory}.`);
    }
    try {
      this.#database = loadSqlite().open(file);
      this.#database.exec('PRAGMA query_only = ON; PRAGMA busy_timeout = 5000;');
      this.#page = this.#database.prepare(
        `SELECT first_seq, count, body FROM log WHERE first_seq > ? ORDER BY first_seq LIMIT ${ROWS_PER_PAGE}`,
      );
    } catch (error) {
      const message = `The journal in ${directory} cannot be read.`;
      throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', message, { cause: error });
    }
  }

  /** Every record, ascending. */
  *records(): Generator<JournalRecord> {
    let after = 0;
    for (;;) {
      const rows = this.#page.all(after);
      for (const row of rows) {
        after = integerOf(row, 'first_seq');
        yield* linesOf(textOf(row, 'body'), after, integerOf(row, 'count'));
      }
      if (rows.length < ROWS_PER_PAGE) return;
    }
  }

  close(): void {
    this.#database.close();
  }
}

function* linesOf(body: string, first: number, count: number): Generator<JournalRecord> {
  let start = 0;
  for (let seq = first; seq < first + count; seq++) {
    yield decodeLine(body, start, seq);
    start = lineEnd(body, start) + 1;
  }
}
