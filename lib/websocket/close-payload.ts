// What a close frame may carry (RFC 6455 section 5.5.1): nothing, or a code and a reason.

import { SluiceError } from '../base/errors.ts';
import {
  CLOSE_REASON_BYTES_MAX,
  isReceivableCloseCode,
  isSendableCloseCode,
  VIOLATIONS,
  type Violation,
} from './protocol.ts';
import { Utf8Validator } from './utf8-validator.ts';

/** Judges a client's, unmasked and not empty. @returns what is wrong with it, if anything is */
export function closePayloadFault(
  bytes: Buffer,
  start: number,
  end: number,
): Violation | undefined {
  if (end === start + 1) return VIOLATIONS.closeLength;
  if (!isReceivableCloseCode(bytes.readUInt16BE(start))) return VIOLATIONS.closeCode;
  // A validator of its own: the frame may lie between two fragments of a text.
  const utf8 = new Utf8Validator();
  const isText = utf8.push(bytes, start + 2, end) && utf8.isComplete;
  return isText ? undefined : VIOLATIONS.utf8;
}

/**
 * @throws SluiceError ERR_ARG_RANGE for a code or a reason that we may not send, ERR_ARG_TYPE for a
 *   reason that is no string
 */
export function requireSendableClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) throw new SluiceError('ERR_ARG_RANGE', `close code ${code}`);
  if (typeof reason !== 'string') {
    throw new SluiceError('ERR_ARG_TYPE', 'A close reason is a string.');
  }
  if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', 'close reason above 123 bytes of UTF-8');
  }
}
