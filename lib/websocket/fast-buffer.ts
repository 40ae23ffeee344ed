// Node's own per-encoding string functions of Buffer, which its types leave out. They skip the look-up
// of the encoding's name, which costs as much as a short message itself.

export interface FastBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
  utf8Write(text: string, offset: number, length: number): number;
}

/** Every Buffer has these functions (Node 20 to 26); only the type does not say so. */
export function asFastBuffer(bytes: Buffer): FastBuffer {
  return bytes as FastBuffer;
}

/**
 * The class whose instances Buffers are. Buffer.from() of the same arguments makes the same object in
 * twice the time (27 against 13 ns).
 */
export const BufferView = (
  Buffer as unknown as Record<
    symbol,
    new (
      memory: ArrayBufferLike,
      start: number,
      length: number,
    ) => Buffer
  >
)[Symbol.species] as new (
  memory: ArrayBufferLike,
  start: number,
  length: number,
) => Buffer;
