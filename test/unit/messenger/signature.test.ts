// Vectors of the reference (messenger.md 2.1): the exact bytes count, and nothing else.

import { describe, expect, test } from 'vitest';
import {
  createSignatureVerifier,
  nativeMac,
  nodeMac,
  parseSignatureHeader,
  signBody,
} from '../../../lib/messenger/signature.ts';

const SECRET = 'test_app_secret_0123456789abcdef';
const BODY = Buffer.from(
  String.raw`{"object":"page","entry":[{"id":"100200300400500","time":1790000000123,"messaging":[{"sender":{"id":"7000000000000001"},"recipient":{"id":"100200300400500"},"timestamp":1790000000001,"message":{"mid":"m_test-vector-1","text":"\u00e4\u00f6\u00e5 \ud83d\ude00 https:\/\/ex.am\/p"}}]}]}`,
);
const DIGEST = '83f782501951ba48640ecc11f81ba9af68f7ad05a997168a64d2f7a55efbe09e';
const HEADER = `sha256=${DIGEST}`;

describe('signature', () => {
  test.each([
    ['node:crypto', nodeMac],
    ['the addon', nativeMac],
  ])('accepts the vector of the reference and nothing else with %s', (_name, mac) => {
    const verifier = createSignatureVerifier([SECRET], mac);
    expect(verifier.verify(BODY, HEADER)).toBe(true);
    expect(verifier.verify(BODY, HEADER.toUpperCase().replace('SHA256', 'sha256'))).toBe(true);
    expect(verifier.verify(BODY.subarray(1), HEADER)).toBe(false);
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 1000, 100_000]) {
      const body = Buffer.alloc(size, 'ä');
      expect(verifier.verify(body, signBody(SECRET, body))).toBe(true);
      expect(verifier.verify(body, signBody('other', body))).toBe(false);
    }
  });

  test('signs the vector of the reference', () => {
    expect(BODY.length).toBe(283);
    expect(signBody(SECRET, BODY)).toBe(HEADER);
  });

  test('S31 refuses the same JSON after parsing and serialising it again', () => {
    const again = Buffer.from(JSON.stringify(JSON.parse(BODY.toString())));
    expect(again.length).toBe(260);
    expect(signBody(SECRET, again)).toBe(
      'sha256=aad41797bef04d05c936cb7c065c20c1307eb4d1b0ed8a11890da9f251b8dbab',
    );
    expect(createSignatureVerifier([SECRET]).verify(again, HEADER)).toBe(false);
  });

  test('takes the previous secret while a secret is being changed', () => {
    const verifier = createSignatureVerifier(['the-new-one', SECRET]);
    expect(verifier.verify(BODY, HEADER)).toBe(true);
    expect(verifier.verify(BODY, signBody('the-new-one', BODY))).toBe(true);
    expect(verifier.verify(BODY, signBody('another', BODY))).toBe(false);
  });

  test('notices one changed bit anywhere', () => {
    const verifier = createSignatureVerifier([SECRET]);
    for (let at = 0; at < BODY.length; at += 7) {
      const changed = Buffer.from(BODY);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(verifier.verify(changed, HEADER)).toBe(false);
    }
  });

  test.each([
    ['S32 absent', undefined],
    ['empty', ''],
    ['without algorithm', DIGEST],
    ['legacy algorithm', `sha1=${DIGEST.slice(0, 40)}`],
    ['other algorithm of the same length', `sha512=${DIGEST}`],
    ['upper-case algorithm', `SHA256=${DIGEST}`],
    ['one digit short', HEADER.slice(0, -1)],
    ['one digit long', `${HEADER}0`],
    ['not hexadecimal', `sha256=${'g'.repeat(64)}`],
    ['sent twice and joined', `${HEADER}, ${HEADER}`],
    ['with a line break', `${HEADER}\n`],
    ['with a second equals sign', `sha256==${DIGEST.slice(1)}`],
  ])('refuses a header that is %s', (_name, header) => {
    expect(parseSignatureHeader(header)).toBeUndefined();
    expect(createSignatureVerifier([SECRET]).verify(BODY, header)).toBe(false);
  });

  test('hands out the digest of a well-formed header before any body is there', () => {
    expect(parseSignatureHeader(HEADER)).toBe(DIGEST);
  });

  test('cannot be built without a secret', () => {
    expect(() => createSignatureVerifier([])).toThrow(RangeError);
    expect(() => createSignatureVerifier([SECRET, ''])).toThrow(RangeError);
  });

  test('takes another implementation of the MAC', () => {
    const seen: string[] = [];
    const verifier = createSignatureVerifier(['one', 'two'], (secret) => ({
      verify: (_body, hex) => seen.push(`${secret}:${hex}`) > 1,
    }));
    expect(verifier.verify(BODY, HEADER)).toBe(true);
    expect(seen).toEqual([`one:${DIGEST}`, `two:${DIGEST}`]);
  });
});
