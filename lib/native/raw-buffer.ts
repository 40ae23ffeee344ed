// Methods that every Buffer has (Node 20 to 26) and that @types/node does not declare: they skip the
// checks of `write` and `toString`, which cost more than the work for small texts.

export interface RawBuffer extends Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  /** @returns bytes written */
  latin1Write(text: string, start?: number, length?: number): number;
  /** @returns bytes written */
  utf8Write(text: string, start?: number, length?: number): number;
}

/** The same object, with its undeclared methods. */
export function rawBuffer(buffer: Buffer): RawBuffer {
  return buffer as RawBuffer;
}
