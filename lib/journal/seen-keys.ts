// Which dedupe keys the log has seen, decided in the log's own transaction; nothing in memory decides.
//
// A key is filed under its event's own time, which a redelivery keeps, so that look-ups stay at the hot edge of
// the table. A key without a time is filed under its day and looked for under that day and the one before.
// The digest is SHA-256 over the file's secret seed and the key, of which 2 x 52 bits are kept: at equal
// time a collision that would drop a message has a chance of 2^-104, and cannot be searched for from outside.

import { hash } from 'node:crypto';
import type { LogFile } from './log-file.ts';
import type { NewRecord } from './types.ts';

const DAY_MS = 86_400_000;
/** Hexadecimal digits per half: 52 bits fit a safe integer. */
const HALF = 13;

interface Digest {
  readonly hash: number;
  readonly tag: number;
}

function dayOf(at: number): number {
  return at - (at % DAY_MS);
}

export class SeenKeys {
  readonly #log: LogFile;

  constructor(log: LogFile) {
    this.#log = log;
  }

  /**
   * Files the key of a record that is about to be stored as `seq`.
   * @returns seq of the record that has the key already, 0 when it was filed now
   */
  file(key: string, record: NewRecord, seq: number): number {
    const digest = this.#digest(key);
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
    const digest = this.#digest(key);
    if (dedupeAt !== undefined) return this.#log.findSeen(dedupeAt, digest.hash, digest.tag);
    const today = dayOf(now);
    return (
      this.#log.findSeen(today, digest.hash, digest.tag) ??
      this.#log.findSeen(today - DAY_MS, digest.hash, digest.tag)
    );
  }

  #digest(key: string): Digest {
    const hex = hash('sha256', this.#log.seed + key, 'hex');
    return {
      hash: Number.parseInt(hex.slice(0, HALF), 16),
      tag: Number.parseInt(hex.slice(HALF, HALF * 2), 16),
    };
  }
}
