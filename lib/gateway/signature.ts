// The webhook's signature with the engine's HMAC: the body is hashed where it lies, in the receive slab.

import { parseSignatureHeader } from '../messenger/signature.ts';
import { HmacKey } from '../native/bytes.ts';

export interface WebhookSignature {
  isWellFormed(header: string): boolean;
  /** Constant time for each secret. @param body raw bytes as they came */
  verify(body: Buffer, header: string): boolean;
}

/**
 * @param secrets current and previous app secrets
 * @throws RangeError when there is none or an empty one: it would accept forgeries
 */
export function createWebhookSignature(secrets: readonly string[]): WebhookSignature {
  if (secrets.length === 0 || secrets.includes('')) {
    throw new RangeError('A signature needs at least one secret, and none may be empty.');
  }
  const keys = secrets.map((secret) => new HmacKey(secret));
  return {
    isWellFormed: (header) => parseSignatureHeader(header) !== undefined,
    verify(body, header) {
      const hex = parseSignatureHeader(header);
      if (hex === undefined) return false;
      for (const key of keys) if (key.verify(body, 0, body.length, hex)) return true;
      return false;
    },
  };
}
