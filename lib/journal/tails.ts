// Readers that follow the log. A tail first reads what is stored, a page per turn of the loop, then gets each
// commit's records in the tick of the commit.
//
//   behind --(position == head)--> live --publish--> live        close() from anywhere: closed
//
// A callback that throws has lost its place: its tail is closed and the error reported; others go on.

import { SluiceError } from '../base/errors.ts';
import type { JournalRecord, Tail } from './types.ts';

export interface TailSource {
  readonly head: () => number;
  /** Stored records from seq on, ascending; empty only when there are none. */
  readonly read: (from: number, limit: number) => readonly JournalRecord[];
  readonly pageMax: number;
  /** A callback threw. */
  readonly onFailed: (error: unknown) => void;
  /** Stored records could not be read now: runs `again` a little later. */
  readonly onUnreadable: (error: unknown, again: () => void) => void;
}

type OnRecords = (records: readonly JournalRecord[]) => void;

class FollowingTail implements Tail {
  readonly #source: TailSource;
  readonly #onRecords: OnRecords;
  readonly #onClosed: (tail: FollowingTail) => void;
  #position: number;
  #state: 'behind' | 'live' | 'closed';

  constructor(
    source: TailSource,
    after: number,
    onRecords: OnRecords,
    onClosed: (tail: FollowingTail) => void,
  ) {
    this.#source = source;
    this.#onRecords = onRecords;
    this.#onClosed = onClosed;
    this.#position = after;
    this.#state = after === source.head() ? 'live' : 'behind';
    if (this.#state === 'behind') setImmediate(() => this.#catchUp());
  }

  get position(): number {
    return this.#position;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onClosed(this);
  }

  /** A commit's records; ignored while behind, they are read from the log then. */
  publish(records: readonly JournalRecord[]): void {
    if (this.#state === 'live') this.#deliver(records);
  }

  #catchUp(): void {
    if (this.#state !== 'behind') return;
    let records: readonly JournalRecord[];
    try {
      records = this.#source.read(this.#position + 1, this.#source.pageMax);
    } catch (error) {
      this.#source.onUnreadable(error, () => this.#catchUp());
      return;
    }
    if (records.length > 0) this.#deliver(records);
    this.#settle();
  }

  /** After a page: live at the head, otherwise another page in the next turn. */
  #settle(): void {
    if (this.#state !== 'behind') return;
    if (this.#position === this.#source.head()) this.#state = 'live';
    else setImmediate(() => this.#catchUp());
  }

  #deliver(records: readonly JournalRecord[]): void {
    try {
      this.#onRecords(records);
      this.#position = records.at(-1)?.seq ?? this.#position;
    } catch (error) {
      this.close();
      this.#source.onFailed(error);
    }
  }
}

export class Tails {
  readonly #source: TailSource;
  #open: readonly FollowingTail[] = [];

  constructor(source: TailSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#open.length;
  }

  /**
   * Follows the log from the record after `after`.
   * @throws SluiceError ERR_ARG_RANGE when `after` is no seq up to the head
   */
  open(after: number, onRecords: OnRecords): Tail {
    if (!Number.isSafeInteger(after) || after < 0 || after > this.#source.head()) {
      throw new SluiceError('ERR_ARG_RANGE', 'A tail starts between 0 and the head.');
    }
    const tail = new FollowingTail(this.#source, after, onRecords, (closed) => {
      this.#open = this.#open.filter((other) => other !== closed);
    });
    this.#open = [...this.#open, tail];
    return tail;
  }

  /**
   * Hands a commit to every live tail. Tails opened by a callback start behind or after it: never
   * twice, never a gap.
   */
  publish(records: readonly JournalRecord[]): void {
    for (const tail of this.#open) tail.publish(records);
  }

  closeAll(): void {
    for (const tail of this.#open) tail.close();
  }
}
