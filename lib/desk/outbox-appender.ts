// Stores the clerk's records whatever it takes: a journal that cannot take one now is asked again with
// backoff, and what to store is decided anew each time, since the world goes on meanwhile.

import type { Log } from '../base/log.ts';
import type { OutboxLimits } from './outbox-limits.ts';
import type { OutboxTimers } from './outbox-timers.ts';
import type { AppendPort, DeskAppended, DeskNewRecord } from './ports.ts';

export class OutboxAppender {
  readonly #port: AppendPort;
  readonly #timers: OutboxTimers;
  readonly #limits: OutboxLimits;
  readonly #log: Log;

  constructor(port: AppendPort, timers: OutboxTimers, limits: OutboxLimits, log: Log) {
    this.#port = port;
    this.#timers = timers;
    this.#limits = limits;
    this.#log = log;
  }

  /**
   * Appends what `build` says until it is stored or no longer wanted.
   * @returns undefined when nothing was stored: not wanted, or everything stopped
   * @remarks another answer than 'appended' should have shown in the state, so it is waited for before
   *   anybody looks again: a loop cannot spin on it
   */
  async untilStored(build: () => DeskNewRecord | undefined): Promise<DeskAppended | undefined> {
    let waitMs = this.#limits.appendRetryFirstMs;
    while (!this.#timers.isStopped) {
      const record = build();
      if (record === undefined) return undefined;
      const appended = await this.#try(record);
      if (appended?.status === 'appended') return appended;
      if (appended !== undefined) {
        await this.#timers.sleep(this.#limits.appendRetryMaxMs);
        return appended;
      }
      await this.#timers.sleep(waitMs);
      waitMs = Math.min(this.#limits.appendRetryMaxMs, waitMs * 2);
    }
    return undefined;
  }

  async #try(record: DeskNewRecord): Promise<DeskAppended | undefined> {
    try {
      const [appended] = await this.#port.append([record]);
      return appended;
    } catch (error) {
      this.#log.warn({ err: error, kind: record.kind }, 'Not stored; it is tried again.');
      return undefined;
    }
  }
}
