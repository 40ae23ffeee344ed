// How Meta writes: ASCII with lower-case escapes, slashes escaped, a signature over exactly those bytes.
// The simulator computes all of it itself, so that it can find the gateway wrong.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** JSON as it arrives from Meta: `\u00e4` for 'ä', `\/` for '/'. */
export function writeLikeMeta(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('/', String.raw`\/`)
    .replace(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
}

/** Value of X-Hub-Signature-256. */
export function signatureOf(body: string, appSecret: string): string {
  return `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`;
}

/** Whether `proof` is the appsecret_proof of the token. */
export function isProof(proof: string, token: string, appSecret: string): boolean {
  const wanted = Buffer.from(createHmac('sha256', appSecret).update(token).digest('hex'));
  const given = Buffer.from(proof);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Opaque and case-sensitive, like Meta's. */
export function newMid(): string {
  return `m_${randomBytes(48).toString('base64url')}`;
}

export function newTraceId(): string {
  return `A${randomBytes(12).toString('base64url')}`;
}

/** A number where Meta writes one: app ids in echoes. */
export function numericId(id: string): number | string {
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : id;
}
