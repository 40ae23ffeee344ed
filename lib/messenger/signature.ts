// X-Hub-Signature-256: HMAC-SHA256 of the raw body with the app's secret (messenger.md 2.1).
// The header's form is checked before a body is read; the comparison takes the same time for every digest.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { HmacKey } from '../native/bytes.ts';

/** Decides whether a body was signed with one of the secrets. */
export interface SignatureVerifier {
  /**
   * @param body the raw bytes as they came, never a re-serialised copy
   * @param header value of X-Hub-Signature-256; undefined, or of another form, is never valid
   */
  verify(body: Uint8Array, header: string | undefined): boolean;
  /** The same with what parseSignatureHeader() made of the header before the body came. */
  verifyDigest(body: Uint8Array, digest: string): boolean;
}

/** One secret, ready to check. */
export interface KeyedMac {
  /** Constant time. @param hex 64 hexadecimal digits */
  verify(body: Uint8Array, hex: string): boolean;
}

export type MacFactory = (secret: string) => KeyedMac;

const PREFIX = 'sha256=';
const HEADER = /^sha256=[0-9a-fA-F]{64}$/;

/**
 * The 64 hex digits of a well-formed header, else undefined. Cheap enough to run before the body
 * is read.
 */
export function parseSignatureHeader(value: string | undefined): string | undefined {
  return value !== undefined && HEADER.test(value) ? value.slice(PREFIX.length) : undefined;
}

/**
 * HMAC of the addon: its pads are computed once per secret, which halves the cost of small
 * bodies.
 */
export const nativeMac: MacFactory = (secret) => {
  const key = new HmacKey(secret);
  return { verify: (body, hex) => key.verify(body, 0, body.length, hex) };
};

/** HMAC of node:crypto. */
export const nodeMac: MacFactory = (secret) => ({
  verify(body, hex) {
    const digest = createHmac('sha256', secret).update(body).digest();
    return timingSafeEqual(digest, Buffer.from(hex, 'hex'));
  },
});

/**
 * @param secrets current and previous app secrets, tried in order; at least one, none empty
 * @throws RangeError when there is no secret or an empty one: such a verifier would accept forgeries
 */
export function createSignatureVerifier(
  secrets: readonly string[],
  mac: MacFactory = nodeMac,
): SignatureVerifier {
  if (secrets.length === 0 || secrets.includes('')) {
    throw new RangeError('A signature verifier needs at least one secret, and none may be empty.');
  }
  const keys = secrets.map(mac);
  const verifyDigest = (body: Uint8Array, digest: string): boolean => {
    for (const key of keys) if (key.verify(body, digest)) return true;
    return false;
  };
  return {
    verifyDigest,
    verify(body, header) {
      const digest = parseSignatureHeader(header);
      return digest !== undefined && verifyDigest(body, digest);
    },
  };
}

/** The header for a body, as Meta computes it: for the simulator and for tests. */
export function signBody(secret: string, body: Uint8Array): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}
