// Reads the header of one client frame and judges it strictly, each byte as soon as it is there.
//
//   byte 0: FIN RSV1-3 opcode(4)   byte 1: MASK length(7)   [2 or 8 bytes of length]   4 bytes of mask

import { CONTROL_PAYLOAD_BYTES_MAX, OPCODE, VIOLATIONS, type Violation } from './protocol.ts';

/** The longest header: two bytes, eight of length, four of mask. */
export const HEADER_BYTES_MAX = 14;

/** read(): the header goes on after `end`. */
export const HEADER_CUT = -1;
/** read(): `violation` says what is wrong with it. */
export const HEADER_WRONG = -2;

const MASK_BYTES = 4;
const RESERVED_BITS = 0x70;
const COMPRESSED_BIT = 0x40;
const TWO_POW_32 = 4_294_967_296;

export class FrameHeader {
  isFinal = false;
  opcode = 0;
  /** Bytes of payload. Above 2^53 rounded; every limit is far below. */
  length = 0;
  /** Little-endian word, as Unmasker wants it. */
  mask = 0;
  violation: Violation | undefined;
  /** RSV1 of the first frame of a message: it is compressed (RFC 7692 section 6). */
  isCompressed = false;
  readonly #reserved: number;

  /** @param hasDeflate permessage-deflate was agreed on, so that RSV1 means something */
  constructor(hasDeflate = false) {
    this.#reserved = hasDeflate ? RESERVED_BITS & ~COMPRESSED_BIT : RESERVED_BITS;
  }

  get isControl(): boolean {
    return this.opcode >= OPCODE.close;
  }

  /**
   * Reads the header that starts at `at`.
   * @param isInMessage whether fragments of a message came before
   * @returns where the payload starts, HEADER_CUT or HEADER_WRONG
   */
  read(bytes: Buffer, at: number, end: number, isInMessage: boolean): number {
    this.violation = this.#judgeFirst(bytes[at] ?? 0, isInMessage);
    if (this.violation !== undefined) return HEADER_WRONG;
    if (at + 1 >= end) return HEADER_CUT;
    const second = bytes[at + 1] ?? 0;
    this.violation = this.#judgeSecond(second);
    if (this.violation !== undefined) return HEADER_WRONG;
    const form = second & 0x7f;
    const maskAt = at + 2 + (form < 126 ? 0 : form === 126 ? 2 : 8);
    if (maskAt > end) return HEADER_CUT;
    this.violation = this.#readLength(bytes, at + 2, form);
    if (this.violation !== undefined) return HEADER_WRONG;
    if (maskAt + MASK_BYTES > end) return HEADER_CUT;
    this.mask = readMask(bytes, maskAt);
    return maskAt + MASK_BYTES;
  }

  #judgeFirst(first: number, isInMessage: boolean): Violation | undefined {
    const opcode = first & 0x0f;
    this.isFinal = first >= 0x80;
    this.opcode = opcode;
    if ((first & this.#reserved) !== 0) return VIOLATIONS.reservedBits;
    if (opcode > OPCODE.pong || (opcode > OPCODE.binary && opcode < OPCODE.close)) {
      return VIOLATIONS.opcode;
    }
    this.isCompressed = (first & COMPRESSED_BIT) !== 0;
    if (this.isCompressed && (opcode >= OPCODE.close || opcode === OPCODE.continuation)) {
      return VIOLATIONS.compressedBit;
    }
    if (opcode >= OPCODE.close) return this.isFinal ? undefined : VIOLATIONS.controlFragmented;
    if (opcode === OPCODE.continuation) return isInMessage ? undefined : VIOLATIONS.continuation;
    return isInMessage ? VIOLATIONS.interleaved : undefined;
  }

  #judgeSecond(second: number): Violation | undefined {
    if (second < 0x80) return VIOLATIONS.maskMissing;
    if (this.isControl && (second & 0x7f) > CONTROL_PAYLOAD_BYTES_MAX) {
      return VIOLATIONS.controlLength;
    }
    return undefined;
  }

  #readLength(bytes: Buffer, at: number, form: number): Violation | undefined {
    if (form < 126) {
      this.length = form;
      return undefined;
    }
    if (form === 126) {
      this.length = bytes.readUInt16BE(at);
      return this.length < 126 ? VIOLATIONS.lengthForm : undefined;
    }
    const high = bytes.readUInt32BE(at);
    if (high >= 0x80000000) return VIOLATIONS.lengthRange;
    this.length = high * TWO_POW_32 + bytes.readUInt32BE(at + 4);
    return this.length < 0x10000 ? VIOLATIONS.lengthForm : undefined;
  }
}

/** The mask of a frame as a little-endian word. */
export function readMask(bytes: Buffer, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}
