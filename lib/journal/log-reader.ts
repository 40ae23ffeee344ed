// Reads records back: from the newest rows in memory, else from the file. Leaves nothing open.

import { decodeLine, lineEnd, lineStart } from './log-line.ts';
import type { LogRow, RecentRows } from './recent-rows.ts';
import type { ConversationHead, HistoryPage, JournalRecord } from './types.ts';

/** Where rows are read that are not in memory. */
export interface StoredRows {
  /** The row with the greatest first seq up to `seq`. */
  rowHolding(seq: number): LogRow | undefined;
  /** Rows that start in from..to. */
  rowsBetween(from: number, to: number): readonly LogRow[];
}

export class LogReader {
  readonly #log: StoredRows;
  readonly #recent: RecentRows;

  constructor(log: StoredRows, recent: RecentRows) {
    this.#log = log;
    this.#recent = recent;
  }

  get(seq: number): JournalRecord | undefined {
    const row = this.#recent.find(seq) ?? this.#log.rowHolding(seq);
    if (row === undefined || seq < row.first || seq >= row.first + row.count) return undefined;
    return decodeLine(row.body, lineStart(row.body, seq - row.first), seq);
  }

  /** Up to `limit` records with seq in from..head. */
  read(from: number, limit: number, head: number): readonly JournalRecord[] {
    const to = Math.min(head, from + limit - 1);
    if (to < from) return [];
    const records: JournalRecord[] = [];
    for (const row of this.#rows(from, to)) appendRecords(row, from, to, records);
    return records;
  }

  /**
   * Walks `prev` from the newest event before `before`.
   * @param stepsMax records looked at; where it ends the page is not complete
   */
  history(
    conversation: string,
    head: ConversationHead,
    before: number,
    limit: number,
    stepsMax: number,
  ): HistoryPage {
    const records: JournalRecord[] = [];
    let seq = this.#startOf(conversation, head, before);
    for (let steps = 0; seq > 0 && records.length < limit; steps++) {
      if (steps === stepsMax) return { records: records.reverse(), complete: false };
      const record = this.get(seq);
      if (record === undefined) return { records: records.reverse(), complete: true };
      if (seq < before) records.push(record);
      seq = record.prev;
    }
    const complete = seq === 0 || this.get(seq) === undefined;
    return { records: records.reverse(), complete };
  }

  /**
   * Usually `before` is an event of the conversation and knows the one before it; else from the
   * newest.
   */
  #startOf(conversation: string, head: ConversationHead, before: number): number {
    if (before > head.last) return head.last;
    const record = this.get(before);
    return record?.conversation === conversation ? record.prev : head.last;
  }

  #rows(from: number, to: number): readonly LogRow[] {
    const held = this.#recent.range(from, to);
    if (held !== undefined) return held;
    return this.#log.rowsBetween(this.#log.rowHolding(from)?.first ?? from, to);
  }
}

function appendRecords(row: LogRow, from: number, to: number, records: JournalRecord[]): void {
  const skipped = Math.max(0, from - row.first);
  if (skipped >= row.count) return;
  let start = lineStart(row.body, skipped);
  const last = Math.min(to, row.first + row.count - 1);
  for (let seq = row.first + skipped; seq <= last; seq++) {
    records.push(decodeLine(row.body, start, seq));
    start = lineEnd(row.body, start) + 1;
  }
}
