// Turns a client's bytes into messages (RFC 6455 sections 5 to 8), in place on the receive slab. Knows
// no socket and no state of a connection: it pushes to a FrameSink, which may stop it at any message.
//
//   frame-reader.ts -> run of whole small messages (hot path): decoded and copied together
//                   -> message in one frame: decoded, delivered
//                   -> pieces: judged and collected as they come, or handed on
//                   -> compressed pieces: inflated as they come, see message-inflater.ts

import { closePayloadFault } from './close-payload.ts';
import { POOLED_BYTES_MAX } from './copy-pool.ts';
import { asFastBuffer, BufferView } from './fast-buffer.ts';
import type { FrameHeader } from './frame-header.ts';
import type { FrameProgress } from './frame-pace.ts';
import { type FrameHandler, FrameReader } from './frame-reader.ts';
import { isRunAscii, restoreRun, runFrameEnd, runPayloadAt } from './frame-run.ts';
import type { FrameSink } from './frame-sink.ts';
import { MessageBuffer } from './message-buffer.ts';
import type { MessageInflater } from './message-inflater.ts';
import { MessagePieces, type PieceSink } from './message-pieces.ts';
import { CLOSE_CODE, OPCODE, VIOLATIONS, type Violation } from './protocol.ts';
import type { Unmasker } from './unmask.ts';
import { Utf8Validator } from './utf8-validator.ts';

/**
 * Texts and payloads of one run are decoded or copied together, this many bytes at a time. A kept
 * substring pins the string that it was cut from, so that one must stay small.
 */
const SHARED_BYTES_MAX = 4096;
/** Longer ones are decoded and copied by themselves. */
const SHARED_PAYLOAD_BYTES_MAX = 256;

/** What a parser can do beside whole messages. */
export interface ParserExtras {
  /** Gets the messages that are cut or fragmented, while they arrive; not those that are compressed. */
  readonly pieces?: PieceSink | undefined;
  /** permessage-deflate was agreed on. */
  readonly inflater?: MessageInflater | undefined;
}

/** First byte of a final binary frame. */
const FINAL_BINARY = 0x82;

export class FrameParser implements FrameHandler, FrameProgress {
  #sink: FrameSink;
  readonly #unmasker: Unmasker;
  #messageBytesMax: number;
  readonly #reader: FrameReader;
  readonly #inflater: MessageInflater | undefined;
  /** Made for the first text that is not ASCII: most connections stay idle without one. */
  #utf8: Utf8Validator | undefined;

  #message: MessageBuffer | undefined;
  readonly #pieces: MessagePieces | undefined;
  #seenHighBits = 0;

  /**
   * @param messageBytesMax longest message in bytes; a longer one is refused from its header on
   * @param extras what messages may be beyond that
   */
  constructor(
    sink: FrameSink,
    messageBytesMax: number,
    unmasker: Unmasker,
    extras: ParserExtras = {},
  ) {
    const { pieces, inflater } = extras;
    this.#sink = sink;
    this.#messageBytesMax = messageBytesMax;
    this.#unmasker = unmasker;
    this.#pieces = pieces === undefined ? undefined : new MessagePieces(pieces);
    this.#inflater = inflater;
    this.#reader = new FrameReader(this, unmasker, inflater !== undefined);
  }

  /** Between messages, and with nothing that is one connection's: it may serve another. */
  get isFree(): boolean {
    return this.#reader.isFree && this.#inflater === undefined && this.#pieces === undefined;
  }

  /** Serves another connection from now on. Only while it is free. */
  serve(sink: FrameSink, messageBytesMax: number): void {
    this.#sink = sink;
    this.#messageBytesMax = messageBytesMax;
    this.#reader.isStopped = false;
  }

  get frameProgress(): number {
    return this.#reader.frameProgress;
  }

  get cutFrames(): number {
    return this.#reader.cutFrames;
  }

  /** Ends push() after the message that is being delivered; resume() undoes it. */
  stop(): void {
    this.#reader.isStopped = true;
  }

  resume(): void {
    this.#reader.isStopped = false;
  }

  /** From now on everything is discarded: the connection has failed or is closing. */
  end(): void {
    this.#reader.end();
    this.#message = undefined;
    this.#inflater?.end();
  }

  /**
   * Parses bytes[start, end), unmasking in place. Whole frames leave nothing behind, the rest is copied.
   * @returns the place after the last byte that was consumed: `end`, unless stop() was called
   */
  push(bytes: Buffer, start: number, end: number): number {
    if (this.#inflater !== undefined) this.#inflater.newTurn();
    return this.#reader.push(bytes, start, end);
  }

  // ---- FrameHandler ------------------------------------------------------

  /** Ends early when it is stopped, or at a message that is too long, which its header then tells. */
  onRun(bytes: Buffer, start: number, end: number): number {
    const sink = this.#sink;
    const reader = this.#reader;
    const copies = this.#unmasker.copies.small;
    let text = '';
    let textAt = 0;
    let textEnd = start;
    /** Where bytes[0] would lie in the copies' memory, for payloads that end up to copiedEnd. */
    let copyOffset = 0;
    let copiedEnd = start;
    let at = start;
    while (at < end) {
      const from = runPayloadAt(bytes, at);
      const to = runFrameEnd(bytes, at, from);
      if (to - from > this.#messageBytesMax) break;
      if (bytes[at] === FINAL_BINARY) {
        if (to - from > SHARED_PAYLOAD_BYTES_MAX)
          sink.onBinary(this.#unmasker.copyOf(bytes, from, to));
        else {
          if (to > copiedEnd) {
            copiedEnd = Math.min(end, from + SHARED_BYTES_MAX);
            const copyAt = copies.copy(bytes, from, to, copiedEnd);
            copyOffset = copyAt - from;
            copiedEnd = copies.used - copyOffset;
          }
          sink.onBinary(new BufferView(copies.memory, copyOffset + from, to - from));
        }
      } else if (!isRunAscii(bytes, from)) this.#deliverUtf8(bytes, from, to);
      else if (to <= textEnd) sink.onText(text.substring(from - textAt, to - textAt));
      else if (to === end || to - from > SHARED_PAYLOAD_BYTES_MAX) {
        sink.onText(asFastBuffer(bytes).latin1Slice(from, to));
      } else {
        textAt = from;
        textEnd = Math.min(end, from + SHARED_BYTES_MAX);
        text = asFastBuffer(bytes).latin1Slice(from, textEnd);
        sink.onText(text.substring(0, to - from));
      }
      at = to;
      if (reader.isEnded) return end;
      if (reader.isStopped) break;
    }
    if (at < end) restoreRun(bytes, at, end);
    return at;
  }

  /** Says no to a message above the limit before anything of it is kept. */
  onHeader(header: FrameHeader): boolean {
    if (!this.#fitsMessage(header.length)) return this.#fail(VIOLATIONS.tooBig);
    if (header.length > POOLED_BYTES_MAX) this.#unmasker.expectLarge();
    return true;
  }

  onWrongHeader(violation: Violation): void {
    this.#fail(violation);
  }

  onWhole(bytes: Buffer, start: number, end: number, high: number): void {
    if (this.#reader.header.opcode === OPCODE.binary) {
      this.#sink.onBinary(this.#unmasker.copyOf(bytes, start, end));
    } else if (high === 0) this.#sink.onText(asFastBuffer(bytes).latin1Slice(start, end));
    else this.#deliverUtf8(bytes, start, end);
  }

  onPiece(bytes: Buffer, start: number, end: number, high: number, isLast: boolean): void {
    const isTaken = this.#collect(bytes, start, end, high);
    if (isTaken && isLast && this.#reader.header.isFinal) this.#finishMessage();
  }

  /** Inflates the piece, and delivers the message that it ends. */
  onCompressed(bytes: Buffer, start: number, end: number, mask: number, isLast: boolean): void {
    const inflater = this.#inflater;
    if (inflater === undefined) return;
    const isText = this.#isText;
    const violation = inflater.push(bytes, start, end, mask, isText, isLast);
    if (violation !== undefined) this.#fail(violation);
    else if (isLast) {
      if (isText) this.#sink.onText(inflater.takeText());
      else this.#sink.onBinary(inflater.takeBytes(this.#unmasker));
      if (inflater.isTurnSpent) this.#sink.onTurnSpent();
    }
  }

  onControl(bytes: Buffer, start: number, end: number): void {
    const { opcode } = this.#reader.header;
    if (opcode === OPCODE.ping) this.#sink.onPing(this.#unmasker.copyOf(bytes, start, end));
    else if (opcode === OPCODE.pong) this.#sink.onPong(this.#unmasker.copyOf(bytes, start, end));
    else this.#deliverClose(bytes, start, end);
  }

  // ------------------------------------------------------------------------

  /** Whether the message may go on with a frame of `length` bytes. */
  #fitsMessage(length: number): boolean {
    if (this.#reader.isCompressed) return this.#inflater?.announce(length) === true;
    const collected = (this.#message ?? this.#pieces)?.length ?? 0;
    return collected + length <= this.#messageBytesMax;
  }

  /** Adds an unmasked piece to the message in progress. @returns false when it cannot be UTF-8 */
  #collect(bytes: Buffer, start: number, end: number, high: number): boolean {
    const needsCheck = high !== 0 || !this.#isTextComplete;
    if (this.#isText && needsCheck && !this.#validator().push(bytes, start, end)) {
      return this.#fail(VIOLATIONS.utf8);
    }
    if (this.#pieces !== undefined) {
      this.#pieces.push(bytes, start, end, !this.#isText, !needsCheck);
      return !this.#reader.isEnded;
    }
    this.#seenHighBits |= high;
    this.#message ??= new MessageBuffer();
    const message = this.#message;
    const { header, bytesLeft } = this.#reader;
    const announced = message.length + (end - start) + bytesLeft;
    message.append(bytes, start, end, header.isFinal ? announced : this.#messageBytesMax);
    return true;
  }

  #finishMessage(): void {
    const isText = this.#isText;
    const isAscii = this.#seenHighBits === 0;
    if (this.#pieces !== undefined) {
      if (isText && !this.#isTextComplete) this.#fail(VIOLATIONS.utf8);
      else this.#pieces.finish();
      return;
    }
    this.#seenHighBits = 0;
    const payload = this.#message?.take() ?? Buffer.alloc(0);
    this.#message = undefined;
    if (!isText) this.#sink.onBinary(payload);
    else if (!this.#isTextComplete) this.#fail(VIOLATIONS.utf8);
    else if (isAscii) this.#sink.onText(asFastBuffer(payload).latin1Slice(0, payload.length));
    else this.#sink.onText(asFastBuffer(payload).utf8Slice(0, payload.length));
  }

  /** Of the message in progress. */
  get #isText(): boolean {
    return this.#reader.messageOpcode === OPCODE.text;
  }

  #validator(): Utf8Validator {
    this.#utf8 ??= new Utf8Validator();
    return this.#utf8;
  }

  /** Between characters. */
  get #isTextComplete(): boolean {
    return this.#utf8 === undefined || this.#utf8.isComplete;
  }

  #deliverUtf8(bytes: Buffer, start: number, end: number): void {
    const utf8 = this.#validator();
    if (!utf8.push(bytes, start, end) || !utf8.isComplete) this.#fail(VIOLATIONS.utf8);
    else this.#sink.onText(asFastBuffer(bytes).utf8Slice(start, end));
  }

  #deliverClose(bytes: Buffer, start: number, end: number): void {
    if (end === start) {
      this.end();
      this.#sink.onCloseFrame(CLOSE_CODE.noStatus, '');
      return;
    }
    const fault = closePayloadFault(bytes, start, end);
    if (fault !== undefined) this.#fail(fault);
    else {
      this.end();
      const reason = asFastBuffer(bytes).utf8Slice(start + 2, end);
      this.#sink.onCloseFrame(bytes.readUInt16BE(start), reason);
    }
  }

  #fail(violation: Violation): false {
    this.end();
    this.#sink.onViolation(violation);
    return false;
  }
}
