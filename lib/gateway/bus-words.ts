// What clerk and workers of a gateway say to each other on the bus, as text. Versioned: the clerk speaks its own
// version and the one before, so that workers of the last release live through a reload.
//
//   clerk.hello    worker asks {least, most}; answered {version, epoch, head, tailSeq, mark} once the journal is open
//   clerk.append   worker asks with records; answered with what became of each, or {error, message}
//   clerk.commit   clerk tells: [head, tailSeq, mark, [first, count, chars]...] in a line, then the rows' bodies
//   clerk.state    clerk tells [head, tailSeq, mark], now and then: makes up for commits that were dropped
//   clerk.act      worker tells {conversation, action}: what is shown to a customer

import type { JournalState } from '../journal/follower-journal.ts';
import type { LogRow } from '../journal/recent-rows.ts';
import type { NewRecord } from '../journal/types.ts';

/** The version of these words. */
export const CLERK_VERSION = 1;

export interface Versions {
  /** Both included. */
  readonly least: number;
  readonly most: number;
}

/** What this version speaks. */
export const CLERK_VERSIONS: Versions = {
  least: Math.max(1, CLERK_VERSION - 1),
  most: CLERK_VERSION,
};

/** The greatest version that both speak; undefined: there is none. */
export function commonVersion(ours: Versions, theirs: Versions): number | undefined {
  const version = Math.min(ours.most, theirs.most);
  return version >= Math.max(ours.least, theirs.least) ? version : undefined;
}

export interface ClerkHello extends JournalState {
  readonly version: number;
  readonly epoch: string;
}

/** Beside data, which has no line breaks and stays as it is. */
type RecordHead = Omit<NewRecord, 'data'>;

/** Two lines per record: what is said of it, and its data. */
export function encodeRecord({ data, ...head }: NewRecord): string {
  return `${JSON.stringify(head)}\n${data}`;
}

export function decodeRecords(text: string): NewRecord[] {
  const lines = text.split('\n');
  const records: NewRecord[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const head = JSON.parse(lines[i] as string) as RecordHead;
    records.push({ ...head, data: lines[i + 1] as string });
  }
  return records;
}

/**
 * Cuts records into texts that each fit into a record of the bus, in order.
 * @param bytesMax UTF-8 bytes of a text; a single record may be longer
 */
export function encodeAppends(records: readonly NewRecord[], bytesMax: number): string[] {
  const texts: string[] = [];
  let lines: string[] = [];
  let bytes = 0;
  for (const record of records) {
    const text = encodeRecord(record);
    const more = Buffer.byteLength(text) + 1;
    if (lines.length > 0 && bytes + more > bytesMax) {
      texts.push(lines.join('\n'));
      lines = [];
      bytes = 0;
    }
    lines.push(text);
    bytes += more;
  }
  if (lines.length > 0) texts.push(lines.join('\n'));
  return texts;
}

export function encodeState({ head, tailSeq, mark }: JournalState): string {
  return JSON.stringify([head, tailSeq, mark]);
}

export function decodeState(text: string): JournalState {
  const [head, tailSeq, mark] = JSON.parse(text) as [number, number, number];
  return { head, tailSeq, mark };
}

export function encodeCommit(rows: readonly LogRow[], state: JournalState): string {
  const { head, tailSeq, mark } = state;
  const places = rows.map(({ first, count, body }) => [first, count, body.length]);
  const bodies = rows.map((row) => row.body).join('');
  return `${JSON.stringify([head, tailSeq, mark, ...places])}\n${bodies}`;
}

export function decodeCommit(text: string): {
  readonly rows: readonly LogRow[];
  readonly state: JournalState;
} {
  const lineEnd = text.indexOf('\n');
  const [head, tailSeq, mark, ...places] = JSON.parse(text.slice(0, lineEnd)) as [
    number,
    number,
    number,
    ...[number, number, number][],
  ];
  const rows: LogRow[] = [];
  let at = lineEnd + 1;
  for (const [first, count, chars] of places) {
    rows.push({ first, count, body: text.slice(at, at + chars) });
    at += chars;
  }
  return { rows, state: { head, tailSeq, mark } };
}
