// One Page's gate: conversations that are ready to send, in two lanes (text, media), let through under the
// Page's rates, or not at all while the Page is paused.
//
//   open -- refused for the whole Page --> paused -- time is up --> probing (one call)
//    ^                                       ^                        |        |
//    '------------- sent, or refused for the message alone -----------|--------'
//                                            '--- refused again ------'

import type { OutboxLimits } from './outbox-limits.ts';
import { TokenBucket } from './token-bucket.ts';

export type PauseReason = 'limit' | 'token' | 'permission' | 'restricted' | 'rate' | 'mapping';
export type Lane = 'text' | 'media';

export interface Pause {
  readonly page: string;
  readonly why: PauseReason;
  readonly until: number;
}

/**
 * What the gate says: let this one go, ask again after a while, or nothing to do until something
 * changes.
 */
export type GateAnswer =
  | { readonly kind: 'go'; readonly conversation: string; readonly isProbe: boolean }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'idle' };

const IDLE: GateAnswer = { kind: 'idle' };

export class PageGate {
  readonly page: string;
  readonly #limits: OutboxLimits;
  readonly #random: () => number;
  readonly #ready: Readonly<Record<Lane, Set<string>>> = { text: new Set(), media: new Set() };
  readonly #bucket: TokenBucket;
  readonly #mediaBucket: TokenBucket;
  #mode: 'open' | 'paused' | 'probing' = 'open';
  #until = 0;
  #why: PauseReason = 'limit';
  #pauses = 0;
  #isProbeOut = false;
  #rampFrom = Number.NEGATIVE_INFINITY;
  #hasHeard = false;

  constructor(page: string, limits: OutboxLimits, random: () => number, monotonicMs: number) {
    this.page = page;
    this.#limits = limits;
    this.#random = random;
    this.#bucket = new TokenBucket(limits.pagePerSecond, limits.pageBurst, monotonicMs);
    this.#mediaBucket = new TokenBucket(limits.mediaPerSecond, limits.mediaBurst, monotonicMs);
  }

  /** The pause that holds, while it does or is being probed. */
  get pause(): Pause | undefined {
    if (this.#mode === 'open') return undefined;
    return { page: this.page, why: this.#why, until: this.#until };
  }

  /** Nobody is in line. */
  get isEmpty(): boolean {
    return this.#ready.text.size === 0 && this.#ready.media.size === 0;
  }

  /** Lines a conversation up; one that waits in a lane keeps its place. */
  add(conversation: string, lane: Lane): void {
    this.#ready[lane === 'text' ? 'media' : 'text'].delete(conversation);
    this.#ready[lane].add(conversation);
  }

  remove(conversation: string): void {
    this.#ready.text.delete(conversation);
    this.#ready.media.delete(conversation);
  }

  /**
   * Whose turn it is. 'go' takes the conversation out of line; the caller says `begin` when it calls Meta.
   * @param now ms of the clock that pauses are kept in
   * @param monotonicMs ms of the clock that rates are kept in
   */
  next(now: number, monotonicMs: number): GateAnswer {
    if (this.#mode === 'paused') {
      if (now < this.#until) return { kind: 'wait', waitMs: this.#until - now };
      this.#mode = 'probing';
    }
    if (this.#mode === 'probing')
      return this.#isProbeOut ? IDLE : this.#take('text', 'media', true);
    return this.#nextOpen(now, monotonicMs);
  }

  /** A call of this Page is about to be made. */
  begin(lane: Lane, isProbe: boolean): void {
    this.#bucket.take();
    if (lane === 'media') this.#mediaBucket.take();
    if (isProbe) this.#isProbeOut = true;
  }

  /**
   * A call that `begin` announced ended without telling anything about the Page (none was made,
   * unknown, retry).
   */
  endSilent(now: number, isProbe: boolean, wasCalled: boolean): void {
    if (!isProbe) return;
    this.#isProbeOut = false;
    if (wasCalled) this.#pauseUntil(now + this.#jittered(this.#limits.limitPauseMs));
  }

  /** The Page works. @returns true when that ended a pause */
  endWell(now: number, isProbe: boolean): boolean {
    this.#hasHeard = true;
    if (!isProbe) return false;
    this.#isProbeOut = false;
    this.#mode = 'open';
    this.#pauses = 0;
    this.#rampFrom = now;
    return true;
  }

  /** Meta refused for the whole Page. @returns until when it is paused */
  endPaused(now: number, isProbe: boolean, why: PauseReason, retryAfterMs = 0): number {
    this.#hasHeard = true;
    if (isProbe) this.#isProbeOut = false;
    if (this.#mode === 'open' || isProbe) this.#pauses++;
    this.#why = why;
    this.#pauseUntil(now + Math.max(retryAfterMs, this.#jittered(this.#pauseMs(why))));
    return this.#until;
  }

  /**
   * After a restart: what an earlier process left says that the Page was paused. Never against
   * fresher news.
   */
  recoverPause(until: number, why: PauseReason): void {
    if (this.#hasHeard) return;
    this.#why = why;
    this.#pauseUntil(until);
  }

  /** Somebody mended the Page: the next message probes it at once. */
  resume(now: number): void {
    this.#hasHeard = true;
    if (this.#mode === 'paused') this.#until = now;
  }

  #nextOpen(now: number, monotonicMs: number): GateAnswer {
    const { text, media } = this.#ready;
    if (text.size === 0 && media.size === 0) return IDLE;
    const share = Math.min(
      1,
      0.1 + (0.9 * (now - this.#rampFrom)) / Math.max(1, this.#limits.rampMs),
    );
    const waitMs = this.#bucket.waitMs(monotonicMs, share);
    if (waitMs > 0) return { kind: 'wait', waitMs };
    const mediaWaitMs = media.size === 0 ? 0 : this.#mediaBucket.waitMs(monotonicMs, share);
    if (media.size > 0 && mediaWaitMs === 0) return this.#take('media', 'text', false);
    if (text.size > 0) return this.#take('text', 'media', false);
    return { kind: 'wait', waitMs: mediaWaitMs };
  }

  #take(first: Lane, second: Lane, isProbe: boolean): GateAnswer {
    const lane = this.#ready[first].size > 0 ? first : second;
    const conversation = this.#ready[lane].values().next().value;
    if (conversation === undefined) return IDLE;
    this.#ready[lane].delete(conversation);
    return { kind: 'go', conversation, isProbe };
  }

  #pauseUntil(until: number): void {
    this.#until = this.#mode === 'paused' ? Math.max(this.#until, until) : until;
    this.#mode = 'paused';
  }

  #pauseMs(why: PauseReason): number {
    const { alarmPauseMs, restrictedPauseMs, limitPauseMs, limitPauseMaxMs } = this.#limits;
    if (why === 'restricted') return restrictedPauseMs;
    if (why !== 'limit' && why !== 'rate') return alarmPauseMs;
    return Math.min(limitPauseMaxMs, limitPauseMs * 2 ** Math.max(0, this.#pauses - 1));
  }

  #jittered(ms: number): number {
    return Math.round(ms * (1 + 0.2 * this.#random()));
  }
}
