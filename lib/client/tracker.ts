// Where the client stands in the journal: its position for a resume, and the last event of each conversation,
// so that a doubled event is dropped and a missing one is noticed (contract.md, "Joining", "Order").

import type { ConversationView, EventMessage, Position } from './protocol.ts';

/**
 * Conversations whose last event is remembered; of older ones the next `prev` is checked less
 * closely.
 */
export const HEADS_MAX = 20_000;

export type Tracked =
  | { readonly outcome: 'new' }
  | { readonly outcome: 'duplicate' }
  | { readonly outcome: 'gap'; readonly after: number; readonly prev: number };

export class Tracker {
  readonly #headsMax: number;
  /** Conversation to the seq of its last event, in order of use. */
  readonly #heads = new Map<string, number>();
  /** Conversations without a head have no event above this seq that we do not know. */
  #floor = 0;
  #epoch = '';
  #scope = '';
  #seq = 0;
  #isHeld = false;

  constructor(headsMax: number = HEADS_MAX) {
    this.#headsMax = headsMax;
  }

  /** What `hello` says; undefined while no complete state is held. */
  get since(): Position | undefined {
    return this.#isHeld ? { epoch: this.#epoch, seq: this.#seq, scope: this.#scope } : undefined;
  }

  get seq(): number {
    return this.#seq;
  }

  welcome(message: {
    readonly epoch: string;
    readonly scope: string;
    readonly recovered: boolean;
  }): void {
    this.#epoch = message.epoch;
    this.#scope = message.scope;
    if (!message.recovered) this.forget();
  }

  /** Drops the position: the next hello asks for a snapshot. */
  forget(): void {
    this.#isHeld = false;
    this.#heads.clear();
    this.#floor = 0;
    this.#seq = 0;
  }

  snapshot(conversations: readonly ConversationView[], seq: number, isLast: boolean): void {
    for (const view of conversations) this.#setHead(view.conversation, view.seq);
    if (!isLast) return;
    this.#seq = seq;
    this.#floor = Math.max(this.#floor, seq);
    this.#isHeld = true;
  }

  position(seq: number): void {
    if (this.#isHeld && seq > this.#seq) this.#seq = seq;
  }

  /** Judges an event and, when it is new, moves the position to it. */
  event(event: EventMessage): Tracked {
    if (event.seq <= this.#seq) return { outcome: 'duplicate' };
    const head = this.#heads.get(event.conversation);
    const known = head ?? this.#floor;
    if (event.prev > known) return { outcome: 'gap', after: known, prev: event.prev };
    this.#seq = event.seq;
    // The snapshot's object of this conversation already includes it.
    if (head !== undefined && event.seq <= head) return { outcome: 'duplicate' };
    this.#setHead(event.conversation, event.seq);
    return { outcome: 'new' };
  }

  #setHead(conversation: string, seq: number): void {
    this.#heads.delete(conversation);
    this.#heads.set(conversation, seq);
    if (this.#heads.size <= this.#headsMax) return;
    for (const [oldest, head] of this.#heads) {
      this.#heads.delete(oldest);
      this.#floor = Math.max(this.#floor, head);
      return;
    }
  }
}
