// The bounds of the codec. What belongs to a whole server (bodies, time) is in lib/server/http-application.ts.

export interface HttpHeadLimits {
  /** Request line, fields and the empty line together; above it 431 (414 while in the target). */
  readonly headBytesMax: number;
  /** Fields in a head; above it 431. */
  readonly headerCountMax: number;
  /** Length of the request target; above it 414. */
  readonly targetBytesMax: number;
}

export const HTTP_HEAD_LIMITS: HttpHeadLimits = {
  headBytesMax: 16 * 1024,
  headerCountMax: 100,
  targetBytesMax: 8 * 1024,
};

/** Longer than any method that is registered; above it 501. */
export const METHOD_BYTES_MAX = 32;
/** Hexadecimal digits of one chunk size, leading zeros included. */
export const CHUNK_SIZE_DIGITS_MAX = 8;
/** Bytes of chunk extensions in one body: they carry nothing here, so they get little room. */
export const CHUNK_EXTENSION_BYTES_MAX = 1024;
/** Bytes of the trailer section of one body; above it 431. */
export const TRAILER_BYTES_MAX = 4096;
/** Digits of a Content-Length, leading zeros included: keeps the number exact. */
export const CONTENT_LENGTH_DIGITS_MAX = 15;
