// Time for the client: the same shape as the server's Clock, without anything of Node in it.
// Tests pass a manual one.

export interface ClientTimer {
  cancel(): void;
}

export interface ClientClock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds on a clock that never goes back. */
  monotonicMs(): number;
  /** Runs `task` once after `ms` milliseconds. */
  after(ms: number, task: () => void): ClientTimer;
}

export const clientClock: ClientClock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, task) {
    const handle = setTimeout(task, ms);
    return { cancel: () => clearTimeout(handle) };
  },
};
