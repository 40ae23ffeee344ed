// log.db: the truth. Owns the connection, its statements and what the file says of itself (epoch, format);
// rows go in and come out as text. Knows nothing of conversations, tails or promises.

import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../base/errors.ts';
import { LogReads } from './log-reads.ts';
import type { LogRow } from './recent-rows.ts';
import { type Database, type SqliteModule, type Statement, TRUNCATE_WAL } from './sqlite.ts';

export const LOG_FILE = 'log.db';

const FORMAT = '1';
const WAL_BYTES_KEPT = 64 << 20;

// `at` of a row is the newest of its records. `tag` is the second half of the key's digest: two keys of one
// instant that share `hash` are two rows, so that a collision costs a few bytes and never a message.
const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
  first_seq INTEGER PRIMARY KEY, count INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seen (
  at INTEGER NOT NULL, hash INTEGER NOT NULL, tag INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (at, hash, tag)) WITHOUT ROWID;`;

const PRAGMAS = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16000;
PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};`;

/** Keys per statement: a call costs more than a row. */
const SEEN_COLUMNS = 4;
const SEEN_FEW = 4;
const SEEN_MANY = 16;

function prepareAll(database: Database) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    insertRow: database.prepare('INSERT INTO log (first_seq, count, at, body) VALUES (?, ?, ?, ?)'),
    insertSeen: prepareInsertSeen(database, 1),
    insertSeenFew: prepareInsertSeen(database, SEEN_FEW),
    insertSeenMany: prepareInsertSeen(database, SEEN_MANY),
  } satisfies Record<string, Statement>;
}

function prepareInsertSeen(database: Database, rows: number): Statement {
  const values = Array(rows).fill('(?, ?, ?, ?)').join(', ');
  return database.prepare(`INSERT OR IGNORE INTO seen (at, hash, tag, seq) VALUES ${values}`);
}

export class LogFile {
  readonly #sqlite: SqliteModule;
  readonly #path: string;
  /** Held for as long as its statements are (sqlite.ts). */
  #database: Database;
  #statements: ReturnType<typeof prepareAll>;
  #reads: LogReads;

  /** Random, made with the file. */
  readonly epoch: string;
  /** Secret of the file: keys are hashed with it, so that nobody outside can aim at a collision. */
  readonly seed: string;
  /** False when the process before this one did not close the file. */
  readonly wasClean: boolean;

  /**
   * Opens or creates the file; SQLite recovers what a killed process left.
   * @throws SluiceError ERR_JOURNAL_FORMAT when a newer version wrote it; SQLite's error otherwise
   */
  constructor(sqlite: SqliteModule, directory: string) {
    this.#sqlite = sqlite;
    this.#path = join(directory, LOG_FILE);
    this.#database = this.#connect();
    try {
      this.#statements = prepareAll(this.#database);
      this.#reads = new LogReads(this.#database);
      this.epoch = this.#metaOrCreate('epoch', () => randomBytes(12).toString('hex'));
      this.seed = this.#metaOrCreate('seed', () => randomBytes(16).toString('hex'));
      this.wasClean = this.#metaOrCreate('clean', () => '1') === '1';
      this.#setMeta('clean', '0');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Opens the file again; readers keep the old connection until that has worked. */
  reopen(): void {
    const database = this.#connect();
    this.#closeQuietly();
    this.#database = database;
    this.#statements = prepareAll(database);
    this.#reads = new LogReads(database);
    if (this.#reads.meta('epoch') !== this.epoch) {
      throw new SluiceError('ERR_JOURNAL_FATAL', 'The journal was replaced while it was in use.');
    }
  }

  begin(): void {
    this.#statements.begin.run();
  }

  /** Returns when everything since `begin` is on the disk. */
  commit(): void {
    this.#statements.commit.run();
  }

  /**
   * Undoes what was done since `begin`, if anything is left to undo: SQLite rolls back by itself
   * after some errors.
   */
  rollback(): void {
    if (this.#database.isTransaction) this.#statements.rollback.run();
  }

  /** Writes something of no meaning, to see whether the disk takes it. @throws what SQLite threw */
  probe(at: number): void {
    this.begin();
    try {
      this.#setMeta('probe', String(at));
      this.commit();
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  insertRow(row: LogRow, at: number): void {
    this.#statements.insertRow.run(row.first, row.count, at, row.body);
  }

  /** Files a key; false when it is filed already. */
  insertSeen(at: number, hash: number, tag: number, seq: number): boolean {
    return this.#statements.insertSeen.run(at, hash, tag, seq).changes !== 0;
  }

  /**
   * Files keys, four values each: at, hash, tag, seq.
   * @returns false when one is filed already, or twice among them; the others may be filed then
   */
  insertAllSeen(values: readonly number[]): boolean {
    const { insertSeenMany, insertSeenFew, insertSeen } = this.#statements;
    for (let at = 0; at < values.length; ) {
      const left = (values.length - at) / SEEN_COLUMNS;
      const rows = left >= SEEN_MANY ? SEEN_MANY : left >= SEEN_FEW ? SEEN_FEW : 1;
      const statement =
        rows === SEEN_MANY ? insertSeenMany : rows === 1 ? insertSeen : insertSeenFew;
      const end = at + rows * SEEN_COLUMNS;
      if (Number(statement.run(...values.slice(at, end)).changes) !== rows) return false;
      at = end;
    }
    return true;
  }

  findSeen(at: number, hash: number, tag: number): number | undefined {
    return this.#reads.findSeen(at, hash, tag);
  }

  /** As LogReads. */
  rowHolding(seq: number): LogRow | undefined {
    return this.#reads.rowHolding(seq);
  }

  /** The same. */
  rowsBetween(from: number, to: number): readonly LogRow[] {
    return this.#reads.rowsBetween(from, to);
  }

  /** The same. */
  bounds(): { readonly first: number; readonly last: number } {
    return this.#reads.bounds();
  }

  /** A statement for work that is rare (retention); not kept. */
  prepare(sql: string): Statement {
    return this.#database.prepare(sql);
  }

  /** Size of the write-ahead log, for metrics. Never opens it: that would drop SQLite's locks. */
  walBytes(): number {
    return statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Closes for good and notes that nothing is to be recovered, if the file still takes it. */
  close(): void {
    try {
      this.#setMeta('clean', '1');
      this.#database.exec(TRUNCATE_WAL);
    } finally {
      this.#database.close();
    }
  }

  /** Closes a file that was opened in vain. */
  abandon(): void {
    this.#closeQuietly();
  }

  #connect(): Database {
    const database = this.#sqlite.open(this.#path);
    try {
      database.exec(PRAGMAS);
      database.exec(SCHEMA);
      checkFormat(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #closeQuietly(): void {
    try {
      this.#database.close();
    } catch (error) {
      // A connection that failed may fail to close, too; it is not used again either way.
      if (!(error instanceof Error)) throw error;
    }
  }

  #setMeta(name: string, value: string): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)')
      .run(name, value);
  }

  #metaOrCreate(name: string, create: () => string): string {
    const held = this.#reads.meta(name);
    if (held !== undefined) return held;
    const value = create();
    this.#setMeta(name, value);
    return value;
  }
}

function checkFormat(database: Database): void {
  database.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES ('format', ?)").run(FORMAT);
  const row = database.prepare("SELECT value FROM meta WHERE name = 'format'").get();
  if (row?.['value'] !== FORMAT) {
    throw new SluiceError('ERR_JOURNAL_FORMAT', `The log has format ${row?.['value']}.`);
  }
}
