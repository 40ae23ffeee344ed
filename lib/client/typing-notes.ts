// When a typing note is due: at the first key, then every ten seconds while keys go on, and once at the end.

import type { ClientClock } from './clock.ts';

export const TYPING_REPEAT_MS = 10_000;
/** Conversations whose last note is remembered. */
export const TYPING_KEPT_MAX = 100;

export class TypingNotes {
  readonly #clock: ClientClock;
  readonly #sentAt = new Map<string, number>();

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** Whether a note goes out now; counts it as sent if so. */
  isDue(conversation: string, on: boolean): boolean {
    const sentAt = this.#sentAt.get(conversation);
    if (!on) return this.#sentAt.delete(conversation);
    const now = this.#clock.monotonicMs();
    if (sentAt !== undefined && now - sentAt < TYPING_REPEAT_MS) return false;
    this.#sentAt.set(conversation, now);
    if (this.#sentAt.size > TYPING_KEPT_MAX) {
      for (const oldest of this.#sentAt.keys()) {
        this.#sentAt.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** A message was sent: the note ended by itself. */
  forget(conversation: string): void {
    this.#sentAt.delete(conversation);
  }

  forgetAll(): void {
    this.#sentAt.clear();
  }
}
