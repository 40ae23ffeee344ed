// Errors of the HTTP side as application/problem+json (contract.md section 3). One table, two writers.

import type { ServerResponse } from '../server/types.ts';

/**
 * Codes of contract.md section 3 with their status, their title, and whether a repetition may
 * help.
 */
export const PROBLEMS = {
  bad_request: { status: 400, title: 'Bad request', retryable: false },
  unauthorized: { status: 401, title: 'Unauthorized', retryable: false },
  forbidden: { status: 403, title: 'Forbidden', retryable: false },
  not_found: { status: 404, title: 'Not found', retryable: false },
  method_not_allowed: { status: 405, title: 'Method not allowed', retryable: false },
  too_large: { status: 413, title: 'Too large', retryable: false },
  unsupported: { status: 422, title: 'Unsupported', retryable: false },
  rate_limited: { status: 429, title: 'Too many', retryable: true },
  internal: { status: 500, title: 'Internal error', retryable: true },
  unavailable: { status: 503, title: 'Unavailable', retryable: true },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** The body of a problem: a JSON object as text. */
export function problemBody(code: ProblemCode, detail: string): string {
  const { status, title, retryable } = PROBLEMS[code];
  const type = `urn:sluice:error:${code}`;
  return JSON.stringify({ type, title, status, detail, code, retryable });
}

/**
 * Answers with a problem. Headers that belong to it (Allow, Retry-After) are set by the caller before.
 * @param detail one sentence for a person; never a secret, never what the client sent
 */
export function sendProblem(response: ServerResponse, code: ProblemCode, detail: string): void {
  if (response.headSent) return;
  if (code === 'unauthorized') response.header('WWW-Authenticate', 'Bearer');
  response
    .status(PROBLEMS[code].status)
    .header('Content-Type', 'application/problem+json')
    .header('Cache-Control', 'no-store')
    .end(problemBody(code, detail));
}

/** The code that stands for a refused handshake's status. */
export function problemOfStatus(status: number): ProblemCode {
  for (const code of Object.keys(PROBLEMS) as ProblemCode[]) {
    if (PROBLEMS[code].status === status) return code;
  }
  return 'internal';
}
