// How fast each conversation may be written to. A pace outlives the conversation's outbox for a while, or
// an agent who sends one message at a time would never be slowed.

import type { OutboxLimits } from './outbox-limits.ts';
import { TokenBucket } from './token-bucket.ts';

export class OutboxPaces {
  readonly #limits: OutboxLimits;
  /** Insertion order is the order of use. */
  readonly #paces = new Map<string, TokenBucket>();

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#paces.size;
  }

  /** The conversation's bucket; the longest unused one is forgotten above pacesKeptMax. */
  of(conversation: string, monotonicMs: number): TokenBucket {
    const { threadPerSecond, threadBurst, pacesKeptMax } = this.#limits;
    const known = this.#paces.get(conversation);
    const pace = known ?? new TokenBucket(threadPerSecond, threadBurst, monotonicMs);
    this.#paces.delete(conversation);
    this.#paces.set(conversation, pace);
    if (this.#paces.size > pacesKeptMax) {
      const oldest = this.#paces.keys().next().value;
      if (oldest !== undefined) this.#paces.delete(oldest);
    }
    return pace;
  }
}
