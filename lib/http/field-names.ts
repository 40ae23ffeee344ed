// Interned lower-case field names: the common ones are found by a hash that the scanner computes while
// it reads, so that no string is made of them and the rooms above compare pointers.

import { TOKEN_LOWER } from './characters.ts';

const COMMON_NAMES = [
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'access-control-request-headers',
  'access-control-request-method',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'dnt',
  'expect',
  'forwarded',
  'from',
  'host',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'last-event-id',
  'max-forwards',
  'origin',
  'pragma',
  'priority',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'referer',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'upgrade-insecure-requests',
  'user-agent',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-hub-signature',
  'x-hub-signature-256',
  'x-real-ip',
  'x-request-id',
] as const;

const BUCKET_MASK = 255;

const BUCKETS: readonly (readonly string[])[] = bucketsOf(COMMON_NAMES);

/** One step of the hash over the lower-case bytes of a name; it begins with 0. */
export function hashStep(hash: number, lowerByte: number): number {
  return (Math.imul(hash, 31) + lowerByte) | 0;
}

/**
 * The interned name whose bytes stand in `bytes[start, end)`, in any case.
 * @param hash hashStep over the bytes in lower case
 * @returns undefined when it is not one of the common names
 */
export function internFieldName(
  bytes: Uint8Array,
  start: number,
  end: number,
  hash: number,
): string | undefined {
  const bucket = BUCKETS[hash & BUCKET_MASK];
  if (bucket === undefined) return undefined;
  for (const name of bucket) {
    if (name.length === end - start && isSameName(name, bytes, start)) return name;
  }
  return undefined;
}

function isSameName(name: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i++) {
    if (TOKEN_LOWER[bytes[start + i] ?? 0] !== name.charCodeAt(i)) return false;
  }
  return true;
}

function bucketsOf(names: readonly string[]): string[][] {
  const buckets: string[][] = Array.from({ length: BUCKET_MASK + 1 }, () => []);
  for (const name of names) {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
    buckets[hash & BUCKET_MASK]?.push(name);
  }
  return buckets;
}
