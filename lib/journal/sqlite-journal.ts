// The embedded journal: collects the appends of a tick, has them written as one commit, then tells the tails
// and the callers, in this order and in one tick. Owns availability: full, broken, fatal, closed.
//
//   append -> calls --scheduleCommit--> write (one transaction, one fsync) -> head -> tails -> promises
//
//   open --full--> open            the next commit tries again, and a probe when there is none
//   open --broken--> broken --(pause)--> reopened --> open           the same
//   open --fatal--> fatal          nothing more is stored; the process must end and replay

import type { Clock, Timer } from '../base/clock.ts';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Commit, type CommitStats, CommitWriter } from './commit-writer.ts';
import { ConversationHeads } from './heads.ts';
import type { JournalLimits } from './limits.ts';
import type { DirectoryLock } from './lock.ts';
import type { LogFile } from './log-file.ts';
import { LogReader } from './log-reader.ts';
import { type LogRow, RecentRows } from './recent-rows.ts';
import { deleteBefore } from './retention.ts';
import { SeenKeys } from './seen-keys.ts';
import { failureOf } from './sqlite.ts';
import { Tails } from './tails.ts';
import type {
  Appended,
  ConversationHead,
  HistoryPage,
  Journal,
  JournalRecord,
  NewRecord,
  Tail,
} from './types.ts';
import { checkRecords } from './validate.ts';

export interface SqliteJournalParts {
  readonly lock: DirectoryLock;
  readonly file: LogFile;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: JournalLimits;
  /** Runs the commit at the end of the tick. */
  readonly scheduleCommit: (task: () => void) => void;
  /** The head of a conversation as of the views, and how far those are. */
  readonly heads: (conversation: string) => ConversationHead | undefined;
  readonly mark: () => number;
  readonly onCommit: ((stats: CommitStats) => void) | undefined;
  /** The rows of each commit as they were written, after the tails and before the promises. */
  readonly onRows?: ((rows: readonly LogRow[]) => void) | undefined;
  /** The journal can no longer vouch for the disk: end the process. Called once. */
  readonly onFatal: ((error: SluiceError) => void) | undefined;
  /** A tail's callback threw; the tail is closed. */
  readonly onTailError: ((error: unknown) => void) | undefined;
}

interface Call {
  readonly records: readonly NewRecord[];
  readonly resolve: (results: Appended[]) => void;
  readonly reject: (error: Error) => void;
}

export class SqliteJournal implements Journal {
  readonly epoch: string;
  readonly #parts: SqliteJournalParts;
  readonly #file: LogFile;
  readonly #limits: JournalLimits;
  readonly #recent: RecentRows;
  readonly #reader: LogReader;
  readonly #heads: ConversationHeads;
  readonly #seen: SeenKeys;
  readonly #writer: CommitWriter;
  readonly #tails: Tails;

  #head: number;
  #tailSeq: number;
  #calls: Call[] = [];
  #pendingRecords = 0;
  #pendingChars = 0;
  #isLagging = false;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #fatal: SluiceError | undefined;
  /**
   * Set while the connection is broken: when it may be opened again (monotonic), and the pause
   * after that.
   */
  #reopenAt: number | undefined;
  #reopenDelayMs: number;
  /** The last commit found the disk full. */
  #isFull = false;
  #probe: Timer | undefined;

  constructor(parts: SqliteJournalParts) {
    const { file, limits } = parts;
    this.#parts = parts;
    this.#file = file;
    this.#limits = limits;
    this.epoch = file.epoch;
    const bounds = file.bounds();
    this.#head = bounds.last;
    this.#tailSeq = bounds.first;
    this.#reopenDelayMs = limits.reopenDelayMs;
    this.#recent = new RecentRows(limits.recentCharsMax);
    this.#reader = new LogReader(file, this.#recent);
    this.#heads = new ConversationHeads(
      {
        viewed: parts.heads,
        mark: parts.mark,
        read: (from) => this.#stored(from, limits.tailPageMax),
      },
      limits.headsMax,
    );
    this.#seen = new SeenKeys(file);
    this.#writer = new CommitWriter(file, this.#heads, this.#seen, limits);
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

  /** Records that the views are behind. */
  get lag(): number {
    return this.#head - this.#parts.mark();
  }

  /** False while appends are refused for a fault of the disk. */
  get isAvailable(): boolean {
    return !this.#isClosed && this.#fatal === undefined && !this.#isRefusing;
  }

  /** Records that wait for the next commit. */
  get pendingRecords(): number {
    return this.#pendingRecords;
  }

  get walBytes(): number {
    return this.#file.walBytes();
  }

  append(records: readonly NewRecord[]): Promise<Appended[]> {
    try {
      const chars = checkRecords(records, this.#limits.dataCharsMax);
      this.#admit(records.length, chars);
      return this.#enqueue(records, chars);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  find(dedupeKey: string, dedupeAt?: number): number | undefined {
    this.#requireOpen();
    return this.#seen.find(dedupeKey, dedupeAt, this.#parts.clock.now());
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

  /**
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE while the views are further behind than
   * foldLagRecordsMax
   */
  history(conversation: string, before: number | undefined, limit: number): HistoryPage {
    this.#requireOpen();
    this.#requireFold(0);
    this.#heads.load();
    const head = this.#heads.head(conversation);
    const bound = before ?? Number.MAX_SAFE_INTEGER;
    return this.#reader.history(conversation, head, bound, limit, this.#limits.historyStepsMax);
  }

  tail(after: number, onRecords: (records: readonly JournalRecord[]) => void): Tail {
    this.#requireOpen();
    return this.#tails.open(after, onRecords);
  }

  /**
   * Deletes rows whose records are all older than `at`, and keys older than it. The newest row stays, and so
   * does what the views have not folded. Each call does a bounded amount of work, and fails as an append does.
   * @returns true when more is left to delete
   */
  deleteBefore(at: number): boolean {
    this.#requireOpen();
    if (!this.isAvailable) throw this.#fatal ?? new SluiceError('ERR_JOURNAL_UNAVAILABLE');
    try {
      const left = deleteBefore(this.#file, at, this.#parts.mark());
      this.#tailSeq = this.#file.bounds().first;
      return left;
    } catch (error) {
      throw this.#refusalOf(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #admit(count: number, chars: number): void {
    this.#requireOpen();
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#reopenAt !== undefined && this.#parts.clock.monotonicMs() < this.#reopenAt) {
      throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The disk does not take records now.');
    }
    const isFull =
      this.#pendingRecords + count > this.#limits.pendingRecordsMax ||
      this.#pendingChars + chars > this.#limits.pendingCharsMax;
    if (isFull) throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'Too many records wait already.');
    this.#requireFold(this.#pendingRecords + count);
  }

  #enqueue(records: readonly NewRecord[], chars: number): Promise<Appended[]> {
    if (this.#calls.length === 0) this.#parts.scheduleCommit(() => this.#commit());
    this.#pendingRecords += records.length;
    this.#pendingChars += chars;
    return new Promise((resolve, reject) => {
      this.#calls.push({ records, resolve, reject });
    });
  }

  #commit(): void {
    const calls = this.#calls;
    if (calls.length === 0) return;
    this.#calls = [];
    this.#pendingRecords = 0;
    this.#pendingChars = 0;
    const startedMs = this.#parts.clock.monotonicMs();
    let commit: Commit;
    try {
      this.#recover();
      commit = this.#writer.write(
        calls.map((call) => call.records),
        this.#head,
      );
    } catch (error) {
      this.#failed(calls, error);
      return;
    }
    const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
    this.#recovered();
    this.#publish(commit);
    for (let i = 0; i < calls.length; i++) calls[i]?.resolve(commit.results[i] ?? []);
    if (commit.records.length === 0) return;
    this.#parts.onCommit?.({ records: commit.records.length, chars: commit.chars, seconds });
  }

  #publish(commit: Commit): void {
    if (commit.records.length === 0) return;
    for (const row of commit.rows) this.#recent.push(row);
    this.#head += commit.records.length;
    this.#tails.publish(commit.records);
    this.#parts.onRows?.(commit.rows);
  }

  get #isRefusing(): boolean {
    return this.#reopenAt !== undefined || this.#isFull;
  }

  /** Nobody may come who would find out: who waits for `isAvailable` sends nothing meanwhile. */
  #probeLater(): void {
    const { clock } = this.#parts;
    this.#probe ??= clock.after(this.#limits.probeDelayMs, () => {
      this.#probe = undefined;
      if (this.#isClosed || !this.#isRefusing) return;
      try {
        this.#recover();
        this.#file.probe(clock.now());
        this.#recovered();
      } catch (error) {
        this.#refusalOf(error);
      }
    });
  }

  /** Opens a broken connection again; what turns out to be stored after all is published first. */
  #recover(): void {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#reopenAt === undefined) return;
    this.#file.reopen();
    const { last } = this.#file.bounds();
    while (this.#head < last) {
      const records = this.#reader.read(this.#head + 1, this.#limits.tailPageMax, last);
      this.#recent.clear();
      this.#head += records.length;
      this.#tails.publish(records);
    }
  }

  /** Only a commit shows that a connection is sound: opening one writes nothing. */
  #recovered(): void {
    if (!this.#isRefusing) return;
    this.#reopenAt = undefined;
    this.#isFull = false;
    this.#reopenDelayMs = this.#limits.reopenDelayMs;
    this.#parts.log.info({ head: this.#head }, 'The journal takes records again.');
  }

  #failed(calls: readonly Call[], error: unknown): void {
    const refusal = this.#refusalOf(error);
    for (const call of calls) call.reject(refusal);
  }

  /** Decides what a failed commit means for the next ones, and what its callers are told. */
  #refusalOf(error: unknown): SluiceError {
    const fields = { error: error instanceof Error ? error.message : String(error) };
    if (isSluiceError(error) && error.code === 'ERR_JOURNAL_UNAVAILABLE') return error;
    const failure = isSluiceError(error, 'ERR_JOURNAL_FATAL') ? 'fatal' : failureOf(error);
    if (failure === 'fatal') return this.#becomeFatal(error);
    this.#probeLater();
    if (failure === 'full') {
      this.#isFull = true;
      this.#parts.log.error(fields, 'The disk is full: records are refused.');
      return new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The disk is full.', { cause: error });
    }
    this.#reopenAt = this.#parts.clock.monotonicMs() + this.#reopenDelayMs;
    this.#reopenDelayMs = Math.min(this.#reopenDelayMs * 2, this.#limits.reopenDelayMaxMs);
    this.#parts.log.error(fields, 'The journal cannot write: records are refused.');
    return new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The journal cannot write.', {
      cause: error,
    });
  }

  #becomeFatal(cause: unknown): SluiceError {
    if (this.#fatal !== undefined) return this.#fatal;
    const fatal = new SluiceError('ERR_JOURNAL_FATAL', undefined, { cause });
    this.#fatal = fatal;
    this.#parts.log.error({ error: String(cause) }, 'The journal failed: the process must end.');
    // Later in the tick, like onTailError: what a listener throws must not keep callers waiting.
    queueMicrotask(() => this.#parts.onFatal?.(fatal));
    return fatal;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new SluiceError('ERR_CLOSED', 'The journal is closed.');
  }

  /** Refuses what would put the views further behind than the bound; warns on the way there. */
  #requireFold(count: number): void {
    const lag = this.lag + count;
    if (lag > this.#limits.foldLagRecordsMax) {
      throw new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'The views are too far behind.');
    }
    const isLagging = lag > this.#limits.foldLagRecordsWarn;
    if (isLagging && !this.#isLagging) this.#parts.log.warn({ lag }, 'The views fall behind.');
    this.#isLagging = isLagging;
  }

  #stored(from: number, limit: number): readonly JournalRecord[] {
    return this.#reader.read(Math.max(from, this.#tailSeq), limit, this.#head);
  }

  #tailFailed(error: unknown): void {
    this.#parts.log.error({ error: String(error) }, 'A reader failed and is closed.');
    queueMicrotask(() => this.#parts.onTailError?.(error));
  }

  #unreadable(error: unknown, again: () => void): void {
    this.#parts.log.error({ error: String(error) }, 'The journal cannot be read now.');
    this.#parts.clock.after(this.#limits.reopenDelayMaxMs, again);
  }

  async #close(): Promise<void> {
    // A tail's callback may close: its commit's other tails and callers come first.
    await Promise.resolve();
    this.#commit();
    this.#isClosed = true;
    this.#probe?.cancel();
    this.#tails.closeAll();
    // After a fatal failure the file stays as it is: closing would checkpoint pages that may not
    // be on the disk.
    if (this.#fatal !== undefined) return;
    try {
      this.#file.close();
    } catch (error) {
      this.#parts.log.warn({ error: String(error) }, 'The journal could not be closed cleanly.');
    }
    this.#parts.lock.release();
  }
}
