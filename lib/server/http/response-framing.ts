// How a client is told where a body ends (RFC 9112 section 6.3): which way, and the fields for it.

import { isBodiless } from '../../http/response-head.ts';

/** How the end of the body is told. */
export type Framing = 'undecided' | 'none' | 'length' | 'chunked' | 'close';

/** What is known of a response when its head is written. */
export interface BodyFacts {
  readonly status: number;
  /** As the handler declared it; -1 when it did not. */
  readonly declaredLength: number;
  readonly minorVersion: number;
}

/**
 * The field of a response in one piece.
 * @param length of the body; -1 when it is not known, as of a HEAD without one
 * @param declared as of BodyFacts
 */
export function wholeField(status: number, declared: number, length: number): string {
  if (status === 204) return '';
  if (status === 205) return lengthField(0);
  if (status === 304 || length < 0) return declared < 0 ? '' : lengthField(declared);
  return lengthField(declared < 0 ? length : declared);
}

/** The way of a response whose length is not known yet, or was declared. */
export function streamedFraming({ status, declaredLength, minorVersion }: BodyFacts): Framing {
  if (isBodiless(status)) return 'none';
  if (declaredLength >= 0) return 'length';
  return minorVersion === 0 ? 'close' : 'chunked';
}

/** The field of a response that streamedFraming() has judged. */
export function streamedField(framing: Framing, { status, declaredLength }: BodyFacts): string {
  if (framing === 'length') return lengthField(declaredLength);
  if (framing === 'chunked') return 'Transfer-Encoding: chunked\r\n';
  return status === 205 ? lengthField(0) : '';
}

function lengthField(length: number): string {
  return `Content-Length: ${length}\r\n`;
}
