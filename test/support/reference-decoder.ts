// RFC 6455 decoded the slow and obvious way, from the whole input at once: what the fuzz test compares
// the parser with. Says the same words as FrameRecorder.

import { isUtf8 } from 'node:buffer';

interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  readonly isWhole: boolean;
  readonly length: bigint;
  readonly next: number;
}

/** The events of an input, up to its end, its close frame or its first violation. */
export function decodeByTheBook(input: Buffer, messageBytesMax: number): string[] {
  const events: string[] = [];
  let opcode = 0;
  let parts: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const frame = readFrame(input, at, opcode !== 0);
    if (frame === 'cut') return events;
    if (typeof frame === 'string') return [...events, frame];
    at = frame.next;
    if (frame.opcode >= 8) {
      if (!frame.isWhole) return events;
      const event = controlEvent(frame);
      events.push(event);
      if (!/^p[io]ng/.test(event)) return events;
      continue;
    }
    const before = parts.reduce((sum, part) => sum + part.length, 0);
    if (BigInt(before) + frame.length > BigInt(messageBytesMax)) {
      return [...events, 'ERR_WS_TOO_BIG 1009'];
    }
    if (frame.opcode !== 0) opcode = frame.opcode;
    parts.push(frame.payload);
    const message = Buffer.concat(parts);
    const isDone = frame.isWhole && frame.final;
    if (opcode === 1 && !(isDone ? isUtf8(message) : canBecomeUtf8(message))) {
      return [...events, 'ERR_WS_UTF8 1007'];
    }
    if (!isDone) continue;
    events.push(opcode === 1 ? `text ${message.toString()}` : `binary ${message.toString('hex')}`);
    opcode = 0;
    parts = [];
  }
  return events;
}

function readFrame(input: Buffer, at: number, isInMessage: boolean): Frame | string {
  const first = input.readUInt8(at);
  const final = (first & 0x80) !== 0;
  const opcode = first & 15;
  if ((first & 0x70) !== 0) return 'ERR_WS_RESERVED_BITS 1002';
  if (![0, 1, 2, 8, 9, 10].includes(opcode)) return 'ERR_WS_OPCODE 1002';
  if (opcode >= 8 && !final) return 'ERR_WS_CONTROL_FRAGMENTED 1002';
  if (opcode === 0 && !isInMessage) return 'ERR_WS_CONTINUATION 1002';
  if ((opcode === 1 || opcode === 2) && isInMessage) return 'ERR_WS_INTERLEAVED 1002';
  if (at + 1 >= input.length) return 'cut';
  const second = input.readUInt8(at + 1);
  if ((second & 0x80) === 0) return 'ERR_WS_MASK_MISSING 1002';
  const form = second & 0x7f;
  if (opcode >= 8 && form > 125) return 'ERR_WS_CONTROL_LENGTH 1002';
  const bytes = form === 127 ? 8 : form === 126 ? 2 : 0;
  const maskAt = at + 2 + bytes;
  if (maskAt > input.length) return 'cut';
  let length = BigInt(form);
  if (bytes > 0) length = BigInt(`0x${input.toString('hex', at + 2, maskAt)}`);
  if (length >> 63n === 1n) return 'ERR_WS_LENGTH_RANGE 1002';
  if (bytes === 2 && length < 126n) return 'ERR_WS_LENGTH_FORM 1002';
  if (bytes === 8 && length < 65_536n) return 'ERR_WS_LENGTH_FORM 1002';
  const start = maskAt + 4;
  if (start > input.length) return 'cut';
  const isWhole = BigInt(start) + length <= BigInt(input.length);
  const next = isWhole ? start + Number(length) : input.length;
  const mask = input.subarray(maskAt, start);
  const payload = Buffer.from(input.subarray(start, next)).map(
    (byte, i) => byte ^ (mask[i % 4] ?? 0),
  );
  return { final, opcode, payload: Buffer.from(payload), isWhole, length, next };
}

function controlEvent({ opcode, payload }: Frame): string {
  if (opcode === 9) return `ping ${payload.toString('hex')}`.trimEnd();
  if (opcode === 10) return `pong ${payload.toString('hex')}`.trimEnd();
  if (payload.length === 0) return 'close 1005';
  if (payload.length === 1) return 'ERR_WS_CLOSE_LENGTH 1002';
  const code = payload.readUInt16BE(0);
  const isNamed = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
  if (!isNamed && !(code >= 3000 && code <= 4999)) return 'ERR_WS_CLOSE_CODE 1002';
  if (!isUtf8(payload.subarray(2))) return 'ERR_WS_UTF8 1007';
  return `close ${code} ${payload.toString('utf8', 2)}`.trimEnd();
}

/** Continuation bytes at the edges of every range that a second byte may have. */
const EDGES = [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf];

/** Whether some continuation makes the bytes UTF-8: tried out for the last, unfinished character. */
function canBecomeUtf8(bytes: Buffer): boolean {
  if (isUtf8(bytes)) return true;
  for (let cut = 1; cut <= 3 && cut <= bytes.length; cut++) {
    if (!isUtf8(bytes.subarray(0, bytes.length - cut))) continue;
    if (canComplete(bytes.subarray(bytes.length - cut), 3)) return true;
  }
  return false;
}

function canComplete(character: Buffer, more: number): boolean {
  if (isUtf8(character)) return true;
  if (more === 0) return false;
  return EDGES.some((edge) => canComplete(Buffer.from([...character, edge]), more - 1));
}
