// Functions on ranges of bytes that are faster in the addon, and worth the call (about 40 ns).

import { loadNative } from './load.ts';

/**
 * Unmasks a WebSocket payload in place (RFC 6455 5.3).
 * @param bytes the buffer that holds the payload in [start, end)
 * @param mask the four mask bytes in wire order, read as a little-endian integer (signed or not)
 * @returns true if the whole payload is ASCII
 * @throws TypeError ERR_ARG_TYPE, RangeError ERR_ARG_RANGE
 */
export function unmaskNative(bytes: Uint8Array, start: number, end: number, mask: number): boolean {
  return loadNative().unmask(bytes, start, end, mask);
}

/**
 * Unmasks in place the whole final text and binary frames, with lengths of up to 16 bits, that
 * bytes[start, end) begins with. The first mask byte of each is then 0 if its payload is ASCII, else 1.
 * @returns how many bytes these frames take, 0 when there is none
 * @throws TypeError ERR_ARG_TYPE, RangeError ERR_ARG_RANGE
 */
export function scanFramesNative(bytes: Uint8Array, start: number, end: number): number {
  return loadNative().scanFrames(bytes, start, end);
}

const WORD = 2 ** 32;

/**
 * Reads what the page cache has of a file, and never waits for a disk: preadv2(2) with RWF_NOWAIT.
 * @param position of the first byte, 0..2^53 - 1
 * @returns bytes put into bytes[start, end), fewer when only a part is there, 0 at the end of the file;
 *   or a negative errno: -EAGAIN when the first byte is not there, others where the kernel cannot tell
 * @throws TypeError ERR_ARG_TYPE, RangeError ERR_ARG_RANGE
 */
export function readCachedNative(
  bytes: Uint8Array,
  start: number,
  end: number,
  fd: number,
  position: number,
): number {
  const high = Math.floor(position / WORD);
  return loadNative().readCached(bytes, start, end, fd, high, position % WORD);
}

/**
 * Makes glibc keep up to 64 MiB of freed memory for the whole process, unless mallopt(3) or its
 * environment variables say something else. To be called when large payloads come and go.
 */
function keepFreedMemory(): void {
  loadNative().keepFreedMemory();
}

/** What lib/websocket takes from the addon. */
export const nativeFrames = {
  unmask: unmaskNative,
  scanFrames: scanFramesNative,
  keepFreedMemory,
} as const;

/**
 * HMAC-SHA256 with one secret whose pads are computed once. Holds no readable copy of the secret.
 */
export class HmacKey {
  readonly #native: { verify(b: Uint8Array, s: number, e: number, hex: string): boolean };

  /** @param secret a string is taken as UTF-8 */
  constructor(secret: string | Uint8Array) {
    const bytes = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret;
    this.#native = new (loadNative().HmacKey)(bytes);
  }

  /**
   * Compares the signature of bytes[start, end) in constant time.
   * @param expectedHex 64 hexadecimal digits of either case; anything else is false
   */
  verify(bytes: Uint8Array, start: number, end: number, expectedHex: string): boolean {
    return this.#native.verify(bytes, start, end, expectedHex);
  }
}

/** Same as `key.verify`, as a function. */
export function hmacSha256Verify(
  key: HmacKey,
  bytes: Uint8Array,
  start: number,
  end: number,
  expectedHex: string,
): boolean {
  return key.verify(bytes, start, end, expectedHex);
}
