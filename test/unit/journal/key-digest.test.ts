// The digest of dedupe keys: SipHash's own vectors, a reference by BigInt, and what the journal needs of it.

import { describe, expect, it } from 'vitest';
import { KeyDigester, sipHash } from '../../../lib/journal/key-digest.ts';

const SEED_HEX = '000102030405060708090a0b0c0d0e0f';
const WORD = (1n << 64n) - 1n;

function words(hex: string): Int32Array {
  const bytes = Buffer.from(hex, 'hex');
  return Int32Array.from([0, 4, 8, 12], (at) => bytes.readInt32LE(at));
}

function hexOf(bytes: Buffer, seed = SEED_HEX): string {
  const output = new Int32Array(4);
  sipHash(words(seed), bytes.toString('latin1'), output);
  return Buffer.from(output.buffer).toString('hex');
}

/** The algorithm as its paper writes it. */
function reference(bytes: Buffer, seed: string): string {
  const key = Buffer.from(seed, 'hex');
  const k0 = key.readBigUInt64LE(0);
  const k1 = key.readBigUInt64LE(8);
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const turn = (word: bigint, by: bigint) => ((word << by) | (word >> (64n - by))) & WORD;
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      a = (a + b) & WORD;
      b = turn(b, 13n) ^ a;
      a = turn(a, 32n);
      c = (c + d) & WORD;
      d = turn(d, 16n) ^ c;
      a = (a + d) & WORD;
      d = turn(d, 21n) ^ a;
      c = (c + b) & WORD;
      b = turn(b, 17n) ^ c;
      c = turn(c, 32n);
    }
  };
  const padded = Buffer.alloc((Math.floor(bytes.length / 8) + 1) * 8);
  bytes.copy(padded);
  padded[padded.length - 1] = bytes.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const block = padded.readBigUInt64LE(at);
    d ^= block;
    rounds(2);
    a ^= block;
  }
  const output = Buffer.alloc(16);
  c ^= 0xeen;
  rounds(4);
  output.writeBigUInt64LE(a ^ b ^ c ^ d, 0);
  b ^= 0xddn;
  rounds(4);
  output.writeBigUInt64LE(a ^ b ^ c ^ d, 8);
  return output.toString('hex');
}

describe('sipHash', () => {
  it.each([
    [0, 'a3817f04ba25a8e66df67214c7550293'],
    [1, 'da87c1d86b99af44347659119b22fc45'],
    [2, '8177228da4a45dc7fca38bdef60affe4'],
  ])('gives the published vector of %i bytes', (length, expected) => {
    expect(hexOf(Buffer.from(Array.from({ length }, (_, i) => i)))).toBe(expected);
  });

  it('agrees with the reference for every length, seed and high byte', () => {
    let state = 20261124;
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    };
    for (let length = 0; length < 300; length++) {
      const bytes = Buffer.from(Array.from({ length }, next));
      const seed = Buffer.from(Array.from({ length: 16 }, next)).toString('hex');
      expect(hexOf(bytes, seed)).toBe(reference(bytes, seed));
    }
  });
});

describe('KeyDigester', () => {
  it('gives two safe integers, the same for the same key and others for another', () => {
    const digester = new KeyDigester(SEED_HEX);
    const keys = ['', 'a', 'b', 'msg:1:m_1', 'msg:1:m_2', 'é', 'Ã©', '\u{1f600}', '€'];
    const seen = new Set<number>();
    for (const key of keys) {
      const digest = digester.digest(key);
      expect(digester.digest(key)).toEqual(digest);
      for (const half of [digest.hash, digest.tag]) {
        expect(Number.isSafeInteger(half) && half >= 0 && half < 2 ** 52).toBe(true);
        seen.add(half);
      }
    }
    expect(seen.size).toBe(2 * keys.length);
  });

  it('depends on the seed and takes no other length of it', () => {
    const other = new KeyDigester(SEED_HEX.replace('00', '10')).digest('key');
    expect(new KeyDigester(SEED_HEX).digest('key')).not.toEqual(other);
    expect(() => new KeyDigester('00')).toThrow(RangeError);
  });
});
