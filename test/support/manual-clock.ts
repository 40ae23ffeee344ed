// A clock that moves only when the test says so.

import type { Clock, Timer } from '../../lib/base/clock.ts';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  #pending: Pending[] = [];

  constructor(start = 1_800_000_000_000) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(ms: number, task: () => void): Timer {
    const entry: Pending = { at: this.#now + ms, order: this.#order++, task };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  /** Moves time forward, running due timers in order; promises settle between two timers. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    for (;;) {
      const due = this.#pending
        .filter((entry) => entry.at <= target)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#pending = this.#pending.filter((entry) => entry !== due);
      this.#now = Math.max(this.#now, due.at);
      due.task();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = target;
    await new Promise((resolve) => setImmediate(resolve));
  }

  get timerCount(): number {
    return this.#pending.length;
  }
}
