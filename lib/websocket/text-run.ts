// The hot path of receiving: a chunk that begins with several small whole text messages. They are all
// unmasked first, so that one latin1Slice decodes them together; a frame's place in the slab then tells
// where its text is. What must be known of a frame is kept in its own mask bytes, which are used up:
//
//   81 80+length  asciiFlag(0 = ASCII) - - -  payload, unmasked

import { type Unmasker, unmaskView } from './unmask.ts';

/** Payloads up to this length have the short header, and only those are in runs. */
export const TEXT_RUN_PAYLOAD_BYTES_MAX = 125;
export const TEXT_RUN_HEADER_BYTES = 6;
/** A kept substring pins the string that it was cut from, so that one must stay small. */
export const TEXT_RUN_BYTES_MAX = 4096;

/** The first two bytes of a final, masked text frame of length 0. */
const MASKED_FINAL_TEXT = 0x8180;

/**
 * Unmasks the small whole final text frames that bytes[start, end) begins with.
 * @returns the end of the last one; `start` when there is none
 */
export function scanRun(bytes: Buffer, start: number, end: number, unmasker: Unmasker): number {
  const view = unmasker.viewOf(bytes);
  const limit = Math.min(end, start + TEXT_RUN_BYTES_MAX);
  let at = start;
  while (at + TEXT_RUN_HEADER_BYTES <= limit) {
    const length = view.getUint16(at) - MASKED_FINAL_TEXT;
    if (length < 0 || length > TEXT_RUN_PAYLOAD_BYTES_MAX) break;
    const payloadAt = at + TEXT_RUN_HEADER_BYTES;
    const next = payloadAt + length;
    if (next > limit) break;
    const high = unmaskView(view, payloadAt, next, view.getInt32(at + 2, true));
    view.setUint8(at + 2, high === 0 ? 0 : 1);
    at = next;
  }
  return at;
}

/**
 * Makes the rest of a run readable again as frames, when its delivery was stopped: masks of zero.
 */
export function restoreRun(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; ) {
    bytes.fill(0, at + 2, at + TEXT_RUN_HEADER_BYTES);
    at += TEXT_RUN_HEADER_BYTES + ((bytes[at + 1] ?? 0) & 0x7f);
  }
}
