// A client's bytes become events in the form of the `ws` API: text arrives as a Buffer, fragments can be
// asked for, faults are Errors. Differs from lib/websocket's FrameParser, on the same FrameReader, in that
// nothing is decoded to strings. Knows no socket.

import { isUtf8 } from 'node:buffer';
import type { FrameHeader } from '../../websocket/frame-header.ts';
import { type FrameHandler, FrameReader } from '../../websocket/frame-reader.ts';
import { isRunAscii, restoreRun, runFrameEnd, runPayloadAt } from '../../websocket/frame-run.ts';
import { MessageBuffer } from '../../websocket/message-buffer.ts';
import type { MessageInflater } from '../../websocket/message-inflater.ts';
import {
  CLOSE_CODE,
  isReceivableCloseCode,
  OPCODE,
  VIOLATIONS,
  type Violation,
} from '../../websocket/protocol.ts';
import type { Unmasker } from '../../websocket/unmask.ts';
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

export class Receiver implements FrameHandler {
  binaryType: BinaryType = 'nodebuffer';
  readonly #sink: ReceiverSink;
  readonly #unmasker: Unmasker;
  readonly #copies: PayloadCopies;
  readonly #options: ReceiverOptions;
  readonly #reader: FrameReader;
  readonly #inflater: MessageInflater | undefined;
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
    this.#reader = new FrameReader(this, carrier.unmasker, inflater !== undefined);
  }

  get isEnded(): boolean {
    return this.#reader.isEnded;
  }

  /** Ends push() after the event that is being delivered; the next push() goes on. */
  stop(): void {
    this.#reader.isStopped = true;
  }

  /** From now on everything is discarded. */
  end(): void {
    this.#reader.end();
    this.#inflater?.end();
    this.#message = undefined;
    this.#ends = [];
  }

  /**
   * Parses bytes[start, end), unmasking in place. Whole frames leave nothing behind, the rest is copied.
   * @returns the place after the last byte that was consumed: `end`, unless stop() was called
   */
  push(bytes: Buffer, start: number, end: number): number {
    this.#reader.isStopped = false;
    return this.#reader.push(bytes, start, end);
  }

  // ---- FrameHandler ------------------------------------------------------

  onRun(bytes: Buffer, start: number, end: number): number {
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
      if (this.#reader.isEnded) return end;
      if (this.#reader.isStopped) break;
    }
    if (at < end) restoreRun(bytes, at, end);
    return at;
  }

  /** Says no to a message above a bound before anything of it is kept. */
  onHeader(header: FrameHeader): boolean {
    if (!Number.isSafeInteger(header.length)) return this.#fail(lengthBeyondNumbers());
    const { maxPayload, maxFragments } = this.#options;
    this.#announced += header.length;
    if (maxPayload > 0 && this.#announced > maxPayload) {
      return this.#fail(faultOf(VIOLATIONS.tooBig));
    }
    if (maxFragments > 0 && ++this.#frames > maxFragments) return this.#fail(tooManyFragments());
    if (this.#reader.isCompressed && this.#inflater?.announce(header.length) === false) {
      return this.#fail(faultOf(VIOLATIONS.tooBig));
    }
    return true;
  }

  onWrongHeader(violation: Violation, firstByte: number): void {
    this.#fail(faultOf(violation, firstByte));
  }

  onWhole(bytes: Buffer, start: number, end: number, high: number): void {
    this.#finish();
    const data = this.#copies.one(bytes, start, end);
    if (this.#reader.header.opcode === OPCODE.binary) this.#deliverBinary(data, NO_ENDS);
    else if (high !== 0 && !this.#options.skipUTF8Validation && !isUtf8(data)) {
      this.#fail(faultOf(VIOLATIONS.utf8));
    } else this.#sink.onMessage(data, false);
  }

  onPiece(bytes: Buffer, start: number, end: number, high: number, isLast: boolean): void {
    const isTaken = this.#collect(bytes, start, end, high, isLast);
    if (isTaken && isLast && this.#reader.header.isFinal) this.#deliver();
  }

  /** Inflates the piece, and delivers the message that it ends. */
  onCompressed(bytes: Buffer, start: number, end: number, mask: number, isLast: boolean): void {
    const inflater = this.#inflater;
    if (inflater === undefined) return;
    const isText = this.#isText;
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

  onControl(bytes: Buffer, start: number, end: number): void {
    const { opcode } = this.#reader.header;
    const payload = this.#copies.one(bytes, start, end);
    if (opcode === OPCODE.ping) this.#sink.onPing(payload);
    else if (opcode === OPCODE.pong) this.#sink.onPong(payload);
    else this.#deliverClose(payload);
  }

  // ------------------------------------------------------------------------

  /** Of the message in progress. */
  get #isText(): boolean {
    return this.#reader.messageOpcode === OPCODE.text;
  }

  /** Adds an unmasked piece to the message in progress. @returns false when it cannot be UTF-8 */
  #collect(bytes: Buffer, start: number, end: number, high: number, isLast: boolean): boolean {
    if (this.#isText && !this.#options.skipUTF8Validation) {
      this.#utf8 ??= new Utf8Validator();
      const needsCheck = high !== 0 || !this.#utf8.isComplete;
      if (needsCheck && !this.#utf8.push(bytes, start, end)) {
        return this.#fail(faultOf(VIOLATIONS.utf8));
      }
    }
    this.#message ??= new MessageBuffer();
    const message = this.#message;
    const { isFinal } = this.#reader.header;
    message.append(bytes, start, end, isFinal ? this.#announced : Number.MAX_SAFE_INTEGER);
    if (isLast && !this.#isText) this.#ends.push(message.length);
    return true;
  }

  /** A message of several pieces is complete. */
  #deliver(): void {
    const isText = this.#isText;
    const payload = this.#message?.take() ?? NO_BYTES;
    const ends = this.#ends;
    this.#finish();
    if (!isText) this.#deliverBinary(payload, ends);
    else if (this.#utf8?.isComplete === false) this.#fail(faultOf(VIOLATIONS.utf8));
    else this.#sink.onMessage(payload, false);
  }

  #finish(): void {
    this.#announced = 0;
    this.#frames = 0;
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
