// The read marks that were already sent, so that one that says nothing new is not.

/**
 * Conversations whose mark is remembered; beyond it a mark may be sent twice, which changes
 * nothing.
 */
export const SEEN_MARKS_MAX = 5_000;

export class SeenMarks {
  readonly #marks = new Map<string, number>();

  /** Whether the mark goes further than the last one; remembers it if so. */
  isNews(conversation: string, seq: number): boolean {
    const before = this.#marks.get(conversation);
    if (before !== undefined && before >= seq) return false;
    if (this.#marks.size >= SEEN_MARKS_MAX) this.#marks.clear();
    this.#marks.set(conversation, seq);
    return true;
  }

  /** It did not arrive. */
  undo(conversation: string, seq: number): void {
    if (this.#marks.get(conversation) === seq) this.#marks.delete(conversation);
  }

  /** Another journal may count from the beginning. */
  clear(): void {
    this.#marks.clear();
  }
}
