// So many events per second on average, and as many at once: for the server, and for each address.
// One number per key, the moment up to which its allowance is spent (a leaky bucket kept as a
// meter); a key that was quiet for a second has nothing to remember and is forgotten.

const SECOND_MS = 1000;
/** Addresses remembered per half; a new half is begun early when it is full. */
export const RATE_ADDRESSES_MAX = 65_536;

/** @param spentUntil monotonic ms @returns the new moment, or undefined when nothing is left */
function spend(spentUntil: number, perSecond: number, now: number): number | undefined {
  const next = Math.max(spentUntil, now) + SECOND_MS / perSecond;
  // A hair above the second, since the steps do not add up to it exactly.
  return next - now > SECOND_MS + 1e-6 ? undefined : next;
}

export class Rate {
  #spentUntil = 0;

  /** @param now monotonic ms @returns false when the second's allowance is spent */
  take(perSecond: number, now: number): boolean {
    const next = spend(this.#spentUntil, perSecond, now);
    if (next === undefined) return false;
    this.#spentUntil = next;
    return true;
  }
}

export class AddressRates {
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #turnedAt = 0;

  /** Addresses that are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  take(key: string, perSecond: number, now: number): boolean {
    this.#turn(now);
    const spentUntil = this.#young.get(key) ?? this.#old.get(key) ?? 0;
    const next = spend(spentUntil, perSecond, now);
    if (next === undefined) return false;
    this.#young.set(key, next);
    return true;
  }

  /** What lies in the old half when it is dropped was last touched a second ago at least. */
  #turn(now: number): void {
    const isOver = now - this.#turnedAt >= SECOND_MS;
    // Full: the addresses seen longest ago get a fresh allowance. Memory is bounded, nobody is locked out.
    if (!isOver && this.#young.size < RATE_ADDRESSES_MAX) return;
    this.#old = now - this.#turnedAt >= 2 * SECOND_MS ? new Map() : this.#young;
    this.#young = new Map();
    this.#turnedAt = now;
  }
}
