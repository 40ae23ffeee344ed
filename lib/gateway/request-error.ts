// A refused request: it becomes a reply, the session goes on (a Disconnect ends it).

/** The error codes of contract.md section 4 with whether a repetition may help. */
export const REPLY_CODES = {
  bad_request: false,
  unauthorized: false,
  forbidden: false,
  not_found: false,
  id_reused: false,
  taken: false,
  stale: false,
  window_closed: false,
  needs_human_agent: false,
  too_long: false,
  rate_limited: true,
  page_paused: true,
  recipient_unavailable: false,
  not_owner: false,
  rejected: false,
  unsupported: false,
  unavailable: true,
  internal: true,
} as const;

export type ReplyCode = keyof typeof REPLY_CODES;

/** Thrown by a request's handler. @param details the `data` of the reply's error, as JSON text */
export class RequestError extends Error {
  readonly code: ReplyCode;
  readonly details: string | undefined;

  constructor(code: ReplyCode, message: string, details?: string) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
    this.details = details;
  }
}

/** The `error` object of a reply as JSON text. */
export function errorText(error: RequestError): string {
  const retryable = REPLY_CODES[error.code];
  const base = `{"code":"${error.code}","message":${JSON.stringify(error.message)},"retryable":${retryable}`;
  return error.details === undefined ? `${base}}` : `${base},"data":${error.details}}`;
}
