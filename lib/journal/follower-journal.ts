// The journal in a process that does not write it. The clerk does; what it commits comes here as the same rows,
// and whatever did not come is read from the file, which is never behind what the clerk has said:
//
//   committed(rows that follow the head) -> memory ┐
//   anything else up to a greater head   -> file   ┴-> head -> tails
//
// An append resolves when the tails here have seen what it stored, as in the clerk itself.

import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { FollowedLog } from './followed-log.ts';
import type { FollowerViews } from './follower-views.ts';
import { ConversationHeads } from './heads.ts';
import { KeyDigester } from './key-digest.ts';
import type { JournalLimits } from './limits.ts';
import { decodeLine, lineEnd } from './log-line.ts';
import { LogReader } from './log-reader.ts';
import { type LogRow, RecentRows } from './recent-rows.ts';
import { findKey } from './seen-keys.ts';
import { Tails } from './tails.ts';
import type { Appended, HistoryPage, Journal, JournalRecord, NewRecord, Tail } from './types.ts';
import { checkRecords } from './validate.ts';

/** What the clerk says of its journal. */
export interface JournalState {
  readonly head: number;
  readonly tailSeq: number;
  /** The views hold everything up to it. */
  readonly mark: number;
}

/** Brings records to the clerk. */
export interface AppendPort {
  /** As Journal.append; the records are checked. */
  append(records: readonly NewRecord[]): Promise<Appended[]>;
}

export interface FollowerJournalParts {
  readonly file: FollowedLog;
  readonly views: FollowerViews;
  readonly port: AppendPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: JournalLimits;
  /** Another journal lies in the folder, or this one went back: end the process. Called once. */
  readonly onFatal: ((error: SluiceError) => void) | undefined;
  readonly onTailError: ((error: unknown) => void) | undefined;
}

export class FollowerJournal implements Journal {
  readonly epoch: string;
  readonly #parts: FollowerJournalParts;
  readonly #recent: RecentRows;
  readonly #reader: LogReader;
  readonly #heads: ConversationHeads;
  readonly #digester: KeyDigester;
  readonly #tails: Tails;
  #head: number;
  #tailSeq: number;
  #announced: JournalState | undefined;
  #isClosed = false;
  #hasFailed = false;

  constructor(parts: FollowerJournalParts) {
    const { file, views, limits } = parts;
    this.#parts = parts;
    this.epoch = file.epoch;
    const bounds = file.reads.bounds();
    this.#head = bounds.last;
    this.#tailSeq = bounds.first;
    this.#recent = new RecentRows(limits.recentCharsMax);
    this.#reader = new LogReader(file.reads, this.#recent);
    this.#digester = new KeyDigester(file.seed);
    this.#heads = new ConversationHeads(
      {
        viewed: (conversation) => {
          const row = views.get(conversation);
          return row === undefined ? undefined : { last: row.seq, fence: row.fence };
        },
        mark: () => views.mark,
        read: (from) => this.#stored(from, limits.tailPageMax),
      },
      limits.headsMax,
    );
    this.#tails = new Tails({
      head: () => this.#head,
      read: (from, limit) => this.#stored(from, limit),
      pageMax: limits.tailPageMax,
      onFailed: (error) => this.#tailFailed(error),
      onUnreadable: (error, again) => this.#unreadable(error, again),
    });
  }

  get head(): number {
    return this.#head;
  }

  get tailSeq(): number {
    return this.#tailSeq;
  }

  // ---- what the clerk says -----------------------------------------------

  /** A clerk is there, the first or the next one. @param epoch of the journal that it has opened */
  attached(epoch: string, state: JournalState): void {
    // What the clerk before it has said; the file itself may be ahead of what this one said a moment ago.
    const last = this.#announced ?? state;
    if (epoch !== this.epoch || state.head < last.head || state.mark < last.mark) {
      this.#fail(new SluiceError('ERR_JOURNAL_FATAL', 'The journal was replaced while in use.'));
      return;
    }
    this.#parts.views.reopen();
    this.announced(state);
  }

  /** @param rows of one commit, `state` after it */
  committed(rows: readonly LogRow[], state: JournalState): void {
    for (const row of rows) {
      if (row.first === this.#head + 1) this.#take([row], recordsOf(row));
    }
    this.announced(state);
  }

  /** Where the journal stands: what has not come is read. */
  announced(state: JournalState): void {
    if (this.#isClosed) return;
    this.#announced = state;
    this.#tailSeq = Math.max(this.#tailSeq, state.tailSeq);
    this.#parts.views.marked(state.mark);
    this.#catchUp(state.head);
  }

  // ---- Journal -----------------------------------------------------------

  async append(records: readonly NewRecord[]): Promise<Appended[]> {
    this.#requireOpen();
    checkRecords(records, this.#parts.limits.dataCharsMax);
    const results = await this.#parts.port.append(records);
    const newest = results.reduce((seq, result) => Math.max(seq, result.seq), 0);
    if (!this.#isClosed) this.#catchUp(newest);
    return results;
  }

  find(dedupeKey: string, dedupeAt?: number): number | undefined {
    this.#requireOpen();
    const { file, clock } = this.#parts;
    return findKey(file.reads, this.#digester.digest(dedupeKey), dedupeAt, clock.now());
  }

  get(seq: number): JournalRecord | undefined {
    this.#requireOpen();
    if (seq < this.#tailSeq || seq > this.#head) return undefined;
    return this.#reader.get(seq);
  }

  read(from: number, limit: number): readonly JournalRecord[] {
    this.#requireOpen();
    return this.#stored(from, limit);
  }

  history(conversation: string, before: number | undefined, limit: number): HistoryPage {
    this.#requireOpen();
    this.#heads.load();
    const head = this.#heads.head(conversation);
    const bound = before ?? Number.MAX_SAFE_INTEGER;
    const { historyStepsMax } = this.#parts.limits;
    return this.#reader.history(conversation, head, bound, limit, historyStepsMax);
  }

  tail(after: number, onRecords: (records: readonly JournalRecord[]) => void): Tail {
    this.#requireOpen();
    return this.#tails.open(after, onRecords);
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#tails.closeAll();
      this.#parts.file.close();
    }
    return Promise.resolve();
  }

  // ------------------------------------------------------------------------

  #catchUp(to: number): void {
    const { tailPageMax } = this.#parts.limits;
    while (this.#head < to && !this.#isClosed) {
      const records = this.#reader.read(this.#head + 1, tailPageMax, to);
      if (records[0]?.seq !== this.#head + 1) {
        // Deleted for its age before it was followed: this process has stood still for days.
        this.#fail(
          new SluiceError('ERR_JOURNAL_FATAL', 'Records were lost before they were read.'),
        );
        return;
      }
      this.#recent.clear();
      this.#take([], records);
    }
  }

  #take(rows: readonly LogRow[], records: readonly JournalRecord[]): void {
    for (const row of rows) this.#recent.push(row);
    this.#head += records.length;
    // Before the first question about a history nothing is held that would have to be moved.
    if (this.#heads.isLoaded) {
      for (const record of records) this.#heads.advance(record.conversation, record.seq, record);
    }
    this.#tails.publish(records);
  }

  #stored(from: number, limit: number): readonly JournalRecord[] {
    return this.#reader.read(Math.max(from, this.#tailSeq), limit, this.#head);
  }

  #fail(error: SluiceError): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#parts.log.error({ error: error.message }, 'The journal cannot be followed.');
    queueMicrotask(() => this.#parts.onFatal?.(error));
  }

  #tailFailed(error: unknown): void {
    this.#parts.log.error({ error: String(error) }, 'A reader failed and is closed.');
    queueMicrotask(() => this.#parts.onTailError?.(error));
  }

  #unreadable(error: unknown, again: () => void): void {
    this.#parts.log.error({ error: String(error) }, 'The journal cannot be read now.');
    this.#parts.clock.after(this.#parts.limits.reopenDelayMaxMs, again);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The journal is closed.');
  }
}

function recordsOf({ first, count, body }: LogRow): JournalRecord[] {
  const records: JournalRecord[] = [];
  let start = 0;
  for (let seq = first; seq < first + count; seq++) {
    records.push(decodeLine(body, start, seq));
    start = lineEnd(body, start) + 1;
  }
  return records;
}
