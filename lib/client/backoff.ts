// What a close code asks of the client (contract.md section 4, the table of close codes), and how long
// it waits. Pure: no timer, no socket.

export const RETRY_BASE_MS = 1_000;
export const RETRY_MAX_MS = 30_000;
/** 1013: the server could not write to us; it wants a moment. */
export const OVERLOAD_MIN_MS = 1_000;
/** 1002, 1003, 1007-1009: something that we sent was at fault. */
export const FAULT_BASE_MS = 5_000;
/** A drain that asks for longer than this is shortened. */
export const DRAIN_MAX_MS = 120_000;

export type StopReason =
  /** `close()` was called, or the server closed with 1000. */
  | 'closed'
  /** The token was refused and there is no other. */
  | 'unauthorized'
  /** 403 or 4403: this origin or this agent may not. */
  | 'forbidden'
  /** 4409: the same session is open elsewhere. */
  | 'replaced'
  /** 4400 and unknown codes of that range: we do not speak the same protocol. */
  | 'protocol';

export type CloseVerdict =
  | { readonly kind: 'stop'; readonly reason: StopReason }
  /** 4401: only with another token. */
  | { readonly kind: 'renew' }
  | {
      readonly kind: 'retry';
      readonly delay: 'jitter' | 'drain' | 'overload' | 'fault';
      /** False: what was written on this connection and not answered is not written again. */
      readonly repeats: boolean;
    };

const FAULT_CODES: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009]);

/** What to do after the connection closed with `code`. */
export function verdictOf(code: number): CloseVerdict {
  if (code === 1000) return { kind: 'stop', reason: 'closed' };
  if (code === 1012) return { kind: 'retry', delay: 'drain', repeats: true };
  if (code === 1013) return { kind: 'retry', delay: 'overload', repeats: true };
  if (FAULT_CODES.has(code)) return { kind: 'retry', delay: 'fault', repeats: false };
  if (code === 4401) return { kind: 'renew' };
  if (code === 4403) return { kind: 'stop', reason: 'forbidden' };
  if (code === 4409) return { kind: 'stop', reason: 'replaced' };
  if (code >= 4400) return { kind: 'stop', reason: 'protocol' };
  return { kind: 'retry', delay: 'jitter', repeats: true };
}

/**
 * The wait before the next attempt, in milliseconds.
 * @param delay which row of the table
 * @param attempt 0 for the first attempt after a good connection
 * @param random uniform in [0, 1)
 * @param drainMs what the server's `drain` asked for, if it did
 */
export function delayOf(
  delay: 'jitter' | 'drain' | 'overload' | 'fault',
  attempt: number,
  random: () => number,
  drainMs: number | undefined,
): number {
  const jitter = random() * Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 16));
  switch (delay) {
    case 'drain':
      return drainMs === undefined ? jitter : Math.max(0, Math.min(drainMs, DRAIN_MAX_MS));
    case 'overload':
      return OVERLOAD_MIN_MS + jitter;
    case 'fault':
      return Math.min(RETRY_MAX_MS, FAULT_BASE_MS * 2 ** Math.min(attempt, 16)) + jitter;
    case 'jitter':
      return jitter;
  }
}
