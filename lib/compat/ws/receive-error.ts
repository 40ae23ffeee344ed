// What a peer did wrong, in the words of the `ws` API: an Error or RangeError with a code of its list.
// The codec's violations are ours and finer; this table is the only place that knows both.

import { VIOLATIONS, type Violation } from '../../websocket/protocol.ts';

export type ReceiveErrorCode =
  | 'WS_ERR_EXPECTED_FIN'
  | 'WS_ERR_EXPECTED_MASK'
  | 'WS_ERR_INVALID_CLOSE_CODE'
  | 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'
  | 'WS_ERR_INVALID_OPCODE'
  | 'WS_ERR_INVALID_UTF8'
  | 'WS_ERR_TOO_MANY_BUFFERED_PARTS'
  | 'WS_ERR_UNEXPECTED_RSV_1'
  | 'WS_ERR_UNEXPECTED_RSV_2_3'
  | 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'
  | 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
  | 'Z_DATA_ERROR'
  | 'Z_MEM_ERROR';

/** The `error` event's argument after a peer broke the protocol or a bound. */
export interface ReceiveError extends Error {
  readonly code: ReceiveErrorCode;
}

/** What is wrong, and the close code that answers it. */
export interface ReceiveFault {
  readonly error: ReceiveError;
  readonly closeCode: number;
}

const RSV1 = 0x40;
const RSV2_RSV3 = 0x30;

const CODES: ReadonlyMap<string, ReceiveErrorCode> = new Map<string, ReceiveErrorCode>([
  [VIOLATIONS.opcode.code, 'WS_ERR_INVALID_OPCODE'],
  [VIOLATIONS.continuation.code, 'WS_ERR_INVALID_OPCODE'],
  [VIOLATIONS.interleaved.code, 'WS_ERR_INVALID_OPCODE'],
  [VIOLATIONS.controlFragmented.code, 'WS_ERR_EXPECTED_FIN'],
  [VIOLATIONS.controlLength.code, 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'],
  [VIOLATIONS.closeLength.code, 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'],
  [VIOLATIONS.maskMissing.code, 'WS_ERR_EXPECTED_MASK'],
  [VIOLATIONS.lengthForm.code, 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'],
  [VIOLATIONS.lengthRange.code, 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH'],
  [VIOLATIONS.closeCode.code, 'WS_ERR_INVALID_CLOSE_CODE'],
  [VIOLATIONS.utf8.code, 'WS_ERR_INVALID_UTF8'],
  [VIOLATIONS.tooBig.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'],
  [VIOLATIONS.compressedBit.code, 'WS_ERR_UNEXPECTED_RSV_1'],
  // zlib's own words, as `ws` hands them on.
  [VIOLATIONS.deflate.code, 'Z_DATA_ERROR'],
  [VIOLATIONS.noMemory.code, 'Z_MEM_ERROR'],
]);

/** What `ws` makes an Error of; the others are RangeErrors. */
const PLAIN: ReadonlySet<ReceiveErrorCode> = new Set<ReceiveErrorCode>([
  'WS_ERR_INVALID_UTF8',
  'Z_DATA_ERROR',
  'Z_MEM_ERROR',
]);

/** @param firstByte the frame's first byte, which tells the reserved bits apart */
export function faultOf(violation: Violation, firstByte = 0): ReceiveFault {
  const code = CODES.get(violation.code) ?? reservedBitsCode(firstByte);
  const text = `Invalid WebSocket frame: ${violation.message}`;
  return fault(code, text, violation.closeCode, PLAIN.has(code));
}

/** A message of more frames than `maxFragments`. */
export function tooManyFragments(): ReceiveFault {
  return fault('WS_ERR_TOO_MANY_BUFFERED_PARTS', 'A message has too many fragments', 1008, false);
}

/** A length that JavaScript cannot count. */
export function lengthBeyondNumbers(): ReceiveFault {
  const text = 'Invalid WebSocket frame: its length is above 2^53 - 1';
  return fault('WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', text, 1009, false);
}

function reservedBitsCode(firstByte: number): ReceiveErrorCode {
  const isHigher = (firstByte & RSV2_RSV3) !== 0 || (firstByte & RSV1) === 0;
  return isHigher ? 'WS_ERR_UNEXPECTED_RSV_2_3' : 'WS_ERR_UNEXPECTED_RSV_1';
}

function fault(
  code: ReceiveErrorCode,
  text: string,
  closeCode: number,
  isPlain: boolean,
): ReceiveFault {
  const error = isPlain ? new Error(text) : new RangeError(text);
  return { error: Object.assign(error, { code }), closeCode };
}
