// The digest of a dedupe key: SipHash-2-4 with 128 bits of output, of which 2 x 52 are kept because two such
// numbers are safe integers. Keyed with the file's secret seed, so that nobody outside can search for a collision;
// two keys of one instant collide by chance with 2^-104. A call of node:crypto's SHA-256 costs twice as much.

const BLOCK_BYTES = 8;
const COMPRESSION_ROUNDS = 2;
const FINAL_ROUNDS = 4;
/** What tells the 128-bit variant from the one of 64 bits, and its two halves from each other. */
const WIDE = 0xee;
const SECOND_HALF = 0xdd;
const HIGH_BITS = 0xfffff;
const TWO_POW_32 = 4_294_967_296;
const ASCII = /^[\0-\x7f]*$/;

/** Two halves of 52 bits. */
export interface Digest {
  readonly hash: number;
  readonly tag: number;
}

/** Digests keys with one seed. */
export class KeyDigester {
  readonly #seed: Int32Array;
  readonly #output = new Int32Array(4);

  /** @param seed 32 hexadecimal digits */
  constructor(seed: string) {
    const bytes = Buffer.from(seed, 'hex');
    if (bytes.length !== 16) throw new RangeError('A seed is 32 hexadecimal digits.');
    this.#seed = Int32Array.from([0, 4, 8, 12], (at) => bytes.readInt32LE(at));
  }

  /** The digest of the key's UTF-8 bytes. */
  digest(key: string): Digest {
    const bytes = ASCII.test(key) ? key : Buffer.from(key, 'utf8').toString('latin1');
    const output = this.#output;
    sipHash(this.#seed, bytes, output);
    return { hash: safeInteger(output, 0), tag: safeInteger(output, 2) };
  }
}

/**
 * SipHash-2-4-128 of the text's characters, one byte each. The 64-bit words of its state are pairs of 32-bit
 * integers, low half first; kept in locals, they stay in registers.
 */
export function sipHash(seed: Int32Array, bytes: string, output: Int32Array): void {
  const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = seed;
  let a0 = k0 ^ 0x70736575;
  let a1 = k1 ^ 0x736f6d65;
  let b0 = k2 ^ 0x6e646f6d ^ WIDE;
  let b1 = k3 ^ 0x646f7261;
  let c0 = k0 ^ 0x6e657261;
  let c1 = k1 ^ 0x6c796765;
  let d0 = k2 ^ 0x79746573;
  let d1 = k3 ^ 0x74656462;
  const blocks = Math.floor(bytes.length / BLOCK_BYTES) + 1;
  for (let step = 0; step < blocks + 2; step++) {
    const isInput = step < blocks;
    const low = isInput ? wordAt(bytes, step * BLOCK_BYTES) : 0;
    let high = isInput ? wordAt(bytes, step * BLOCK_BYTES + 4) : 0;
    if (step === blocks - 1) high |= bytes.length << 24;
    else if (step === blocks) c0 ^= WIDE;
    else if (step > blocks) b0 ^= SECOND_HALF;
    d0 ^= low;
    d1 ^= high;
    for (let round = isInput ? COMPRESSION_ROUNDS : FINAL_ROUNDS; round > 0; round--) {
      let sum = (a0 + b0) | 0;
      let turned = (a1 + b1 + carryOf(sum, a0)) | 0;
      let kept = (b0 << 13) | (b1 >>> 19);
      b1 = ((b1 << 13) | (b0 >>> 19)) ^ turned;
      b0 = kept ^ sum;
      a0 = turned;
      a1 = sum;
      sum = (c0 + d0) | 0;
      c1 = (c1 + d1 + carryOf(sum, c0)) | 0;
      c0 = sum;
      kept = (d0 << 16) | (d1 >>> 16);
      d1 = ((d1 << 16) | (d0 >>> 16)) ^ c1;
      d0 = kept ^ c0;
      sum = (a0 + d0) | 0;
      a1 = (a1 + d1 + carryOf(sum, a0)) | 0;
      a0 = sum;
      kept = (d0 << 21) | (d1 >>> 11);
      d1 = ((d1 << 21) | (d0 >>> 11)) ^ a1;
      d0 = kept ^ a0;
      sum = (c0 + b0) | 0;
      turned = (c1 + b1 + carryOf(sum, c0)) | 0;
      kept = (b0 << 17) | (b1 >>> 15);
      b1 = ((b1 << 17) | (b0 >>> 15)) ^ turned;
      b0 = kept ^ sum;
      c0 = turned;
      c1 = sum;
    }
    a0 ^= low;
    a1 ^= high;
    if (isInput) continue;
    output[(step - blocks) * 2] = a0 ^ b0 ^ c0 ^ d0;
    output[(step - blocks) * 2 + 1] = a1 ^ b1 ^ c1 ^ d1;
  }
}

/** 1 when the 32-bit sum has wrapped. */
function carryOf(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}

/** Four characters as a little-endian integer; zeros stand behind the end. */
function wordAt(bytes: string, at: number): number {
  if (at + 4 <= bytes.length) {
    const low = bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8);
    return low | (bytes.charCodeAt(at + 2) << 16) | (bytes.charCodeAt(at + 3) << 24);
  }
  let word = 0;
  for (let i = bytes.length - 1; i >= at; i--) word = (word << 8) | bytes.charCodeAt(i);
  return word;
}

function safeInteger(output: Int32Array, at: number): number {
  const low = (output[at] ?? 0) >>> 0;
  return ((output[at + 1] ?? 0) & HIGH_BITS) * TWO_POW_32 + low;
}
