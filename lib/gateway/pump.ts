// The one reader of the journal's tail in a process: every record goes through here, once and in order, in the
// tick of its commit. The fold comes first, so that whoever is told finds the state that includes the record.

import type { LiveRecord } from '../desk/live-record.ts';
import type { Journal, JournalRecord, Tail } from '../journal/types.ts';

export interface PumpOptions {
  readonly journal: Pick<Journal, 'tail' | 'head'>;
  readonly projection: {
    readonly position: number;
    apply(records: readonly JournalRecord[]): readonly LiveRecord[];
  };
  /** The hub, which knows itself where it begins. */
  readonly onRecords?: (records: readonly JournalRecord[]) => void;
  /** The clerk and the profiles; not told of what was stored before `start` returned. */
  readonly onLive?: (records: readonly LiveRecord[]) => void;
}

export class Pump {
  readonly #options: PumpOptions;
  #tail: Tail | undefined;
  #isLive = false;

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  /** Folds what is stored; resolves when the projection stands where the head was at the call. */
  start(): Promise<void> {
    const { journal, projection } = this.#options;
    const { head } = journal;
    return new Promise((resolve) => {
      const settle = (): void => {
        if (this.#isLive || projection.position < head) return;
        this.#isLive = true;
        resolve();
      };
      this.#tail = journal.tail(projection.position, (records) => {
        this.#pass(records);
        settle();
      });
      settle();
    });
  }

  stop(): void {
    this.#tail?.close();
  }

  #pass(records: readonly JournalRecord[]): void {
    const { projection, onRecords, onLive } = this.#options;
    const live = projection.apply(records);
    onRecords?.(records);
    if (this.#isLive) onLive?.(live);
  }
}
