// One commit: decides the records of several calls in order, inside one transaction, and writes the accepted
// ones as rows. Either all of it is on the disk when `write` returns, or it throws and nothing is.

import type { ConversationHeads } from './heads.ts';
import type { JournalLimits } from './limits.ts';
import type { LogFile } from './log-file.ts';
import { encodeLine, recordOf } from './log-line.ts';
import type { LogRow } from './recent-rows.ts';
import type { SeenKeys } from './seen-keys.ts';
import type { Appended, JournalRecord, NewRecord } from './types.ts';

export interface Commit {
  /** One list per call, in the order of the calls. */
  readonly results: readonly Appended[][];
  readonly records: readonly JournalRecord[];
  readonly rows: readonly LogRow[];
  /** Characters of the rows. */
  readonly chars: number;
}

/** What one commit took, for metrics. */
export interface CommitStats {
  readonly records: number;
  readonly chars: number;
  readonly seconds: number;
}

/** A row under construction. */
interface OpenRow {
  first: number;
  count: number;
  at: number;
  body: string;
}

export class CommitWriter {
  readonly #log: LogFile;
  readonly #heads: ConversationHeads;
  readonly #seen: SeenKeys;
  readonly #limits: JournalLimits;

  // The commit in progress; `write` is synchronous, so there is only ever one.
  #next = 0;
  #records: JournalRecord[] = [];
  #rows: LogRow[] = [];
  #row: OpenRow = { first: 0, count: 0, at: 0, body: '' };
  #chars = 0;
  /** Records to come whose keys are filed already: nothing is left to decide. */
  #filed = 0;

  constructor(log: LogFile, heads: ConversationHeads, seen: SeenKeys, limits: JournalLimits) {
    this.#log = log;
    this.#heads = heads;
    this.#seen = seen;
    this.#limits = limits;
  }

  /**
   * Stores what is new.
   * @param calls the records of each call; decided in this order
   * @param head newest stored seq
   * @throws what SQLite threw; the transaction is rolled back and nothing of it was stored
   */
  write(calls: readonly (readonly NewRecord[])[], head: number): Commit {
    this.#start(head + 1);
    this.#heads.load();
    try {
      this.#log.begin();
      this.#fileAhead(calls);
      const results = calls.map((records) => records.map((record) => this.#decide(record)));
      this.#closeRow();
      this.#log.commit();
      return { results, records: this.#records, rows: this.#rows, chars: this.#chars };
    } catch (error) {
      this.#heads.reset();
      this.#log.rollback();
      throw error;
    }
  }

  #start(next: number): void {
    this.#next = next;
    this.#records = [];
    this.#rows = [];
    this.#row = { first: next, count: 0, at: 0, body: '' };
    this.#chars = 0;
    this.#filed = 0;
  }

  /**
   * Files the keys of the first records together, as far as these depend on nothing but their keys; nearly
   * always all are new. If one is not, it is undone and every record is decided by itself.
   */
  #fileAhead(calls: readonly (readonly NewRecord[])[]): void {
    const plain = plainStart(calls);
    if (this.#seen.fileAll(plain, this.#next)) {
      this.#filed = plain.length;
      return;
    }
    this.#log.rollback();
    this.#log.begin();
  }

  /** Duplicates first, then stale writers, then the record gets its seq. */
  #decide(record: NewRecord): Appended {
    if (this.#filed > 0) {
      this.#filed--;
      return this.#accept(record);
    }
    const { dedupeKey, expectSeq, conversation } = record;
    const isStale = expectSeq !== undefined && expectSeq !== this.#heads.head(conversation).fence;
    if (dedupeKey !== undefined) {
      const holder = isStale
        ? this.#seen.find(dedupeKey, record.dedupeAt, record.at)
        : this.#seen.file(dedupeKey, record, this.#next);
      if (holder !== undefined && holder !== 0) return { status: 'duplicate', seq: holder };
    }
    if (isStale) return { status: 'conflict', seq: this.#heads.head(conversation).fence };
    return this.#accept(record);
  }

  #accept(record: NewRecord): Appended {
    const seq = this.#next++;
    const prev = this.#heads.advance(record.conversation, seq, record);
    const line = encodeLine(record, prev);
    this.#addLine(line, record.at, seq);
    this.#records.push(recordOf(record, seq, prev));
    return { status: 'appended', seq, prev };
  }

  #addLine(line: string, at: number, seq: number): void {
    const { rowRecordsMax, rowCharsMax } = this.#limits;
    const isFull =
      this.#row.count >= rowRecordsMax || this.#row.body.length + line.length >= rowCharsMax;
    if (isFull && this.#row.count > 0) this.#closeRow();
    const row = this.#row;
    row.body = row.count === 0 ? line : `${row.body}\n${line}`;
    if (row.count === 0) row.first = seq;
    row.count++;
    row.at = Math.max(row.at, at);
  }

  #closeRow(): void {
    const { first, count, at, body } = this.#row;
    if (count === 0) return;
    const row: LogRow = { first, count, body };
    this.#log.insertRow(row, at);
    this.#rows.push(row);
    this.#chars += body.length;
    this.#row = { first: this.#next, count: 0, at: 0, body: '' };
  }
}

/** The records up to the first that is not plain. */
function plainStart(calls: readonly (readonly NewRecord[])[]): NewRecord[] {
  const plain: NewRecord[] = [];
  for (const records of calls) {
    for (const record of records) {
      if (!isPlain(record)) return plain;
      plain.push(record);
    }
  }
  return plain;
}

/** True when only its key decides, and that is filed under its own time. */
function isPlain({ dedupeKey, dedupeAt, expectSeq }: NewRecord): boolean {
  return expectSeq === undefined && (dedupeKey === undefined || dedupeAt !== undefined);
}
