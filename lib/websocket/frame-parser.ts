// Turns a client's bytes into messages (RFC 6455 sections 5 to 8), in place on the receive slab. Knows
// no socket and no state of a connection: it pushes to a FrameSink, which may stop it at any message.
//
//   push -> run of whole small messages (hot path, see frame-run.ts)
//        -> header -> whole frame: unmask in place, decode, deliver
//                  -> cut or fragmented: pieces are unmasked, judged and collected as they come
//                  -> compressed: pieces are inflated as they come, see message-inflater.ts

import { closePayloadFault } from './close-payload.ts';
import { POOLED_BYTES_MAX } from './copy-pool.ts';
import { asFastBuffer, BufferView } from './fast-buffer.ts';
import { FrameHeader, HEADER_BYTES_MAX, HEADER_CUT, HEADER_WRONG } from './frame-header.ts';
import type { FrameProgress } from './frame-pace.ts';
import { isRunAscii, restoreRun, runFrameEnd, runPayloadAt, scanRun } from './frame-run.ts';
import type { FrameSink } from './frame-sink.ts';
import { MessageBuffer } from './message-buffer.ts';
import type { MessageInflater } from './message-inflater.ts';
import { MessagePieces, type PieceSink } from './message-pieces.ts';
import {
  CLOSE_CODE,
  CONTROL_PAYLOAD_BYTES_MAX,
  OPCODE,
  VIOLATIONS,
  type Violation,
} from './protocol.ts';
import { rotateMask, type Unmasker } from './unmask.ts';
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

export class FrameParser implements FrameProgress {
  #sink: FrameSink;
  readonly #unmasker: Unmasker;
  #messageBytesMax: number;
  readonly #header: FrameHeader;
  readonly #inflater: MessageInflater | undefined;
  /** Made for the first text that is not ASCII: most connections stay idle without one. */
  #utf8: Utf8Validator | undefined;

  /** See FrameProgress. */
  cutFrames = 0;
  #isStopped = false;
  #isEnded = false;
  /** A header that was cut; its first #cutLength bytes are there. */
  #cut: Buffer | undefined;
  #cutLength = 0;
  /** Payload bytes of the frame in progress that have come; -1 between frames. */
  #received = -1;
  #control: Buffer | undefined;
  /** Opcode of the message in progress: text, binary, or 0 between messages. */
  #messageOpcode = 0;
  #message: MessageBuffer | undefined;
  readonly #pieces: MessagePieces | undefined;
  #seenHighBits = 0;
  /** The message in progress is compressed. */
  #isCompressed = false;

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
    this.#header = new FrameHeader(inflater !== undefined);
  }

  /** Between messages, and with nothing that is one connection's: it may serve another. */
  get isFree(): boolean {
    if (this.#received >= 0 || this.#cutLength > 0 || this.#messageOpcode !== 0) return false;
    return !this.#isEnded && this.#inflater === undefined && this.#pieces === undefined;
  }

  /** Serves another connection from now on. Only while it is free. */
  serve(sink: FrameSink, messageBytesMax: number): void {
    this.#sink = sink;
    this.#messageBytesMax = messageBytesMax;
    this.#isStopped = false;
  }

  get frameProgress(): number {
    return this.#received >= 0 ? HEADER_BYTES_MAX + this.#received : this.#cutLength || -1;
  }

  /** Ends push() after the message that is being delivered; resume() undoes it. */
  stop(): void {
    this.#isStopped = true;
  }

  resume(): void {
    this.#isStopped = false;
  }

  /** From now on everything is discarded: the connection has failed or is closing. */
  end(): void {
    this.#isEnded = true;
    this.#message = undefined;
    this.#cut = undefined;
    this.#inflater?.end();
  }

  /**
   * Parses bytes[start, end), unmasking in place. Whole frames leave nothing behind, the rest is copied.
   * @returns the place after the last byte that was consumed: `end`, unless stop() was called
   */
  push(bytes: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#inflater !== undefined) this.#inflater.newTurn();
    while (at < end && !this.#isStopped) {
      if (this.#isEnded) return end;
      if (this.#received >= 0) at = this.#continuePayload(bytes, at, end);
      else if (this.#cutLength > 0) at = this.#continueHeader(bytes, at, end);
      else at = this.#nextFrame(bytes, at, end);
    }
    return at;
  }

  #nextFrame(bytes: Buffer, at: number, end: number): number {
    if (this.#messageOpcode === 0) {
      const runEnd = scanRun(bytes, at, end, this.#unmasker);
      if (runEnd > at) {
        const delivered = this.#deliverRun(bytes, at, runEnd);
        if (delivered > at) return delivered;
      }
    }
    const payloadAt = this.#header.read(bytes, at, end, this.#messageOpcode !== 0);
    if (payloadAt === HEADER_CUT) {
      const cut = this.#cut ?? Buffer.allocUnsafe(HEADER_BYTES_MAX);
      bytes.copy(cut, 0, at, end);
      this.#cut = cut;
      this.#cutLength = end - at;
      return end;
    }
    if (!this.#acceptHeader(payloadAt)) return end;
    const payloadEnd = payloadAt + this.#header.length;
    if (payloadEnd > end) {
      this.#received = 0;
      return this.#continuePayload(bytes, payloadAt, end);
    }
    this.#wholeFrame(bytes, payloadAt, payloadEnd);
    return payloadEnd;
  }

  /**
   * Delivers the messages of a run, which scanRun has unmasked. @returns where it ended early: it was
   * stopped, or a message is too long, which is then left for the header to be judged
   */
  #deliverRun(bytes: Buffer, start: number, end: number): number {
    const sink = this.#sink;
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
      if (this.#isEnded) return end;
      if (this.#isStopped) break;
    }
    if (at < end) restoreRun(bytes, at, end);
    return at;
  }

  #continueHeader(bytes: Buffer, at: number, end: number): number {
    const cut = this.#cut ?? Buffer.allocUnsafe(HEADER_BYTES_MAX);
    const before = this.#cutLength;
    const taken = bytes.copy(cut, before, at, end);
    const isInMessage = this.#messageOpcode !== 0;
    const payloadAt = this.#header.read(cut, 0, before + taken, isInMessage);
    if (payloadAt === HEADER_CUT) {
      this.#cutLength = before + taken;
      return end;
    }
    this.#cutLength = 0;
    if (!this.#acceptHeader(payloadAt)) return end;
    this.#received = 0;
    return this.#continuePayload(bytes, at + payloadAt - before, end);
  }

  /** Says no to a wrong header, and to a message above the limit before anything of it is kept. */
  #acceptHeader(payloadAt: number): boolean {
    const header = this.#header;
    if (payloadAt === HEADER_WRONG) return this.#fail(header.violation ?? VIOLATIONS.opcode);
    if (header.isControl) return true;
    if (header.opcode !== OPCODE.continuation) this.#isCompressed = header.isCompressed;
    if (!this.#fitsMessage(header.length)) return this.#fail(VIOLATIONS.tooBig);
    if (header.opcode !== OPCODE.continuation) this.#messageOpcode = header.opcode;
    if (header.length > POOLED_BYTES_MAX) this.#unmasker.expectLarge();
    return true;
  }

  /** Whether the message may go on with a frame of `length` bytes. */
  #fitsMessage(length: number): boolean {
    if (this.#isCompressed) return this.#inflater?.announce(length) === true;
    const collected = (this.#message ?? this.#pieces)?.length ?? 0;
    return collected + length <= this.#messageBytesMax;
  }

  /** A frame that lies whole in the slab. */
  #wholeFrame(bytes: Buffer, start: number, end: number): void {
    const header = this.#header;
    if (this.#isCompressed && !header.isControl) {
      this.#inflate(bytes, start, end, header.mask, header.isFinal);
      return;
    }
    const high = this.#unmasker.unmask(bytes, start, end, header.mask);
    if (header.isControl) this.#deliverControl(bytes, start, end);
    else if (header.isFinal && header.opcode !== OPCODE.continuation) {
      this.#messageOpcode = 0;
      if (header.opcode === OPCODE.binary)
        this.#sink.onBinary(this.#unmasker.copyOf(bytes, start, end));
      else if (high === 0) this.#sink.onText(asFastBuffer(bytes).latin1Slice(start, end));
      else this.#deliverUtf8(bytes, start, end);
    } else if (this.#collect(bytes, start, end, high) && header.isFinal) this.#finishMessage();
  }

  /** The next piece of a frame whose payload was cut; also its last one, and the empty payload. */
  #continuePayload(bytes: Buffer, start: number, end: number): number {
    const header = this.#header;
    const received = this.#received;
    const pieceEnd = Math.min(end, start + header.length - received);
    const mask = rotateMask(header.mask, received);
    const isLast = received + pieceEnd - start === header.length;
    this.#received = isLast ? -1 : received + pieceEnd - start;
    if (isLast) this.cutFrames++;
    if (this.#isCompressed && !header.isControl) {
      this.#inflate(bytes, start, pieceEnd, mask, isLast && header.isFinal);
      return pieceEnd;
    }
    const high = this.#unmasker.unmask(bytes, start, pieceEnd, mask);
    if (header.isControl) this.#continueControl(bytes, start, pieceEnd, received, isLast);
    else if (this.#collect(bytes, start, pieceEnd, high) && isLast && header.isFinal) {
      this.#finishMessage();
    }
    return pieceEnd;
  }

  #continueControl(bytes: Buffer, start: number, end: number, at: number, isLast: boolean): void {
    this.#control ??= Buffer.allocUnsafe(CONTROL_PAYLOAD_BYTES_MAX);
    const control = this.#control;
    bytes.copy(control, at, start, end);
    if (isLast) this.#deliverControl(control, 0, at + end - start);
  }

  /** Adds an unmasked piece to the message in progress. @returns false when it cannot be UTF-8 */
  #collect(bytes: Buffer, start: number, end: number, high: number): boolean {
    const needsCheck = high !== 0 || !this.#isTextComplete;
    const isText = this.#messageOpcode === OPCODE.text;
    if (isText && needsCheck && !this.#validator().push(bytes, start, end)) {
      return this.#fail(VIOLATIONS.utf8);
    }
    if (this.#pieces !== undefined) {
      this.#pieces.push(bytes, start, end, this.#messageOpcode === OPCODE.binary, !needsCheck);
      return !this.#isEnded;
    }
    this.#seenHighBits |= high;
    this.#message ??= new MessageBuffer();
    const message = this.#message;
    const header = this.#header;
    const received = this.#received < 0 ? header.length : this.#received;
    const announced = message.length + (end - start) + header.length - received;
    message.append(bytes, start, end, header.isFinal ? announced : this.#messageBytesMax);
    return true;
  }

  #finishMessage(): void {
    const isText = this.#messageOpcode === OPCODE.text;
    const isAscii = this.#seenHighBits === 0;
    this.#messageOpcode = 0;
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

  /** Inflates a piece that is masked still, and delivers the message that it ends. */
  #inflate(bytes: Buffer, start: number, end: number, mask: number, isLast: boolean): void {
    const inflater = this.#inflater;
    if (inflater === undefined) return;
    const isText = this.#messageOpcode === OPCODE.text;
    const violation = inflater.push(bytes, start, end, mask, isText, isLast);
    if (violation !== undefined) this.#fail(violation);
    else if (isLast) {
      this.#messageOpcode = 0;
      this.#isCompressed = false;
      if (isText) this.#sink.onText(inflater.takeText());
      else this.#sink.onBinary(inflater.takeBytes(this.#unmasker));
      if (inflater.isTurnSpent) this.#sink.onTurnSpent();
    }
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

  #deliverControl(bytes: Buffer, start: number, end: number): void {
    const { opcode } = this.#header;
    if (opcode === OPCODE.ping) this.#sink.onPing(this.#unmasker.copyOf(bytes, start, end));
    else if (opcode === OPCODE.pong) this.#sink.onPong(this.#unmasker.copyOf(bytes, start, end));
    else this.#deliverClose(bytes, start, end);
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
