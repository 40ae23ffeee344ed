// The GET with which Meta checks that a callback address is ours (messenger.md 1.1).

import { createHash, timingSafeEqual } from 'node:crypto';
import { CHALLENGE_BYTES_MAX } from './limits.ts';

export interface VerificationAnswer {
  readonly status: 200 | 400 | 403;
  /** text/plain; the challenge verbatim with 200. */
  readonly body: string;
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * @param query the query of the request: hub.mode, hub.verify_token, hub.challenge
 * @param verifyToken the configured token; an empty one never matches
 */
export function answerVerification(
  query: URLSearchParams,
  verifyToken: string,
): VerificationAnswer {
  const token = query.get('hub.verify_token') ?? '';
  const isSubscribe = query.get('hub.mode') === 'subscribe';
  if (verifyToken === '' || !isSameSecret(token, verifyToken) || !isSubscribe) {
    return { status: 403, body: 'Forbidden' };
  }
  const challenge = query.get('hub.challenge') ?? '';
  const bytes = Buffer.byteLength(challenge);
  if (bytes === 0 || bytes > CHALLENGE_BYTES_MAX || CONTROL.test(challenge)) {
    return { status: 400, body: 'Bad challenge' };
  }
  return { status: 200, body: challenge };
}

/**
 * Hashing first gives both sides one length, so that neither length nor content shows in the
 * time.
 */
function isSameSecret(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
