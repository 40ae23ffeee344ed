// UTF-8 (RFC 3629) judged while it arrives: a message that can no longer become valid is refused at its
// first impossible byte, although its end is not there yet (RFC 6455 section 8.1).

import { isUtf8 } from 'node:buffer';

/** Below this many bytes the loop here is faster than a view and a call into native code. */
const NATIVE_BYTES_MIN = 48;
/** The longest beginning of a character that can be cut off at the end of a piece. */
const CUT_BYTES_MAX = 3;

export class Utf8Validator {
  /** Continuation bytes that the character in progress still needs. */
  #missing = 0;
  /**
   * The range that the next continuation byte must lie in: excludes overlong forms and
   * surrogates.
   */
  #low = 0x80;
  #high = 0xbf;

  /** True between characters: a message may end here. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  reset(): void {
    this.#missing = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }

  /** Judges the next bytes. @returns false when no continuation can make the text valid */
  push(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    while (this.#missing > 0 && at < end) {
      if (!this.#step(bytes[at++] ?? 0)) return false;
    }
    if (end - at >= NATIVE_BYTES_MIN) {
      const whole = lastBoundary(bytes, at, end);
      if (!isUtf8(bytes.subarray(at, whole))) return false;
      at = whole;
    }
    while (at < end) {
      if (!this.#step(bytes[at++] ?? 0)) return false;
    }
    return true;
  }

  #step(byte: number): boolean {
    if (this.#missing === 0) return byte < 0x80 || this.#begin(byte);
    if (byte < this.#low || byte > this.#high) return false;
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#missing--;
    return true;
  }

  #begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xf4) this.#high = 0x8f;
    return true;
  }
}

/** The start of the last character of the range: everything before it is whole. */
function lastBoundary(bytes: Buffer, start: number, end: number): number {
  for (let back = 1; back <= CUT_BYTES_MAX; back++) {
    const byte = bytes[end - back] ?? 0;
    if (byte < 0x80) return end - back + 1;
    if (byte >= 0xc0) return end - back;
  }
  // Three continuation bytes: they end a character of four bytes, or the range is wrong anyway.
  return Math.max(start, end - CUT_BYTES_MAX - 1);
}
