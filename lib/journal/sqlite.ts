// The one door to SQLite: node:sqlite where it is built in, else the package with the same API.
// Owns the choice of module and the meaning of result codes; knows nothing of logs and views.

import { createRequire } from 'node:module';

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number | bigint };
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  /**
   * The only way we read many rows: an open cursor would stop checkpoints of the write-ahead log.
   */
  all(...values: readonly SqlValue[]): readonly SqlRow[];
}

/**
 * An open database. Whoever opens it holds it in a field for as long as any of its statements is used: the
 * package for Node 20 crashes when the database is collected before them. Close it before the process exits.
 * That package cannot finalize a statement, so `close` lets go of the file only when its statements are
 * collected: whoever closes does first what SQLite's last close would do (TRUNCATE_WAL).
 */
export interface Database {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** Moves the write-ahead log into the database, so that the file alone is whole. */
export const TRUNCATE_WAL = 'PRAGMA wal_checkpoint(TRUNCATE)';

export interface SqliteModule {
  /** What `require` of any thread loads it by. */
  readonly specifier: string;
  open(file: string): Database;
}

type DatabaseClass = new (file: string) => Database;

/**
 * Built in without a flag from 22.13, but `isTransaction`, which a rollback needs, came with
 * 22.16 and 24.
 */
function hasBuiltIn(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 16);
}

/**
 * Loads SQLite when it is first needed, so that importing the journal costs nothing.
 * @param version of Node, given by tests
 */
export function loadSqlite(version: string = process.versions.node): SqliteModule {
  const require = createRequire(import.meta.url);
  const specifier = hasBuiltIn(version) ? 'node:sqlite' : require.resolve('@photostructure/sqlite');
  const { DatabaseSync } = require(specifier) as { DatabaseSync: DatabaseClass };
  return { specifier, open: (file) => new DatabaseSync(file) };
}

/** The number in a column that is declared INTEGER NOT NULL. */
export function integerOf(row: SqlRow | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== 'number') throw new TypeError(`Column ${column} holds no integer.`);
  return value;
}

/** The text in a column that is declared TEXT NOT NULL. */
export function textOf(row: SqlRow | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw new TypeError(`Column ${column} holds no text.`);
  return value;
}

/**
 * What a failure means for the writer:
 * full     nothing was written, the connection is sound: try again with the next commit
 * broken   nothing was written, the connection is in doubt: open it again
 * locked   another process holds the file
 * fatal    what was written is in doubt: end the process and replay
 */
export type Failure = 'full' | 'broken' | 'locked' | 'fatal';

const PRIMARY = 0xff;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_FSYNC = 1034;
const SQLITE_IOERR_DIR_FSYNC = 1290;
const SQLITE_IOERR_CORRUPTFS = 8458;

/** SQLite's extended result code of an error thrown by it, 0 for any other error. */
export function resultCodeOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return 0;
  return typeof error.errcode === 'number' ? error.errcode : 0;
}

/**
 * All rows of a query. The package's `all` throws errors without a result code, its `get` has one: after
 * a failure the first row is asked for again to learn it.
 */
export function allRows(statement: Statement, values: readonly SqlValue[]): readonly SqlRow[] {
  try {
    return statement.all(...values);
  } catch (error) {
    if (resultCodeOf(error) === 0) statement.get(...values);
    throw error;
  }
}

/** True when the file is not a database, or a damaged one. */
export function isDamaged(error: unknown): boolean {
  const primary = resultCodeOf(error) & PRIMARY;
  return primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB;
}

/**
 * After a failed fsync the kernel may have dropped the pages and reports the error once only: a second try
 * would succeed without having written anything. So it is never tried again in place.
 */
export function failureOf(error: unknown): Failure {
  const code = resultCodeOf(error);
  if (code === SQLITE_IOERR_FSYNC || code === SQLITE_IOERR_DIR_FSYNC) return 'fatal';
  if (code === SQLITE_IOERR_CORRUPTFS || isDamaged(error)) return 'fatal';
  if ((code & PRIMARY) === SQLITE_FULL) return 'full';
  if ((code & PRIMARY) === SQLITE_BUSY) return 'locked';
  return 'broken';
}
