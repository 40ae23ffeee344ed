// The hot path of receiving: a chunk that begins with whole small messages. They are all unmasked first,
// in one native call if there is enough of them, and then delivered one after the other. What must be
// known of a frame is kept in its own mask bytes, which are used up:
//
//   81|82 80+length [2 bytes of length]  asciiFlag(0 = ASCII) - - -  payload, unmasked

import { type Unmasker, unmaskView } from './unmask.ts';

/** The frames that the scan of this file finds: those with the short header. */
const SHORT_PAYLOAD_BYTES_MAX = 125;
const SHORT_HEADER_BYTES = 6;
const LONG_HEADER_BYTES = 8;
const MASK_BYTES = 4;
/** The longest payload in a run: its length takes two bytes. */
export const RUN_PAYLOAD_BYTES_MAX = 0xffff;
/** The scan of this file ends here; the native one goes through the whole chunk. */
const SCAN_BYTES_MAX = 4096;
/** The first two bytes of a final, masked frame of length 0. */
const MASKED_FINAL_TEXT = 0x8180;
const MASKED_FINAL_BINARY = 0x8280;

/**
 * Unmasks the whole final text and binary frames that bytes[start, end) begins with.
 * @returns the end of the last one; `start` when there is none
 */
export function scanRun(bytes: Buffer, start: number, end: number, unmasker: Unmasker): number {
  const { native } = unmasker;
  if (native !== undefined && end - start >= unmasker.scanNativeBytesMin) {
    return start + native.scanFrames(bytes, start, end);
  }
  const view = unmasker.viewOf(bytes);
  const limit = Math.min(end, start + SCAN_BYTES_MAX);
  let at = start;
  while (at + SHORT_HEADER_BYTES <= limit) {
    const head = view.getUint16(at);
    const length = head - (head < MASKED_FINAL_BINARY ? MASKED_FINAL_TEXT : MASKED_FINAL_BINARY);
    if (length < 0 || length > SHORT_PAYLOAD_BYTES_MAX) break;
    const payloadAt = at + SHORT_HEADER_BYTES;
    const next = payloadAt + length;
    if (next > limit) break;
    const high = unmaskView(view, payloadAt, next, view.getInt32(at + 2, true));
    view.setUint8(at + 2, high === 0 ? 0 : 1);
    at = next;
  }
  return at;
}

/** Where the payload of the run's frame at `at` begins. */
export function runPayloadAt(bytes: Buffer, at: number): number {
  const form = (bytes[at + 1] as number) & 0x7f;
  return at + (form <= SHORT_PAYLOAD_BYTES_MAX ? SHORT_HEADER_BYTES : LONG_HEADER_BYTES);
}

/** Where the run's frame at `at`, whose payload begins at `payloadAt`, ends. */
export function runFrameEnd(bytes: Buffer, at: number, payloadAt: number): number {
  if (payloadAt - at === SHORT_HEADER_BYTES) {
    return payloadAt + ((bytes[at + 1] as number) & 0x7f);
  }
  return payloadAt + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

/** Whether the payload that begins at `payloadAt` is ASCII. */
export function isRunAscii(bytes: Buffer, payloadAt: number): boolean {
  return bytes[payloadAt - MASK_BYTES] === 0;
}

/**
 * Makes the rest of a run readable again as frames, when its delivery was stopped: masks of zero.
 */
export function restoreRun(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const payloadAt = runPayloadAt(bytes, at);
    bytes.fill(0, payloadAt - MASK_BYTES, payloadAt);
    at = runFrameEnd(bytes, at, payloadAt);
  }
}
