// Refusals in the envelope of the Graph API (messenger.md 5.1).

import { newTraceId } from './wire.ts';

export interface GraphRefusal {
  readonly status: number;
  readonly code: number;
  readonly subcode?: number;
  readonly type: string;
  readonly message: string;
  readonly transient?: boolean;
}

export function refusal(code: number, message: string, subcode?: number): GraphRefusal {
  const shared = { status: 400, code, type: 'OAuthException', message: `(#${code}) ${message}` };
  return subcode === undefined ? shared : { ...shared, subcode };
}

export const REFUSALS = {
  token: refusal(190, 'Invalid OAuth access token.', 467),
  proof: refusal(104, 'The proof does not belong to the token.'),
  object: refusal(100, 'Unsupported request: the object does not exist or is not visible.', 33),
  user: refusal(100, 'No matching user found.', 2018001),
  window: refusal(10, 'The message is sent outside of the allowed window.', 2018278),
  both: refusal(100, 'A message and a sender action cannot come together.', 2018014),
} as const;

export function invalid(why: string): GraphRefusal {
  return refusal(100, why);
}

export function envelopeOf(error: GraphRefusal): unknown {
  return {
    error: {
      message: error.message,
      type: error.type,
      code: error.code,
      ...(error.subcode === undefined ? undefined : { error_subcode: error.subcode }),
      ...(error.transient === undefined ? undefined : { is_transient: error.transient }),
      fbtrace_id: newTraceId(),
    },
  };
}
