// A clerk over a journal in memory, a clock that stands still, and a Meta that answers as the test says.

import { Outbox, type OutboxOptions } from '../../../lib/desk/outbox.ts';
import type { OutboxLimits } from '../../../lib/desk/outbox-limits.ts';
import type { PostOutcome, PostPort } from '../../../lib/desk/ports.ts';
import { Projection } from '../../../lib/desk/projection.ts';
import type { OutgoingContent } from '../../../lib/desk/records.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ANN, CONVERSATION, MemoryLog, MemoryViews, newRecord, PAGE } from './memory-desk.ts';

export interface PostedCall {
  readonly user: string;
  readonly page: string;
  readonly content: OutgoingContent;
  readonly metadata: string;
  readonly at: number;
  answer(outcome: PostOutcome): void;
}

const META_ERROR = { code: 'rejected', message: 'Meta said no.', retryable: false };

export const outcomes = {
  sent: (mid: string): PostOutcome => ({ outcome: 'sent', mid }),
  refused: (
    policy: 'fail' | 'retry' | 'pausePage' | 'pauseThread',
    more: { retryAfterMs?: number; alarm?: 'token' | 'restricted' } = {},
  ): PostOutcome => ({ outcome: 'refused', error: META_ERROR, policy, ...more }),
  unknown: (waitForEcho = true): PostOutcome => ({
    outcome: 'unknown',
    error: META_ERROR,
    waitForEcho,
  }),
};

/** Keeps calls open until the test answers them, or answers at once by `auto`. */
export class FakeMeta implements PostPort {
  readonly calls: PostedCall[] = [];
  readonly #clock: ManualClock;
  auto: ((call: PostedCall) => PostOutcome | undefined) | undefined = undefined;
  open = 0;
  openMax = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  post(call: Parameters<PostPort['post']>[0]): Promise<PostOutcome> {
    this.open++;
    this.openMax = Math.max(this.openMax, this.open);
    return new Promise((resolve) => {
      const posted: PostedCall = {
        ...call,
        at: this.#clock.now(),
        answer: (outcome) => {
          this.open--;
          resolve(outcome);
        },
      };
      this.calls.push(posted);
      const outcome = this.auto?.(posted);
      if (outcome !== undefined) posted.answer(outcome);
    });
  }

  get texts(): string[] {
    return this.calls.map((call) => call.content.text ?? call.content.attachment?.url ?? '');
  }

  last(): PostedCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('Meta was not called');
    return call;
  }
}

export const FAST: Partial<OutboxLimits> = { threadPerSecond: Number.POSITIVE_INFINITY };

export class ClerkWorld {
  readonly clock = new ManualClock();
  readonly log: MemoryLog;
  readonly meta: FakeMeta;
  readonly projection: Projection;
  readonly outbox: Outbox;

  /** @param log a journal that an earlier process left; its records are folded first */
  constructor(options: Partial<OutboxOptions> = {}, log = new MemoryLog()) {
    this.log = log;
    this.meta = new FakeMeta(this.clock);
    this.projection = new Projection({ views: new MemoryViews(), clock: this.clock });
    this.projection.apply(log.records);
    this.outbox = new Outbox({
      append: log,
      post: this.meta,
      states: this.projection,
      clock: this.clock,
      split: (text) => text.split('|'),
      random: () => 0.5,
      limits: FAST,
      sender: 'this',
      ...options,
    });
    log.onCommit = (records) => this.outbox.onRecords(this.projection.apply(records));
    this.outbox.start();
  }

  /** Queues messages named by their text, in one commit. */
  queue(texts: readonly string[], conversation = CONVERSATION): void {
    const at = this.clock.now();
    this.log.commit(
      texts.map((text) => {
        const id = text.replace(/[^A-Za-z0-9]/g, '');
        return newRecord(
          'message.queued',
          { message: id, request: id, by: ANN, text },
          at,
          conversation,
        );
      }),
    );
  }

  echo(metadata: string, mid: string, conversation = CONVERSATION): void {
    const at = this.clock.now();
    this.log.commit([newRecord('message.echo', { mid, at, metadata }, at, conversation)]);
  }

  /** Lets what is under way settle, then time pass. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    await this.clock.advance(ms);
  }

  /** Lets promises settle. */
  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  status(id: string, conversation = CONVERSATION): string | undefined {
    const state = this.projection.get(conversation);
    return state?.outbox.find((message) => message.id === id)?.status;
  }

  count(kind: string): number {
    return this.log.records.filter((record) => record.kind === kind).length;
  }
}

export function userConversation(user: number, page = PAGE): string {
  return `messenger/${page}/${user}`;
}
