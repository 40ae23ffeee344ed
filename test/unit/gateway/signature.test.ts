// The vectors of messenger.md 2.1 through the native HMAC.

import { describe, expect, test } from 'vitest';
import { createWebhookSignature } from '../../../lib/gateway/signature.ts';

const SECRET = 'test_app_secret_0123456789abcdef';
const BODY = Buffer.from(
  '{"object":"page","entry":[{"id":"100200300400500","time":1790000000123,"messaging":[{"sender":{"id":"7000000000000001"},"recipient":{"id":"100200300400500"},"timestamp":1790000000001,"message":{"mid":"m_test-vector-1","text":"\\u00e4\\u00f6\\u00e5 \\ud83d\\ude00 https:\\/\\/ex.am\\/p"}}]}]}',
);
const DIGEST = '83f782501951ba48640ecc11f81ba9af68f7ad05a997168a64d2f7a55efbe09e';

describe('the webhook signature', () => {
  test('fits exactly the bytes that were signed', () => {
    const signature = createWebhookSignature([SECRET]);
    expect(BODY.length).toBe(283);
    expect(signature.read(`sha256=${DIGEST}`)).toBe(DIGEST);
    expect(signature.verify(BODY, DIGEST)).toBe(true);
    const again = Buffer.from(JSON.stringify(JSON.parse(BODY.toString())));
    expect(signature.verify(again, DIGEST)).toBe(false);
    expect(signature.verify(BODY, DIGEST.replace('8', '9'))).toBe(false);
  });

  test.each([
    undefined,
    '',
    DIGEST,
    `sha1=${DIGEST}`,
    `sha256=${DIGEST}0`,
    `sha256=${DIGEST.slice(1)}`,
    `sha256=${DIGEST.slice(1)}g`,
    `sha256=${DIGEST}, sha256=${DIGEST}`,
  ])('reads %s as none', (header) => {
    expect(createWebhookSignature([SECRET]).read(header)).toBeUndefined();
  });

  test('is taken from any of the secrets', () => {
    expect(createWebhookSignature(['new', SECRET]).verify(BODY, DIGEST)).toBe(true);
    expect(createWebhookSignature(['new']).verify(BODY, DIGEST)).toBe(false);
  });

  test.each([[[]], [['']], [[SECRET, '']]])('refuses the secrets %j', (secrets: string[]) => {
    expect(() => createWebhookSignature(secrets)).toThrow(RangeError);
  });
});
