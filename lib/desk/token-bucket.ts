// A token bucket on a clock that its owner reads: so many at once, so many per second after that.

/** Sums of fractions must not leave the bucket a hair below one token. */
const ROUNDING = 1e-6;

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /**
   * @param perSecond tokens that come back each second; Infinity: never waits
   * @param burst tokens at once, at least 1
   * @param nowMs monotonic milliseconds
   */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = nowMs;
  }

  /**
   * Milliseconds until a token is there, 0 when one is. @param share of the rate that holds now,
   * 0 to 1
   */
  waitMs(nowMs: number, share = 1): number {
    this.#refill(nowMs, share);
    if (this.#tokens >= 1) return 0;
    const waitMs = ((1 - this.#tokens) * 1000) / (this.#perSecond * share);
    return Math.max(1, Math.ceil(waitMs - ROUNDING));
  }

  /** Takes one; may only be called when waitMs is 0. */
  take(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  #refill(nowMs: number, share: number): void {
    if (this.#perSecond === Number.POSITIVE_INFINITY) {
      this.#tokens = this.#burst;
      return;
    }
    const gained = (Math.max(0, nowMs - this.#at) * this.#perSecond * share) / 1000;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    if (this.#tokens > 1 - ROUNDING && this.#tokens < 1) this.#tokens = 1;
    this.#at = nowMs;
  }
}
