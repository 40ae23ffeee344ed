// The clerk's bounds: rates, retries, pauses (messenger.md 5.2 and 6.4). Tests and benches inject others.

export interface OutboxLimits {
  /** Calls to Meta that may be open at once, over all pages. */
  readonly inFlightMax: number;
  /** Per Page, under Meta's brake of 40/s: rate plus burst stay at or below it. */
  readonly pagePerSecond: number;
  readonly pageBurst: number;
  /** Per Page, for attachments, in addition. */
  readonly mediaPerSecond: number;
  readonly mediaBurst: number;
  readonly threadPerSecond: number;
  readonly threadBurst: number;
  /** Conversations whose pace is remembered after their outbox is empty. */
  readonly pacesKeptMax: number;
  /** How long the echo of an unknown outcome is awaited. */
  readonly echoWaitMs: number;
  /** Class R: waits retryFirstMs, doubled each time; tries and time of one round. */
  readonly retryFirstMs: number;
  readonly triesMax: number;
  readonly retrySpanMs: number;
  /**
   * A thread that Meta or another app holds back: wait when Meta names none, and for how long in
   * all.
   */
  readonly threadPauseMs: number;
  readonly threadPauseSpanMs: number;
  /**
   * Class L: doubled with every failed probe up to the maximum; Meta's own figure when it is
   * longer.
   */
  readonly limitPauseMs: number;
  readonly limitPauseMaxMs: number;
  /** Classes T and X: how seldom a Page that a person must mend is probed. */
  readonly alarmPauseMs: number;
  readonly restrictedPauseMs: number;
  /** After a pause the rate climbs from a tenth to the whole in this time. */
  readonly rampMs: number;
  /** The journal cannot take records: first wait and its maximum. */
  readonly appendRetryFirstMs: number;
  readonly appendRetryMaxMs: number;
}

export const OUTBOX_LIMITS: OutboxLimits = {
  inFlightMax: 256,
  pagePerSecond: 35,
  pageBurst: 5,
  mediaPerSecond: 8,
  mediaBurst: 2,
  threadPerSecond: 1,
  threadBurst: 5,
  pacesKeptMax: 10_000,
  echoWaitMs: 30_000,
  retryFirstMs: 1000,
  triesMax: 5,
  retrySpanMs: 120_000,
  threadPauseMs: 60_000,
  threadPauseSpanMs: 3_600_000,
  limitPauseMs: 30_000,
  limitPauseMaxMs: 900_000,
  alarmPauseMs: 300_000,
  restrictedPauseMs: 3_600_000,
  rampMs: 60_000,
  appendRetryFirstMs: 100,
  appendRetryMaxMs: 5000,
};
