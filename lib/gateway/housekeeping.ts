// What is done once a second: sessions look at the clock, typing is forgotten, old records are deleted.

import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { RETENTION_INTERVAL_MS, SWEEP_INTERVAL_MS } from './limits.ts';

export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly sweeps: readonly (() => void)[];
  /** Of the process that writes the journal. */
  readonly retention?: Retention;
}

export interface Retention {
  /** Deletes a bounded piece of what is older than `at`; true when more is left. */
  deleteBefore(at: number): boolean;
  /** undefined: everything is kept. */
  readonly days: number | undefined;
}

const DAY_MS = 86_400_000;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #timer: Timer | undefined;
  #retentionAt = 0;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.after(SWEEP_INTERVAL_MS, () => {
      this.start();
      for (const sweep of this.#options.sweeps) sweep();
      this.#retain();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #retain(): void {
    const { clock, log, retention } = this.#options;
    if (retention?.days === undefined || clock.monotonicMs() < this.#retentionAt) return;
    let hasMore = false;
    try {
      hasMore = retention.deleteBefore(clock.now() - retention.days * DAY_MS);
    } catch (error) {
      log.warn({ reason: String(error) }, 'Old records could not be deleted; it is tried again.');
    }
    const waitMs = hasMore ? SWEEP_INTERVAL_MS : RETENTION_INTERVAL_MS;
    this.#retentionAt = clock.monotonicMs() + waitMs;
  }
}
