// Which dedupe keys the log has seen, decided in the log's own transaction; nothing in memory decides.
//
// A key is filed under its event's own time, which a redelivery keeps, so that look-ups stay at the hot edge of
// the table. A key without a time is filed under its day and looked for under that day and the one before.
// What is filed of a key is its digest (key-digest.ts).

import { type Digest, KeyDigester } from './key-digest.ts';
import type { LogFile } from './log-file.ts';
import type { NewRecord } from './types.ts';

const DAY_MS = 86_400_000;
function dayOf(at: number): number {
  return at - (at % DAY_MS);
}

export class SeenKeys {
  readonly #log: LogFile;
  readonly #digester: KeyDigester;

  constructor(log: LogFile) {
    this.#log = log;
    this.#digester = new KeyDigester(log.seed);
  }

  /**
   * Files the keys of records that are about to be stored as first, first + 1, …; each key has a time.
   * @returns false when one of them is filed already: the transaction must be rolled back
   */
  fileAll(records: readonly NewRecord[], first: number): boolean {
    const values: number[] = [];
    let seq = first;
    for (const { dedupeKey, dedupeAt } of records) {
      if (dedupeKey !== undefined && dedupeAt !== undefined) {
        const { hash, tag } = this.#digester.digest(dedupeKey);
        values.push(dedupeAt, hash, tag, seq);
      }
      seq++;
    }
    return this.#log.insertAllSeen(values);
  }

  /**
   * Files the key of a record that is about to be stored as `seq`.
   * @returns seq of the record that has the key already, 0 when it was filed now
   */
  file(key: string, record: NewRecord, seq: number): number {
    const digest = this.#digester.digest(key);
    const at = record.dedupeAt ?? dayOf(record.at);
    if (record.dedupeAt === undefined) {
      const yesterday = this.#log.findSeen(at - DAY_MS, digest.hash, digest.tag);
      if (yesterday !== undefined) return yesterday;
    }
    if (this.#log.insertSeen(at, digest.hash, digest.tag, seq)) return 0;
    return this.#log.findSeen(at, digest.hash, digest.tag) ?? 0;
  }

  /** seq of the record that has the key, if any; `now` finds the day of a key without a time. */
  find(key: string, dedupeAt: number | undefined, now: number): number | undefined {
    return findKey(this.#log, this.#digester.digest(key), dedupeAt, now);
  }
}

/** The same for whoever can only look keys up. */
export function findKey(
  log: Pick<LogFile, 'findSeen'>,
  { hash, tag }: Digest,
  dedupeAt: number | undefined,
  now: number,
): number | undefined {
  if (dedupeAt !== undefined) return log.findSeen(dedupeAt, hash, tag);
  const today = dayOf(now);
  return log.findSeen(today, hash, tag) ?? log.findSeen(today - DAY_MS, hash, tag);
}
