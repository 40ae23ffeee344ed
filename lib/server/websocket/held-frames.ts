// Frames of one socket that wait in TypeScript, as references: the newest per key while its peer is slow,
// and those behind a fragmented message. Counts their bytes; who may add, and when they leave, is the
// flow's business.

import type { QueueBudget } from './queue-budget.ts';
import { HELD_FRAMES_MAX, KEY_LENGTH_MAX } from './websocket-limits.ts';

export class HeldFrames {
  readonly #budget: QueueBudget;
  /** In the order in which the newest ones were sent. */
  readonly #latest = new Map<string, Uint8Array>();
  #behind: Uint8Array[] = [];
  #bytes = 0;

  constructor(budget: QueueBudget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasLatest(): boolean {
    return this.#latest.size > 0;
  }

  /** Bytes that a new message with this key would replace; -1 when there is no room for the key. */
  replaceable(key: string): number {
    const before = this.#latest.get(key);
    if (before !== undefined) return before.length;
    return this.#latest.size < HELD_FRAMES_MAX && key.length <= KEY_LENGTH_MAX ? 0 : -1;
  }

  /** Keeps a message in place of the one with the same key. @returns whether there was one */
  keepLatest(key: string, frame: Uint8Array): boolean {
    const before = this.#latest.get(key);
    // Deleted first, so that it comes last in the order.
    this.#latest.delete(key);
    this.#latest.set(key, frame);
    this.#count(frame.length - (before?.length ?? 0));
    return before !== undefined;
  }

  /** @returns false when there are HELD_FRAMES_MAX already */
  keepBehind(frames: Uint8Array): boolean {
    if (this.#behind.length >= HELD_FRAMES_MAX) return false;
    this.#behind.push(frames);
    this.#count(frames.length);
    return true;
  }

  /** Takes the oldest of the newest messages. */
  takeLatest(): Uint8Array | undefined {
    for (const [key, frame] of this.#latest) {
      this.#latest.delete(key);
      this.#count(-frame.length);
      return frame;
    }
    return undefined;
  }

  takeBehind(): Uint8Array[] {
    const taken = this.#behind;
    this.#behind = [];
    for (const frames of taken) this.#count(-frames.length);
    return taken;
  }

  clear(): void {
    this.#latest.clear();
    this.#behind = [];
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.heldBytes += bytes;
  }
}
