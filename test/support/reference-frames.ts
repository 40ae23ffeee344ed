// The native routines of lib/websocket by the book and byte by byte: the addon is compared with it, and
// unit tests run on it.

import type { NativeFrames } from '../../lib/websocket/unmask.ts';

function unmask(bytes: Buffer, start: number, end: number, mask: number): boolean {
  let isAscii = true;
  for (let at = start; at < end; at++) {
    const byte = (bytes[at] ?? 0) ^ ((mask >>> (8 * ((at - start) & 3))) & 0xff);
    bytes[at] = byte;
    isAscii &&= byte < 0x80;
  }
  return isAscii;
}

function scanFrames(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (end - at >= 6) {
    const [first = 0, second = 0] = bytes.subarray(at, at + 2);
    const form = second - 0x80;
    if ((first !== 0x81 && first !== 0x82) || form < 0 || form > 126) break;
    if (form === 126 && (end - at < 8 || bytes.readUInt16BE(at + 2) < 126)) break;
    const payloadAt = at + (form < 126 ? 6 : 8);
    const next = payloadAt + (form < 126 ? form : bytes.readUInt16BE(at + 2));
    if (next > end) break;
    const isAscii = unmask(bytes, payloadAt, next, bytes.readInt32LE(payloadAt - 4));
    bytes[payloadAt - 4] = isAscii ? 0 : 1;
    at = next;
  }
  return at - start;
}

export const referenceFrames: NativeFrames = {
  unmask,
  scanFrames,
  keepFreedMemory: () => undefined,
};
