// views.db on disk: schema, queries, and when it must be made anew. It is derived from the log, so a file that
// is damaged, of another journal, or ahead of the log is deleted and filled again by the fold.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, isDamaged, type SqliteModule, type SqlRow, textOf } from './sqlite.ts';
import type { ViewQuery, ViewRow } from './types.ts';

export const VIEWS_FILE = 'views.db';

const FORMAT = '1';

export const VIEWS_PRAGMAS = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA busy_timeout = 5000;
PRAGMA journal_size_limit = 67108864;`;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS views (
  key TEXT NOT NULL UNIQUE, page TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL,
  activity_at INTEGER NOT NULL, unsettled INTEGER NOT NULL, seq INTEGER NOT NULL, fence INTEGER NOT NULL,
  json TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_state ON views (state, activity_at, key);
CREATE INDEX IF NOT EXISTS by_page ON views (page, state, activity_at, key);
CREATE INDEX IF NOT EXISTS by_owner ON views (owner, state, activity_at, key);
CREATE INDEX IF NOT EXISTS by_unsettled ON views (activity_at, key) WHERE unsettled > 0;`;

const COLUMNS = 'key, page, state, owner, activity_at, unsettled, seq, fence, json';
export const VIEWS_COLUMN_COUNT = 9;

export const VIEWS_UPSERT = `
INSERT INTO views (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET page = excluded.page, state = excluded.state, owner = excluded.owner,
  activity_at = excluded.activity_at, unsettled = excluded.unsettled, seq = excluded.seq,
  fence = excluded.fence, json = excluded.json`;

export const VIEWS_SET_MARK = "INSERT OR REPLACE INTO meta (name, value) VALUES ('mark', ?)";

/** With the mark: one statement is one look at the file. */
export const VIEWS_GET = `
SELECT ${COLUMNS}, (SELECT value FROM meta WHERE name = 'mark') AS mark FROM views WHERE key = ?`;

export const VIEWS_MARK = "SELECT value FROM meta WHERE name = 'mark'";

/**
 * Opens the file for readers, deleting it first if it does not belong to this log.
 * @param epoch of the log
 * @param head of the log
 */
export function openViewsFile(
  sqlite: SqliteModule,
  directory: string,
  epoch: string,
  head: number,
): { readonly database: Database; readonly mark: number; readonly wasRebuilt: boolean } {
  const held = tryOpen(sqlite, directory, epoch, head);
  if (held !== undefined) return { ...held, wasRebuilt: false };
  deleteViewsFile(directory);
  const fresh = tryOpen(sqlite, directory, epoch, head);
  if (fresh === undefined) throw new Error('The views cannot be made anew.');
  return { ...fresh, wasRebuilt: true };
}

/** Deletes the file and its companions; an open connection keeps what it has until it closes. */
export function deleteViewsFile(directory: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(join(directory, VIEWS_FILE + suffix), { force: true });
  }
}

function tryOpen(sqlite: SqliteModule, directory: string, epoch: string, head: number) {
  const database = sqlite.open(join(directory, VIEWS_FILE));
  try {
    database.exec(VIEWS_PRAGMAS);
    database.exec(SCHEMA);
    const mark = markOf(database, epoch);
    if (mark !== undefined && mark <= head) return { database, mark };
    database.close();
    return undefined;
  } catch (error) {
    database.close();
    if (isDamaged(error)) return undefined;
    throw error;
  }
}

/** The mark of views of this epoch and format, noted on first use; undefined for others. */
function markOf(database: Database, epoch: string): number | undefined {
  const insert = database.prepare('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)');
  insert.run('format', FORMAT);
  insert.run('epoch', epoch);
  insert.run('mark', '0');
  const select = database.prepare('SELECT value FROM meta WHERE name = ?');
  const held = (name: string): string => textOf(select.get(name), 'value');
  if (held('format') !== FORMAT || held('epoch') !== epoch) return undefined;
  return Number(held('mark'));
}

/** A row as the values of VIEWS_UPSERT. */
export function pushViewValues(row: ViewRow, values: (string | number)[]): void {
  values.push(row.key, row.page, row.state, row.owner, row.activityAt);
  values.push(row.unsettled, row.seq, row.fence, row.json);
}

export function viewRowOf(row: SqlRow): ViewRow {
  return {
    key: row['key'] as string,
    page: row['page'] as string,
    state: row['state'] as string,
    owner: row['owner'] as string,
    activityAt: row['activity_at'] as number,
    unsettled: row['unsettled'] as number,
    seq: row['seq'] as number,
    fence: row['fence'] as number,
    json: row['json'] as string,
  };
}

export interface ViewsSelect {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const STATES = ['open', 'closed', 'page'];

/**
 * The statements whose rows together answer a query: one per page and state, since each then has an index that
 * gives the order, however many rows there are.
 */
export function selectsOf(query: ViewQuery): readonly ViewsSelect[] {
  const pages = query.pages ?? [undefined];
  if (query.state !== undefined || query.unsettled === true) {
    return pages.map((page) => selectOf(query, page));
  }
  return pages.flatMap((page) => STATES.map((state) => selectOf({ ...query, state }, page)));
}

function selectOf(query: ViewQuery, page: string | undefined): ViewsSelect {
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, ...bound: (string | number)[]): void => {
    conditions.push(condition);
    values.push(...bound);
  };
  if (page !== undefined) add('page = ?', page);
  if (query.state !== undefined) add('state = ?', query.state);
  // Nearly everything may be unclaimed, on all pages: its index would lead through them all.
  const isUnclaimedOfPage = query.owner === '' && page !== undefined;
  if (query.owner !== undefined) add(isUnclaimedOfPage ? '+owner = ?' : 'owner = ?', query.owner);
  if (query.unsettled === true) add('unsettled > 0');
  if (query.after !== undefined) {
    add('(activity_at, key) < (?, ?)', query.after.activityAt, query.after.key);
  }
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const order = ' ORDER BY activity_at DESC, key DESC LIMIT ?';
  values.push(query.limit);
  return { sql: `SELECT ${COLUMNS} FROM views${where}${order}`, values };
}

/** Newest activity first, then the greater key. */
export function compareRows(a: ViewRow, b: ViewRow): number {
  if (a.activityAt !== b.activityAt) return b.activityAt - a.activityAt;
  if (a.key === b.key) return 0;
  return a.key < b.key ? 1 : -1;
}
