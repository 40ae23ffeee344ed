// Frames as objects, and as bytes: what `message` gets, what push() takes, and pack() and unpack(), which
// know no connection.

import { randomBytes } from 'node:crypto';
import { PAYLOAD_BYTES_MAX } from './bounds.ts';
import {
  SWOOLE_WEBSOCKET_FLAG_COMPRESS,
  SWOOLE_WEBSOCKET_FLAG_FIN,
  SWOOLE_WEBSOCKET_FLAG_MASK,
  SWOOLE_WEBSOCKET_FLAG_RSV1,
  SWOOLE_WEBSOCKET_FLAG_RSV2,
  SWOOLE_WEBSOCKET_FLAG_RSV3,
  WEBSOCKET_OPCODE_CLOSE,
  WEBSOCKET_OPCODE_PONG,
  WEBSOCKET_OPCODE_TEXT,
} from './constants.ts';

const FIN_BIT = 0x80;
const MASK_BIT = 0x80;
const MASK_BYTES = 4;
/** Without a status code in its frame (RFC 6455 section 7.4.1). */
const NO_STATUS = 1005;
const RESERVED: readonly (readonly [flag: number, bit: number])[] = [
  [SWOOLE_WEBSOCKET_FLAG_RSV1, 0x40],
  [SWOOLE_WEBSOCKET_FLAG_RSV2, 0x20],
  [SWOOLE_WEBSOCKET_FLAG_RSV3, 0x10],
];

/** A string is text, bytes are as they are. */
export type FrameData = string | Uint8Array;

/** A frame that was received, or is to be sent. */
export class Frame {
  /** Of the connection that it came from. */
  fd = 0;
  /** A string for text, a Buffer that the program may keep for everything else. */
  data: FrameData = '';
  opcode: number = WEBSOCKET_OPCODE_TEXT;
  flags: number = SWOOLE_WEBSOCKET_FLAG_FIN;
  /** Null on frames that the program has made: then the FIN flag decides. */
  finish: boolean | null = null;

  /** Its bytes, one character each. */
  toString(): string {
    return Frame.pack(this).toString('latin1');
  }

  /** @throws RangeError for an opcode that is none, or a payload that is too long */
  static pack(
    data: Frame | FrameData,
    opcode: number = WEBSOCKET_OPCODE_TEXT,
    flags: number = SWOOLE_WEBSOCKET_FLAG_FIN,
  ): Buffer {
    if (!(data instanceof Frame)) return encode(opcode, flags, Buffer.from(data));
    const payload = data instanceof CloseFrame ? closePayload(data) : Buffer.from(data.data);
    return encode(data.opcode, flagsOf(data), payload);
  }

  /** @returns false when the bytes are no whole frame */
  static unpack(bytes: FrameData): Frame | false {
    return decode(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes));
  }
}

/** A close frame, with what its payload says. */
export class CloseFrame extends Frame {
  override opcode: number = WEBSOCKET_OPCODE_CLOSE;
  code = 1000;
  reason = '';
}

/** The flags of a frame; `finish`, when it is set, decides about the FIN. */
export function flagsOf(frame: Frame): number {
  if (frame.finish === null) return frame.flags;
  return frame.finish
    ? frame.flags | SWOOLE_WEBSOCKET_FLAG_FIN
    : frame.flags & ~SWOOLE_WEBSOCKET_FLAG_FIN;
}

/** A complete message that came in. */
export function receivedFrame(fd: number, data: string | Buffer, opcode: number): Frame {
  const frame = new Frame();
  frame.fd = fd;
  frame.data = data;
  frame.opcode = opcode;
  frame.finish = true;
  return frame;
}

function closePayload({ code, reason }: CloseFrame): Buffer {
  const text = Buffer.from(reason);
  const payload = Buffer.alloc(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return payload;
}

function encode(opcode: number, flags: number, payload: Buffer): Buffer {
  if (!Number.isInteger(opcode) || opcode < 0 || opcode > WEBSOCKET_OPCODE_PONG) {
    throw new RangeError(`${opcode} is no opcode.`);
  }
  if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError('The payload is too long.');
  let first = opcode;
  if ((flags & SWOOLE_WEBSOCKET_FLAG_FIN) !== 0) first |= FIN_BIT;
  for (const [flag, bit] of RESERVED) if ((flags & flag) !== 0) first |= bit;
  const isMasked = (flags & SWOOLE_WEBSOCKET_FLAG_MASK) !== 0;
  const length = lengthField(payload.length);
  if (isMasked) length[0] = (length[0] ?? 0) | MASK_BIT;
  if (!isMasked) return Buffer.concat([Buffer.of(first), length, payload]);
  const mask = randomBytes(MASK_BYTES);
  return Buffer.concat([Buffer.of(first), length, mask, masked(payload, mask)]);
}

function lengthField(length: number): Buffer {
  if (length < 126) return Buffer.of(length);
  const field = Buffer.alloc(length < 0x10000 ? 3 : 9);
  field[0] = length < 0x10000 ? 126 : 127;
  if (length < 0x10000) field.writeUInt16BE(length, 1);
  else field.writeBigUInt64BE(BigInt(length), 1);
  return field;
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  const result = Buffer.from(payload);
  for (let i = 0; i < result.length; i++) {
    result[i] = (result[i] ?? 0) ^ (mask[i % MASK_BYTES] ?? 0);
  }
  return result;
}

function decode(bytes: Buffer): Frame | false {
  if (bytes.length < 2) return false;
  const [first = 0, second = 0] = bytes;
  const form = second & 0x7f;
  let at = 2 + (form < 126 ? 0 : form === 126 ? 2 : 8);
  const isMasked = (second & MASK_BIT) !== 0;
  const payloadAt = at + (isMasked ? MASK_BYTES : 0);
  if (payloadAt > bytes.length) return false;
  let length = form;
  if (form === 126) length = bytes.readUInt16BE(2);
  else if (form === 127) length = Number(bytes.readBigUInt64BE(2));
  if (payloadAt + length > bytes.length) return false;
  const mask = bytes.subarray(at, payloadAt);
  at = payloadAt;
  const raw = bytes.subarray(at, at + length);
  return frameOf(first, isMasked ? masked(raw, mask) : Buffer.from(raw), isMasked);
}

function frameOf(first: number, payload: Buffer, isMasked: boolean): Frame {
  const opcode = first & 0x0f;
  const frame = opcode === WEBSOCKET_OPCODE_CLOSE ? new CloseFrame() : new Frame();
  frame.opcode = opcode;
  frame.finish = (first & FIN_BIT) !== 0;
  frame.flags = frame.finish ? SWOOLE_WEBSOCKET_FLAG_FIN : 0;
  for (const [flag, bit] of RESERVED) if ((first & bit) !== 0) frame.flags |= flag;
  if ((first & 0x40) !== 0) frame.flags |= SWOOLE_WEBSOCKET_FLAG_COMPRESS;
  if (isMasked) frame.flags |= SWOOLE_WEBSOCKET_FLAG_MASK;
  const isText = opcode === WEBSOCKET_OPCODE_TEXT && (first & 0x40) === 0;
  frame.data = isText ? payload.toString('utf8') : payload;
  if (frame instanceof CloseFrame) {
    frame.code = payload.length >= 2 ? payload.readUInt16BE(0) : NO_STATUS;
    frame.reason = payload.subarray(2).toString('utf8');
  }
  return frame;
}
