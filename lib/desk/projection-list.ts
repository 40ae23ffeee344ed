// Lists over two sources: rows as of the last checkpoint, and the states changed since, which hide their
// rows. Both are in the order (activityAt desc, key desc), so a page is a merge of two sorted runs.

import type { ConversationState } from './conversation.ts';
import type { DeskViewPlace, DeskViewQuery, DeskViewRow, ViewsPort } from './ports.ts';
import { fromRow, rowState, unsettledCount } from './view.ts';

export interface ListQuery {
  /** undefined: all pages. */
  readonly pages?: readonly string[];
  /** undefined: both. */
  readonly state?: 'open' | 'closed';
  /** Agent id; '' finds unclaimed ones; undefined: anybody's. */
  readonly owner?: string;
  readonly after?: DeskViewPlace;
  readonly limit: number;
}

export interface ListPage {
  readonly states: readonly ConversationState[];
  /** Where the next page begins; undefined when nothing is left. */
  readonly next: DeskViewPlace | undefined;
}

type States = ReadonlyMap<string, ConversationState>;

/** Rows that one query of the views asks for: a page of the usual size, or one of its pieces. */
const CHUNK_ROWS_MAX = 200;

/** One page of conversations; see Projection.list. */
export function listStates(
  query: ListQuery,
  views: ViewsPort,
  overlay: States,
  clean: States,
): ListPage {
  const changed = [...overlay.values()].filter((state) => matches(state, query));
  changed.sort(compareStates);
  const rows = rowsOf(
    views,
    { ...query, limit: Math.min(query.limit + 1, CHUNK_ROWS_MAX) },
    overlay,
  );
  const states: ConversationState[] = [];
  let row = rows.next();
  let index = 0;
  while (states.length < query.limit) {
    const state = changed[index];
    if (row.done === true && state === undefined) return { states, next: undefined };
    if (row.done !== true && (state === undefined || isBefore(row.value, placeOf(state)))) {
      states.push(clean.get(row.value.key) ?? fromRow(row.value));
      row = rows.next();
    } else if (state !== undefined) {
      states.push(state);
      index++;
    }
  }
  const isEnd = row.done === true && changed[index] === undefined;
  const last = states.at(-1);
  return { states, next: isEnd || last === undefined ? undefined : placeOf(last) };
}

/** Names of all conversations with unsettled messages, in rows or changed since. */
export function unsettledKeys(views: ViewsPort, overlay: States): readonly string[] {
  const keys: string[] = [];
  for (const [key, state] of overlay) if (unsettledCount(state) > 0) keys.push(key);
  for (const row of rowsOf(views, { unsettled: true, limit: CHUNK_ROWS_MAX }, overlay)) {
    keys.push(row.key);
  }
  return keys;
}

/** A place as an opaque text for clients. */
export function encodeCursor(place: DeskViewPlace): string {
  return Buffer.from(JSON.stringify([place.activityAt, place.key])).toString('base64url');
}

/** The place in a client's cursor; undefined when it is none of ours. */
export function decodeCursor(cursor: string): DeskViewPlace | undefined {
  if (cursor.length > 512) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(value)) return undefined;
    const [activityAt, key]: unknown[] = value;
    if (typeof activityAt !== 'number' || typeof key !== 'string') return undefined;
    return { activityAt, key };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Rows in order, chunk by chunk, without those that the overlay hides and the Pages' own. */
function* rowsOf(views: ViewsPort, query: DeskViewQuery, overlay: States): Generator<DeskViewRow> {
  let after = query.after;
  for (;;) {
    const rows = views.list(after === undefined ? query : { ...query, after });
    for (const row of rows) if (row.state !== 'page' && !overlay.has(row.key)) yield row;
    after = rows.at(-1);
    if (after === undefined || rows.length < query.limit) return;
  }
}

function matches(state: ConversationState, query: ListQuery): boolean {
  const stands = rowState(state);
  if (stands === 'page' || (query.state !== undefined && query.state !== stands)) return false;
  if (query.pages !== undefined && !query.pages.includes(state.page)) return false;
  if (query.owner !== undefined && query.owner !== (state.claim?.agent.id ?? '')) return false;
  return query.after === undefined || isBefore(query.after, placeOf(state));
}

function placeOf(state: ConversationState): DeskViewPlace {
  return { activityAt: state.activityAt, key: state.conversation };
}

function compareStates(a: ConversationState, b: ConversationState): number {
  return isBefore(placeOf(a), placeOf(b)) ? -1 : 1;
}

/** (activityAt desc, key desc) */
function isBefore(a: DeskViewPlace, b: DeskViewPlace): boolean {
  return a.activityAt === b.activityAt ? a.key > b.key : a.activityAt > b.activityAt;
}
