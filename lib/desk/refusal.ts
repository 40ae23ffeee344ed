// A domain refusal: a value, never thrown. The codes are those of the agent protocol (contract.md section 4).

export type RefusalCode =
  | 'bad_request'
  | 'not_found'
  | 'taken'
  | 'stale'
  | 'window_closed'
  | 'needs_human_agent'
  | 'too_long'
  | 'rate_limited'
  | 'unavailable';

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A refusal; only waiting helps against rate_limited and unavailable. */
export function refuse(
  code: RefusalCode,
  message: string,
  data?: Readonly<Record<string, unknown>>,
): Refusal {
  const retryable = code === 'rate_limited' || code === 'unavailable';
  return { code, message, retryable, ...(data === undefined ? {} : { data }) };
}
