// Finds the frames in a client's bytes, wherever those are cut, and unmasks them in place. Owns what the
// wire says of a frame; what becomes of messages is its handler's. Knows no connection.
//
//   push -> run of whole small messages (hot path, see frame-run.ts)  -> onRun
//        -> header, judged                                            -> onHeader, onWrongHeader
//             -> whole message in one frame                           -> onWhole
//             -> cut or fragmented: pieces as they come               -> onPiece
//             -> compressed: pieces as they come, masked still        -> onCompressed
//             -> control frame, always whole                          -> onControl

import { FrameHeader, HEADER_BYTES_MAX, HEADER_CUT, HEADER_WRONG } from './frame-header.ts';
import { scanRun } from './frame-run.ts';
import { CONTROL_PAYLOAD_BYTES_MAX, OPCODE, VIOLATIONS, type Violation } from './protocol.ts';
import { rotateMask, type Unmasker } from './unmask.ts';

/** What becomes of frames. Buffers are borrowed. Calls may throw; the reader is then useless. */
export interface FrameHandler {
  /**
   * Whole small messages, unmasked. What is not taken must be masked again (restoreRun).
   * @returns where it ended early, or `end`; `start` leaves the first message to its header
   */
  onRun(bytes: Buffer, start: number, end: number): number;
  /** The header of a data frame is read. @returns whether its payload is wanted; else the reader is ended */
  onHeader(header: FrameHeader): boolean;
  /** @param firstByte of the header. The reader must be ended. */
  onWrongHeader(violation: Violation, firstByte: number): void;
  /** A message in one frame. @param high not 0 when some byte is above 127 */
  onWhole(bytes: Buffer, start: number, end: number, high: number): void;
  /** A piece of the message in progress. @param isLast it ends its frame */
  onPiece(bytes: Buffer, start: number, end: number, high: number, isLast: boolean): void;
  /** A masked piece of a compressed message. @param isLast it ends its message */
  onCompressed(bytes: Buffer, start: number, end: number, mask: number, isLast: boolean): void;
  onControl(bytes: Buffer, start: number, end: number): void;
}

export class FrameReader {
  readonly header: FrameHeader;
  readonly #handler: FrameHandler;
  readonly #unmasker: Unmasker;
  /** Opcode of the message in progress: text, binary, or 0 between messages. */
  messageOpcode = 0;
  /** The message in progress is compressed. */
  isCompressed = false;
  /** push() ends after the message that is being delivered. */
  isStopped = false;
  /** Everything is discarded. */
  isEnded = false;
  /** Frames that came in several pieces and are complete. */
  cutFrames = 0;
  /** A header that was cut; its first #cutLength bytes are there. */
  #cut: Buffer | undefined;
  #cutLength = 0;
  /** Payload bytes of the frame in progress that have come; -1 between frames. */
  #received = -1;
  /** The payload of a control frame that was cut. */
  #control: Buffer | undefined;

  /** @param hasDeflate permessage-deflate was agreed on */
  constructor(handler: FrameHandler, unmasker: Unmasker, hasDeflate: boolean) {
    this.#handler = handler;
    this.#unmasker = unmasker;
    this.header = new FrameHeader(hasDeflate);
  }

  /** Between messages, and not ended. */
  get isFree(): boolean {
    if (this.#received >= 0 || this.#cutLength > 0) return false;
    return this.messageOpcode === 0 && !this.isEnded;
  }

  /** Bytes of the frame in progress that have come, its header as if whole; -1 between frames. */
  get frameProgress(): number {
    return this.#received >= 0 ? HEADER_BYTES_MAX + this.#received : this.#cutLength || -1;
  }

  /** Payload bytes of the frame in progress that are still to come. */
  get bytesLeft(): number {
    return this.#received < 0 ? 0 : this.header.length - this.#received;
  }

  end(): void {
    this.isEnded = true;
    this.#cut = undefined;
    this.#control = undefined;
  }

  /**
   * Reads bytes[start, end). Of what is cut only a header and a control payload are kept here.
   * @returns the place after the last byte that was consumed: `end`, unless it was stopped
   */
  push(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && !this.isStopped) {
      if (this.isEnded) return end;
      if (this.#received >= 0) at = this.#continuePayload(bytes, at, end);
      else if (this.#cutLength > 0) at = this.#continueHeader(bytes, at, end);
      else at = this.#nextFrame(bytes, at, end);
    }
    return this.isEnded ? end : at;
  }

  #nextFrame(bytes: Buffer, at: number, end: number): number {
    if (this.messageOpcode === 0) {
      const runEnd = scanRun(bytes, at, end, this.#unmasker);
      if (runEnd > at) {
        const delivered = this.#handler.onRun(bytes, at, runEnd);
        if (delivered > at) return delivered;
      }
    }
    const payloadAt = this.header.read(bytes, at, end, this.messageOpcode !== 0);
    if (payloadAt === HEADER_CUT) {
      this.#cut ??= Buffer.allocUnsafe(HEADER_BYTES_MAX);
      this.#cutLength = bytes.copy(this.#cut, 0, at, end);
      return end;
    }
    if (!this.#accept(payloadAt, bytes[at] ?? 0)) return end;
    const payloadEnd = payloadAt + this.header.length;
    if (payloadEnd > end) {
      this.#received = 0;
      return this.#continuePayload(bytes, payloadAt, end);
    }
    this.#wholeFrame(bytes, payloadAt, payloadEnd);
    return payloadEnd;
  }

  #continueHeader(bytes: Buffer, at: number, end: number): number {
    const cut = this.#cut ?? Buffer.allocUnsafe(HEADER_BYTES_MAX);
    const before = this.#cutLength;
    const length = before + bytes.copy(cut, before, at, end);
    const payloadAt = this.header.read(cut, 0, length, this.messageOpcode !== 0);
    if (payloadAt === HEADER_CUT) {
      this.#cutLength = length;
      return end;
    }
    this.#cutLength = 0;
    if (!this.#accept(payloadAt, cut[0] ?? 0)) return end;
    this.#received = 0;
    return this.#continuePayload(bytes, at + payloadAt - before, end);
  }

  #accept(payloadAt: number, firstByte: number): boolean {
    const { header } = this;
    if (payloadAt === HEADER_WRONG) {
      this.#handler.onWrongHeader(header.violation ?? VIOLATIONS.opcode, firstByte);
      return false;
    }
    if (header.isControl) return true;
    const isFirst = header.opcode !== OPCODE.continuation;
    if (isFirst) this.isCompressed = header.isCompressed;
    if (!this.#handler.onHeader(header)) return false;
    if (isFirst) this.messageOpcode = header.opcode;
    return true;
  }

  /** A frame that lies whole in the chunk. */
  #wholeFrame(bytes: Buffer, start: number, end: number): void {
    const { header } = this;
    if (this.isCompressed && !header.isControl) {
      this.#handler.onCompressed(bytes, start, end, header.mask, header.isFinal);
      this.#frameEnded();
      return;
    }
    const high = this.#unmasker.unmask(bytes, start, end, header.mask);
    if (header.isControl) {
      this.#handler.onControl(bytes, start, end);
      return;
    }
    const isWhole = header.isFinal && header.opcode !== OPCODE.continuation;
    if (isWhole) this.#handler.onWhole(bytes, start, end, high);
    else this.#handler.onPiece(bytes, start, end, high, true);
    this.#frameEnded();
  }

  /** The next piece of a frame whose payload was cut; also its last one, and the empty payload. */
  #continuePayload(bytes: Buffer, start: number, end: number): number {
    const { header } = this;
    const received = this.#received;
    const pieceEnd = Math.min(end, start + header.length - received);
    const mask = rotateMask(header.mask, received);
    const isLast = received + pieceEnd - start === header.length;
    this.#received = isLast ? -1 : received + pieceEnd - start;
    if (isLast) this.cutFrames++;
    if (header.isControl) {
      this.#unmasker.unmask(bytes, start, pieceEnd, mask);
      this.#continueControl(bytes, start, pieceEnd, received, isLast);
      return pieceEnd;
    }
    if (this.isCompressed) {
      this.#handler.onCompressed(bytes, start, pieceEnd, mask, isLast && header.isFinal);
    } else {
      const high = this.#unmasker.unmask(bytes, start, pieceEnd, mask);
      this.#handler.onPiece(bytes, start, pieceEnd, high, isLast);
    }
    if (isLast) this.#frameEnded();
    return pieceEnd;
  }

  #continueControl(bytes: Buffer, start: number, end: number, at: number, isLast: boolean): void {
    this.#control ??= Buffer.allocUnsafe(CONTROL_PAYLOAD_BYTES_MAX);
    const control = this.#control;
    bytes.copy(control, at, start, end);
    if (isLast) this.#handler.onControl(control, 0, at + end - start);
  }

  /** The last data frame of a message ends it. */
  #frameEnded(): void {
    if (!this.header.isFinal) return;
    this.messageOpcode = 0;
    this.isCompressed = false;
  }
}
