// The clerk's timers in one place, so that none outlives it: named ones that replace each other, and sleeps
// that end early when everything stops.

import type { Clock, Timer } from '../base/clock.ts';

export class OutboxTimers {
  readonly #clock: Clock;
  readonly #named = new Map<string, Timer>();
  readonly #sleeps = new Map<Timer, () => void>();
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#named.size + this.#sleeps.size;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Runs `task` after `ms`, instead of what was set under that name. */
  set(name: string, ms: number, task: () => void): void {
    this.cancel(name);
    if (this.#isStopped) return;
    const timer = this.#clock.after(ms, () => {
      this.#named.delete(name);
      task();
    });
    this.#named.set(name, timer);
  }

  cancel(name: string): void {
    this.#named.get(name)?.cancel();
    this.#named.delete(name);
  }

  /** Resolves after `ms`, or at once when everything is stopped. */
  sleep(ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, () => {
        this.#sleeps.delete(timer);
        resolve();
      });
      this.#sleeps.set(timer, resolve);
    });
  }

  /** Cancels all; later ones are never set. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#named.values()) timer.cancel();
    this.#named.clear();
    for (const [timer, wake] of this.#sleeps) {
      timer.cancel();
      wake();
    }
    this.#sleeps.clear();
  }
}
