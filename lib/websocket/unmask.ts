// XORs payloads with the client's mask in place (RFC 6455 section 5.3), and says on the way whether
// all bytes were ASCII, which decides how a text is decoded.

import { Copies, POOLED_BYTES_MAX } from './copy-pool.ts';

/** The native routines; lib/native/bytes.ts has them. */
export interface NativeFrames {
  /**
   * @param mask the four mask bytes as a little-endian word: byte i of the range is XORed with bits
   * 8*(i%4).. of it. @returns true when every unmasked byte is below 0x80
   */
  unmask(bytes: Buffer, start: number, end: number, mask: number): boolean;
  /**
   * Unmasks the whole final text and binary frames, with lengths of up to 16 bits, that
   * bytes[start, end) begins with, and makes a run of them (frame-run.ts). @returns their bytes
   */
  scanFrames(bytes: Buffer, start: number, end: number): number;
  /** Large payloads are coming and going from now on. */
  keepFreedMemory(): void;
}

/**
 * From this length on the native routine wins. Measured on a 2-core x64 machine with Node 20.20, ns per
 * call, here / native: 64 B 30 / 49, 112 B 42 / 53, 128 B 50 / 53, 192 B 62 / 54, 1 KiB 265 / 87,
 * 64 KiB 16,300 / 2,100. The native call itself costs about 50.
 */
export const UNMASK_NATIVE_BYTES_MIN = 160;
/** The same for all frames of a chunk, whose headers count little against the call. */
export const SCAN_NATIVE_BYTES_MIN = 160;

const HIGH_BITS = 0x80808080 | 0;

/** Turns the mask so that its first byte is the one for payload position `position`. */
export function rotateMask(mask: number, position: number): number {
  const bits = (position & 3) << 3;
  return bits === 0 ? mask : (mask >>> bits) | (mask << (32 - bits));
}

/**
 * Unmasks ranges of the receive slab. One per server: it remembers a view of the last buffer it
 * saw.
 */
export class Unmasker {
  /** Memory for the payloads that handlers get as bytes. */
  readonly copies = new Copies();
  readonly native: NativeFrames | undefined;
  readonly scanNativeBytesMin: number;
  #hasSeenLarge = false;
  #buffer: Buffer | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /**
   * @param native used from UNMASK_NATIVE_BYTES_MIN bytes on; without it everything is done here
   * @param scanNativeBytesMin chunks this long are scanned for frames by it
   */
  constructor(native?: NativeFrames, scanNativeBytesMin: number = SCAN_NATIVE_BYTES_MIN) {
    this.native = native;
    this.scanNativeBytesMin = scanNativeBytesMin;
  }

  /** @returns 0 when every unmasked byte is below 0x80 */
  unmask(bytes: Buffer, start: number, end: number, mask: number): number {
    const { native } = this;
    if (native !== undefined && end - start >= UNMASK_NATIVE_BYTES_MIN) {
      return native.unmask(bytes, start, end, mask) ? 0 : 1;
    }
    return unmaskView(this.viewOf(bytes), start, end, mask);
  }

  /** A copy of a payload for its receiver to keep. */
  copyOf(bytes: Buffer, start: number, end: number): Buffer {
    if (end - start > POOLED_BYTES_MAX) this.expectLarge();
    return this.copies.of(bytes, start, end);
  }

  /** Messages that get memory of their own are coming. */
  expectLarge(): void {
    if (this.#hasSeenLarge) return;
    this.#hasSeenLarge = true;
    this.native?.keepFreedMemory();
  }

  /** A view of the whole buffer, kept until another buffer comes. */
  viewOf(bytes: Buffer): DataView {
    if (bytes !== this.#buffer) {
      this.#buffer = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.#view;
  }
}

/** Unmasks a range in words of four bytes. @returns 0 when every unmasked byte is below 0x80 */
export function unmaskView(view: DataView, start: number, end: number, mask: number): number {
  let seen = 0;
  let at = start;
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true) ^ mask;
    view.setInt32(at, word, true);
    seen |= word;
  }
  for (let rest = mask; at < end; at++, rest >>>= 8) {
    const byte = view.getUint8(at) ^ (rest & 0xff);
    view.setUint8(at, byte);
    seen |= byte;
  }
  return seen & HIGH_BITS;
}
