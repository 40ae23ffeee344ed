// How many connections each key has. A key is there as long as something of it is: the maps are as large
// as what they count, and empty when nothing is open.

import type { ConnectionLease } from '../../net/types.ts';

export class KeyCounts {
  readonly #counts = new Map<string, number>();

  /** Keys that have something open. */
  get size(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Counts one more. @returns what takes it back */
  take(key: string): KeyLease {
    this.#counts.set(key, this.of(key) + 1);
    return new KeyLease(this, key);
  }

  /** For leases. */
  giveBack(key: string): void {
    const count = this.of(key);
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}

export class KeyLease implements ConnectionLease {
  readonly #counts: KeyCounts;
  readonly #key: string;
  #isHeld = true;

  constructor(counts: KeyCounts, key: string) {
    this.#counts = counts;
    this.#key = key;
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#counts.giveBack(this.#key);
  }
}

/** Several leases as one. */
export class LeaseBundle implements ConnectionLease {
  readonly #leases: ConnectionLease[];

  constructor(leases: ConnectionLease[]) {
    this.#leases = leases;
  }

  release(): void {
    for (let lease = this.#leases.pop(); lease !== undefined; lease = this.#leases.pop()) {
      lease.release();
    }
  }
}
