// What is taken as bytes: anything that lies in a buffer. Whatever else has a `length`, or none, must not
// come near a slab that connections share.

import { isAnyArrayBuffer } from 'node:util/types';
import { SluiceError } from './errors.ts';

export type BytesSource = ArrayBufferView | ArrayBuffer;

/**
 * The bytes of a buffer or a view, not copied.
 * @param what begins the sentence of the error, e.g. 'A message'
 * @throws SluiceError ERR_ARG_TYPE for anything else
 */
export function bytesOf(data: unknown, what: string): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (isAnyArrayBuffer(data)) return new Uint8Array(data);
  const text = `${what} is a string, or bytes in an ArrayBuffer or a view of one.`;
  throw new SluiceError('ERR_ARG_TYPE', text);
}

/** @throws SluiceError ERR_ARG_TYPE for what is neither text nor bytes */
export function textOrBytes(data: unknown, what: string): string | Uint8Array {
  return typeof data === 'string' ? data : bytesOf(data, what);
}
