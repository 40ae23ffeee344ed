// The gates of all Pages, what answers say of a Page, and the alarms that follow from it.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { OutboxMessage } from './conversation.ts';
import type { OutboxAlarms } from './outbox-alarms.ts';
import { reasonOf } from './outbox-call.ts';
import type { OutboxLimits } from './outbox-limits.ts';
import { PageGate, type Pause } from './outbox-page.ts';
import type { PostOutcome } from './ports.ts';

export interface OutboxGatesOptions {
  readonly clock: Clock;
  readonly limits: OutboxLimits;
  readonly random: () => number;
  readonly alarms: OutboxAlarms;
  readonly log: Log;
}

export class OutboxGates {
  readonly #options: OutboxGatesOptions;
  readonly #gates = new Map<string, PageGate>();

  constructor(options: OutboxGatesOptions) {
    this.#options = options;
  }

  get pauses(): readonly Pause[] {
    const pauses: Pause[] = [];
    for (const { pause } of this.#gates.values()) if (pause !== undefined) pauses.push(pause);
    return pauses;
  }

  get(page: string): PageGate | undefined {
    return this.#gates.get(page);
  }

  /** The Page's gate for that message: with what an earlier process left of a pause. */
  open(page: string, message: OutboxMessage | undefined): PageGate {
    const { clock, limits, random, alarms } = this.#options;
    const now = clock.now();
    let gate = this.#gates.get(page);
    if (gate === undefined) {
      gate = new PageGate(page, limits, random, clock.monotonicMs());
      const why = alarms.raisedOf(page);
      if (why !== undefined) gate.recoverPause(now, why);
      this.#gates.set(page, gate);
    }
    const until = message?.deferred === 'page' ? (message.notBefore ?? 0) : 0;
    if (until > now) gate.recoverPause(until, gate.pause?.why ?? 'limit');
    return gate;
  }

  /**
   * What an answer says of the Page.
   * @param outcome undefined: no call was made
   * @returns until when the Page is paused by it, else 0
   */
  hear(gate: PageGate, isProbe: boolean, outcome: PostOutcome | undefined): number {
    const { clock, alarms, log } = this.#options;
    const now = clock.now();
    const policy = outcome?.outcome === 'refused' ? outcome.policy : undefined;
    if (outcome?.outcome === 'refused' && policy === 'pausePage') {
      const why = reasonOf(outcome);
      const until = gate.endPaused(now, isProbe, why, outcome.retryAfterMs);
      if (why !== 'limit') alarms.raise(gate.page, why, outcome.error.message, now);
      log.warn({ page: gate.page, why, until }, 'Sending for this Page is paused.');
      return until;
    }
    if (outcome?.outcome === 'sent' || policy === 'fail') {
      if (gate.endWell(now, isProbe)) alarms.clear(gate.page, now);
    } else {
      gate.endSilent(now, isProbe, outcome !== undefined);
    }
    return 0;
  }
}
