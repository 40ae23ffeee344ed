// Rates of a process from two of its readings, at least a window apart.

import type { LoadReading } from './load-meter.ts';

/** A rate is over the last one to two windows. */
export const RATE_WINDOW_MS = 2_000;

interface Sample {
  readonly at: number;
  readonly load: LoadReading;
}

export class LoadRates {
  #older: Sample | undefined;
  #old: Sample | undefined;
  #last: Sample | undefined;

  /** @param at monotonic milliseconds */
  note(load: LoadReading, at: number): void {
    this.#last = { at, load };
    this.#old ??= this.#last;
    if (at - this.#old.at < RATE_WINDOW_MS) return;
    this.#older = this.#old;
    this.#old = this.#last;
  }

  /** Requests and messages per second; 0 before there are two readings. */
  get perSecond(): number {
    return this.#rate((load) => load.requests) * 1000;
  }

  /** Of one processor; more than 100 when threads work beside the loop. */
  get cpuPercent(): number {
    return this.#rate((load) => load.cpuMs) * 100;
  }

  /** Per millisecond. */
  #rate(of: (load: LoadReading) => number): number {
    const from = this.#older ?? this.#old;
    const to = this.#last;
    if (from === undefined || to === undefined || to.at <= from.at) return 0;
    return Math.max(0, (of(to.load) - of(from.load)) / (to.at - from.at));
  }
}
