// Where each conversation's last records are. Everything newer than the views' mark is held here, older
// conversations are an LRU in front of the views: memory is bounded by headsMax plus the lag.

import type { ConversationHead, JournalRecord } from './types.ts';

interface HeldHead {
  last: number;
  fence: number;
  /** seq of the newest record that changed it; 0 when it came from the views. */
  touched: number;
}

export interface HeadsSource {
  /** The head as of the views. */
  readonly viewed: (conversation: string) => ConversationHead | undefined;
  /** The views hold everything up to this seq. */
  readonly mark: () => number;
  /** Stored records from seq on, a page at a time; empty at the end. */
  readonly read: (from: number) => readonly JournalRecord[];
}

export class ConversationHeads {
  readonly #source: HeadsSource;
  readonly #headsMax: number;
  /** In the order of their last change, oldest first. */
  readonly #held = new Map<string, HeldHead>();
  #isLoaded = false;

  constructor(source: HeadsSource, headsMax: number) {
    this.#source = source;
    this.#headsMax = headsMax;
  }

  get size(): number {
    return this.#held.size;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /**
   * Reads what the views do not know yet. Cheap when done already; call it before anything else.
   */
  load(): void {
    if (this.#isLoaded) return;
    for (let from = this.#source.mark() + 1; ; ) {
      const records = this.#source.read(from);
      for (const record of records) this.#move(record.conversation, record.seq, record);
      const newest = records.at(-1);
      if (newest === undefined) break;
      from = newest.seq + 1;
    }
    this.#isLoaded = true;
  }

  head(conversation: string): ConversationHead {
    return this.#held.get(conversation) ?? this.#fetch(conversation);
  }

  /** Notes a record that was given this seq. @returns its `prev` */
  advance(
    conversation: string,
    seq: number,
    kind: { readonly fences?: boolean; readonly internal?: boolean },
  ): number {
    return this.#move(conversation, seq, kind);
  }

  /** Forgets everything, so that a transaction that was rolled back leaves no trace. */
  reset(): void {
    this.#held.clear();
    this.#isLoaded = false;
  }

  #move(
    conversation: string,
    seq: number,
    kind: { readonly fences?: boolean; readonly internal?: boolean },
  ): number {
    const head = this.#held.get(conversation) ?? this.#fetch(conversation);
    const prev = head.last;
    if (kind.internal !== true) head.last = seq;
    if (kind.fences === true) head.fence = seq;
    head.touched = seq;
    this.#held.delete(conversation);
    this.#held.set(conversation, head);
    return prev;
  }

  #fetch(conversation: string): HeldHead {
    const viewed = this.#source.viewed(conversation);
    const head = { last: viewed?.last ?? 0, fence: viewed?.fence ?? 0, touched: 0 };
    this.#held.set(conversation, head);
    if (this.#held.size > this.#headsMax) this.#evict();
    return head;
  }

  /** From the oldest on, up to the first one that only memory knows. */
  #evict(): void {
    const mark = this.#source.mark();
    for (const [conversation, head] of this.#held) {
      if (this.#held.size <= this.#headsMax || head.touched > mark) return;
      this.#held.delete(conversation);
    }
  }
}
