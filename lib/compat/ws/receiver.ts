// A client's bytes become events in the form of the `ws` API: text arrives as a Buffer, fragments can be
// asked for, faults are Errors. Built of the codec's parts; it differs from lib/websocket's parser in that
// nothing is decoded to strings. Knows no socket.
//
//   push -> whole frame: unmask in place, one copy, deliver
//        -> cut or fragmented: pieces are unmasked, judged and collected as they come

import { isUtf8 } from 'node:buffer';
import {
  FrameHeader,
  HEADER_BYTES_MAX,
  HEADER_CUT,
  HEADER_WRONG,
} from '../../websocket/frame-header.ts';
import {
  isRunAscii,
  restoreRun,
  runFrameEnd,
  runPayloadAt,
  scanRun,
} from '../../websocket/frame-run.ts';
import { MessageBuffer } from '../../websocket/message-buffer.ts';
import type { MessageInflater } from '../../websocket/message-inflater.ts';
import {
  CLOSE_CODE,
  CONTROL_PAYLOAD_BYTES_MAX,
  isReceivableCloseCode,
  OPCODE,
  VIOLATIONS,
} from '../../websocket/protocol.ts';
import { rotateMask, type Unmasker } from '../../websocket/unmask.ts';
import { Utf8Validator } from '../../websocket/utf8-validator.ts';
import type { BinaryType } from './constants.ts';
import type { PayloadCopies } from './payload-copies.ts';
import {
  faultOf,
  lengthBeyondNumbers,
  type ReceiveFault,
  tooManyFragments,
} from './receive-error.ts';
import type { Carrier } from './transport.ts';

/** A message as `binaryType` wants it. */
export type MessageData = Buffer | ArrayBuffer | Buffer[] | Blob;

/** What the receiver finds. Calls may throw; the receiver must then be ended. */
export interface ReceiverSink {
  onMessage(data: MessageData, isBinary: boolean): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** The peer's close frame; nothing comes after it. @param code 1005 when the frame had none */
  onCloseFrame(code: number, reason: Buffer): void;
  /** The peer broke the protocol or a bound; nothing comes after it. */
  onFault(fault: ReceiveFault): void;
}

export interface ReceiverOptions {
  /** Bytes of a message; 0 is no bound. */
  readonly maxPayload: number;
  /** Frames of a message; 0 is no bound. */
  readonly maxFragments: number;
  readonly skipUTF8Validation: boolean;
}

const NO_BYTES = Buffer.alloc(0);
const FINAL_BINARY = 0x80 | OPCODE.binary;

export class Receiver {
  binaryType: BinaryType = 'nodebuffer';
  readonly #sink: ReceiverSink;
  readonly #unmasker: Unmasker;
  readonly #copies: PayloadCopies;
  readonly #options: ReceiverOptions;
  readonly #header: FrameHeader;
  readonly #inflater: MessageInflater | undefined;
  #isCompressed = false;

  #isEnded = false;
  #isStopped = false;
  /** A header that was cut; its first #cutLength bytes are there. */
  #cut: Buffer | undefined;
  #cutLength = 0;
  /** Payload bytes of the frame in progress that have come; -1 between frames. */
  #received = -1;
  #control: Buffer | undefined;
  /** Opcode of the message in progress: text, binary, or 0 between messages. */
  #opcode = 0;
  #message: MessageBuffer | undefined;
  #utf8: Utf8Validator | undefined;
  /** Bytes that the message's headers have announced. */
  #announced = 0;
  #frames = 0;
  /** Where the fragments of the message end. */
  #ends: number[] = [];

  /** @param inflater when permessage-deflate was agreed on */
  constructor(
    sink: ReceiverSink,
    options: ReceiverOptions,
    carrier: Pick<Carrier, 'unmasker' | 'copies'>,
    inflater?: MessageInflater,
  ) {
    this.#sink = sink;
    this.#options = options;
    this.#unmasker = carrier.unmasker;
    this.#copies = carrier.copies;
    this.#inflater = inflater;
    this.#header = new FrameHeader(inflater !== undefined);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Ends push() after the event that is being delivered; the next push() goes on. */
  stop(): void {
    this.#isStopped = true;
  }

  /** From now on everything is discarded. */
  end(): void {
    this.#isEnded = true;
    this.#inflater?.end();
    this.#message = undefined;
    this.#cut = undefined;
    this.#control = undefined;
    this.#ends = [];
  }

  /**
   * Parses bytes[start, end), unmasking in place. Whole frames leave nothing behind, the rest is copied.
   * @returns the place after the last byte that was consumed: `end`, unless stop() was called
   */
  push(bytes: Buffer, start: number, end: number): number {
    let at = start;
    this.#isStopped = false;
    while (at < end && !this.#isStopped) {
      if (this.#isEnded) return end;
      if (this.#received >= 0) at = this.#continuePayload(bytes, at, end);
      else if (this.#cutLength > 0) at = this.#continueHeader(bytes, at, end);
      else at = this.#nextFrame(bytes, at, end);
    }
    return this.#isEnded ? end : at;
  }

  #nextFrame(bytes: Buffer, at: number, end: number): number {
    if (this.#opcode === 0) {
      const runEnd = scanRun(bytes, at, end, this.#unmasker);
      const delivered = runEnd > at ? this.#deliverRun(bytes, at, runEnd) : at;
      if (delivered > at) return delivered;
    }
    const header = this.#header;
    const payloadAt = header.read(bytes, at, end, this.#opcode !== 0);
    if (payloadAt === HEADER_CUT) {
      this.#cut ??= Buffer.allocUnsafe(HEADER_BYTES_MAX);
      this.#cutLength = bytes.copy(this.#cut, 0, at, end);
      return end;
    }
    if (!this.#accept(payloadAt, bytes[at] ?? 0)) return end;
    const payloadEnd = payloadAt + header.length;
    if (payloadEnd > end) {
      this.#received = 0;
      return this.#continuePayload(bytes, payloadAt, end);
    }
    this.#wholeFrame(bytes, payloadAt, payloadEnd);
    return payloadEnd;
  }

  /** Delivers whole messages that are unmasked. @returns where it ended early, or `end` */
  #deliverRun(bytes: Buffer, start: number, end: number): number {
    const { maxPayload, skipUTF8Validation } = this.#options;
    this.#copies.begin();
    let at = start;
    while (at < end) {
      const from = runPayloadAt(bytes, at);
      const to = runFrameEnd(bytes, at, from);
      if (maxPayload > 0 && to - from > maxPayload) break;
      const data = this.#copies.next(bytes, from, to, end);
      if (bytes[at] === FINAL_BINARY) this.#deliverBinary(data, NO_ENDS);
      else if (isRunAscii(bytes, from) || skipUTF8Validation || isUtf8(data)) {
        this.#sink.onMessage(data, false);
      } else this.#fail(faultOf(VIOLATIONS.utf8));
      at = to;
      if (this.#isEnded) return end;
      if (this.#isStopped) break;
    }
    if (at < end) restoreRun(bytes, at, end);
    return at;
  }

  #continueHeader(bytes: Buffer, at: number, end: number): number {
    const cut = this.#cut ?? NO_BYTES;
    const before = this.#cutLength;
    const length = before + bytes.copy(cut, before, at, end);
    const payloadAt = this.#header.read(cut, 0, length, this.#opcode !== 0);
    if (payloadAt === HEADER_CUT) {
      this.#cutLength = length;
      return end;
    }
    this.#cutLength = 0;
    if (!this.#accept(payloadAt, cut[0] ?? 0)) return end;
    this.#received = 0;
    return this.#continuePayload(bytes, at + payloadAt - before, end);
  }

  /** Says no to a wrong header, and to a message above a bound before anything of it is kept. */
  #accept(payloadAt: number, firstByte: number): boolean {
    const header = this.#header;
    if (payloadAt === HEADER_WRONG) {
      return this.#fail(faultOf(header.violation ?? VIOLATIONS.opcode, firstByte));
    }
    if (header.isControl) return true;
    if (!Number.isSafeInteger(header.length)) return this.#fail(lengthBeyondNumbers());
    const { maxPayload, maxFragments } = this.#options;
    this.#announced += header.length;
    if (maxPayload > 0 && this.#announced > maxPayload) {
      return this.#fail(faultOf(VIOLATIONS.tooBig));
    }
    if (maxFragments > 0 && ++this.#frames > maxFragments) return this.#fail(tooManyFragments());
    if (header.opcode !== OPCODE.continuation) {
      this.#opcode = header.opcode;
      this.#isCompressed = header.isCompressed;
    }
    if (this.#isCompressed && this.#inflater?.announce(header.length) === false) {
      return this.#fail(faultOf(VIOLATIONS.tooBig));
    }
    return true;
  }

  /** A frame that lies whole in the chunk. */
  #wholeFrame(bytes: Buffer, start: number, end: number): void {
    const header = this.#header;
    if (this.#isCompressed && !header.isControl) {
      this.#inflate(bytes, start, end, header.mask, header.isFinal);
      return;
    }
    const high = this.#unmasker.unmask(bytes, start, end, header.mask);
    if (header.isControl) this.#deliverControl(this.#copies.one(bytes, start, end));
    else if (header.isFinal && header.opcode !== OPCODE.continuation) {
      this.#finish();
      const data = this.#copies.one(bytes, start, end);
      if (header.opcode === OPCODE.binary) this.#deliverBinary(data, NO_ENDS);
      else if (high !== 0 && !this.#options.skipUTF8Validation && !isUtf8(data)) {
        this.#fail(faultOf(VIOLATIONS.utf8));
      } else this.#sink.onMessage(data, false);
    } else if (this.#collect(bytes, start, end, high, true) && header.isFinal) this.#deliver();
  }

  /** The next piece of a frame whose payload was cut; also its last one, and the empty payload. */
  #continuePayload(bytes: Buffer, start: number, end: number): number {
    const header = this.#header;
    const received = this.#received;
    const pieceEnd = Math.min(end, start + header.length - received);
    const mask = rotateMask(header.mask, received);
    const isLast = received + pieceEnd - start === header.length;
    this.#received = isLast ? -1 : received + pieceEnd - start;
    if (this.#isCompressed && !header.isControl) {
      this.#inflate(bytes, start, pieceEnd, mask, isLast && header.isFinal);
      return pieceEnd;
    }
    const high = this.#unmasker.unmask(bytes, start, pieceEnd, mask);
    if (header.isControl) this.#continueControl(bytes, start, pieceEnd, received, isLast);
    else if (this.#collect(bytes, start, pieceEnd, high, isLast) && isLast && header.isFinal) {
      this.#deliver();
    }
    return pieceEnd;
  }

  /** Inflates a piece that is masked still, and delivers the message that it ends. */
  #inflate(bytes: Buffer, start: number, end: number, mask: number, isLast: boolean): void {
    const inflater = this.#inflater;
    if (inflater === undefined) return;
    const isText = this.#opcode === OPCODE.text;
    const isJudged = isText && !this.#options.skipUTF8Validation;
    const violation = inflater.push(bytes, start, end, mask, isJudged, isLast);
    if (violation !== undefined) this.#fail(faultOf(violation));
    else if (isLast) {
      this.#finish();
      const data = inflater.takeBytes(this.#unmasker);
      if (isText) this.#sink.onMessage(data, false);
      else this.#deliverBinary(data, NO_ENDS);
    }
  }

  #continueControl(bytes: Buffer, start: number, end: number, at: number, isLast: boolean): void {
    this.#control ??= Buffer.allocUnsafe(CONTROL_PAYLOAD_BYTES_MAX);
    const control = this.#control;
    bytes.copy(control, at, start, end);
    if (isLast) this.#deliverControl(this.#copies.one(control, 0, at + end - start));
  }

  /** Adds an unmasked piece to the message in progress. @returns false when it cannot be UTF-8 */
  #collect(bytes: Buffer, start: number, end: number, high: number, isLast: boolean): boolean {
    if (this.#opcode === OPCODE.text && !this.#options.skipUTF8Validation) {
      this.#utf8 ??= new Utf8Validator();
      const needsCheck = high !== 0 || !this.#utf8.isComplete;
      if (needsCheck && !this.#utf8.push(bytes, start, end)) {
        return this.#fail(faultOf(VIOLATIONS.utf8));
      }
    }
    this.#message ??= new MessageBuffer();
    const message = this.#message;
    const { isFinal } = this.#header;
    message.append(bytes, start, end, isFinal ? this.#announced : Number.MAX_SAFE_INTEGER);
    if (isLast && this.#opcode === OPCODE.binary) this.#ends.push(message.length);
    return true;
  }

  /** A message of several pieces is complete. */
  #deliver(): void {
    const isText = this.#opcode === OPCODE.text;
    const payload = this.#message?.take() ?? NO_BYTES;
    const ends = this.#ends;
    this.#finish();
    if (!isText) this.#deliverBinary(payload, ends);
    else if (this.#utf8?.isComplete === false) this.#fail(faultOf(VIOLATIONS.utf8));
    else this.#sink.onMessage(payload, false);
  }

  #finish(): void {
    this.#opcode = 0;
    this.#announced = 0;
    this.#frames = 0;
    this.#isCompressed = false;
    if (this.#message === undefined) return;
    this.#message = undefined;
    this.#ends = [];
  }

  #deliverBinary(data: Buffer, ends: readonly number[]): void {
    const { binaryType } = this;
    if (binaryType === 'nodebuffer') this.#sink.onMessage(data, true);
    else if (binaryType === 'arraybuffer') this.#sink.onMessage(arrayBufferOf(data), true);
    else if (binaryType === 'blob') this.#sink.onMessage(new Blob([data]), true);
    else this.#sink.onMessage(fragmentsOf(data, ends), true);
  }

  #deliverControl(payload: Buffer): void {
    const { opcode } = this.#header;
    if (opcode === OPCODE.ping) this.#sink.onPing(payload);
    else if (opcode === OPCODE.pong) this.#sink.onPong(payload);
    else this.#deliverClose(payload);
  }

  #deliverClose(payload: Buffer): void {
    if (payload.length === 0) {
      this.end();
      this.#sink.onCloseFrame(CLOSE_CODE.noStatus, NO_BYTES);
      return;
    }
    if (payload.length === 1) {
      this.#fail(faultOf(VIOLATIONS.closeLength));
      return;
    }
    const code = payload.readUInt16BE(0);
    const reason = payload.subarray(2);
    if (!isReceivableCloseCode(code)) this.#fail(faultOf(VIOLATIONS.closeCode));
    else if (!this.#options.skipUTF8Validation && !isUtf8(reason)) {
      this.#fail(faultOf(VIOLATIONS.utf8));
    } else {
      this.end();
      // A copy of its own: the socket keeps it, and must not keep the pool's page with it.
      this.#sink.onCloseFrame(code, Buffer.from(reason));
    }
  }

  #fail(fault: ReceiveFault): false {
    this.end();
    this.#sink.onFault(fault);
    return false;
  }
}

const NO_ENDS: readonly number[] = [];

function arrayBufferOf(data: Buffer): ArrayBuffer {
  const { buffer, length } = data;
  if (length === buffer.byteLength && buffer instanceof ArrayBuffer) return buffer;
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(data);
  return copy;
}

/** The fragments of a message that has one or none is itself. */
function fragmentsOf(data: Buffer, ends: readonly number[]): Buffer[] {
  if (ends.length === 0) return data.length === 0 ? [] : [data];
  const fragments: Buffer[] = [];
  let start = 0;
  for (const end of ends) {
    if (end > start) fragments.push(data.subarray(start, end));
    start = end;
  }
  return fragments;
}
