// The webhook's signature with the engine's HMAC: the body is hashed where it lies, in the receive slab.

import { parseSignatureHeader } from '../messenger/signature.ts';
import { HmacKey } from '../native/bytes.ts';

export interface WebhookSignature {
  /** The digest in a well-formed header, as hex; undefined: no need to read the body. */
  read(header: string | undefined): string | undefined;
  /** Constant time for each secret. @param body raw bytes as they came */
  verify(body: Buffer, digest: string): boolean;
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
    read: parseSignatureHeader,
    verify(body, digest) {
      for (const key of keys) if (key.verify(body, 0, body.length, digest)) return true;
      return false;
    },
  };
}
