// How long a place of a worker waits for its next one. Pure: no timer, no process.

import { CRASHES_MAX, RESTART_BASE_MS, RESTART_MS_MAX, STABLE_MS } from './limits.ts';

export class RestartBackoff {
  readonly #random: () => number;
  #crashes = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Deaths in a row of workers that were not ready, or not for long. */
  get crashes(): number {
    return this.#crashes;
  }

  /** The brake: more of the same will not help. */
  get isLooping(): boolean {
    return this.#crashes >= CRASHES_MAX;
  }

  /**
   * @param readyMs how long the one that died had been ready; undefined: it never was
   * @returns the wait in ms, with full jitter; 0 for one that had served well
   */
  died(readyMs: number | undefined): number {
    if (readyMs !== undefined && readyMs >= STABLE_MS) {
      this.#crashes = 0;
      return 0;
    }
    const most = Math.min(RESTART_MS_MAX, RESTART_BASE_MS * 2 ** Math.min(this.#crashes, 16));
    this.#crashes++;
    return this.#random() * most;
  }
}
