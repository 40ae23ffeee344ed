// Time as a parameter, so that tests can hold it still. `test/support/manual-clock.ts` is the other one.

/** Longest wait of a timer, in milliseconds: Node, and the native wheel, count them in 31 bits. */
export const TIMER_MS_MAX = 0x7fffffff;

/** A cancellable timer. `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the system clock is set. */
  now(): number;
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonicMs(): number;
  /** Runs `task` once after `ms` milliseconds. The timer does not keep the process alive. */
  after(ms: number, task: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, task) {
    const handle = setTimeout(task, ms);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};
