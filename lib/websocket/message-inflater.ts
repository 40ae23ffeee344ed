// The receiving half of permessage-deflate on one connection: a compressed message is inflated as its
// pieces arrive, never beyond the bound of a message, and is judged on the way. Most messages come in one
// piece and are left in memory that is shared; the others are collected in memory of their own.
//
//   piece -> inflate -> scratch -> whole: read there           (no memory, one copy into the result)
//                               -> more to come: message -> inflate into its end, doubling

import {
  INFLATE_BEGIN,
  INFLATE_DONE,
  INFLATE_FORGET,
  INFLATE_INVALID_TEXT,
  INFLATE_LAST,
  INFLATE_NO_MEMORY,
  INFLATE_TEXT,
  WORD_ASCII,
  WORD_CONSUMED,
  WORD_END,
  WORD_FLAGS,
  WORD_MASK,
  WORD_OUT_END,
  WORD_OUT_START,
  WORD_PRODUCED,
  WORD_START,
} from '../native/deflate-layout.ts';
import type { DeflateAgreement } from './deflate-negotiation.ts';
import type { DeflateStreams } from './deflate-streams.ts';
import { asFastBuffer } from './fast-buffer.ts';
import { MessageBuffer } from './message-buffer.ts';
import { VIOLATIONS, type Violation } from './protocol.ts';
import type { Unmasker } from './unmask.ts';

const NO_STREAM = -1;
/**
 * A few kilobytes may inflate to as many megabytes: from so many bytes on, what else a chunk holds waits
 * for its turn behind other connections. About 4 ms of work.
 */
export const INFLATED_PER_TURN_MAX = 4 * 1024 * 1024;
/** Compressed data may be longer than the message: what does not shrink, and empty blocks. */
const EXPANSION_SHIFT = 3;
const EXPANSION_BYTES = 256;

export class MessageInflater {
  readonly #streams: DeflateStreams;
  readonly #agreement: DeflateAgreement;
  readonly #messageBytesMax: number;
  readonly #compressedBytesMax: number;
  /** With context takeover the connection's for good, else lent for a message. */
  #stream = NO_STREAM;
  #isInMessage = false;
  #isAscii = true;
  /** Bytes of the message in progress, as they came and inflated. */
  #compressed = 0;
  #length = 0;
  /** Inflated since newTurn(). */
  #turn = 0;
  /** Undefined: the message lies in the scratch memory. */
  #message: MessageBuffer | undefined;

  /** @param messageBytesMax longest message when it is inflated; at most 2^30 */
  constructor(streams: DeflateStreams, agreement: DeflateAgreement, messageBytesMax: number) {
    this.#streams = streams;
    this.#agreement = agreement;
    this.#messageBytesMax = messageBytesMax;
    this.#compressedBytesMax =
      messageBytesMax + (messageBytesMax >>> EXPANSION_SHIFT) + EXPANSION_BYTES;
  }

  /** Another chunk has come, or what was held back goes on. */
  newTurn(): void {
    this.#turn = 0;
  }

  /** This connection has had its share of the turn. */
  get isTurnSpent(): boolean {
    return this.#turn >= INFLATED_PER_TURN_MAX;
  }

  /** A message begins, or goes on with another frame. @returns false when it is too long already */
  announce(frameLength: number): boolean {
    this.#compressed += frameLength;
    return this.#compressed <= this.#compressedBytesMax;
  }

  /**
   * Inflates the next piece of a message.
   * @param mask turned so that its first byte is the one for `start`; the range is unmasked in place
   * @param isLast the message ends with this piece: takeText() or takeBytes() must be next
   * @returns what is wrong with it, if anything is
   */
  push(
    bytes: Buffer,
    start: number,
    end: number,
    mask: number,
    isText: boolean,
    isLast: boolean,
  ): Violation | undefined {
    const stream = this.#streamFor(isLast);
    if (stream < 0) return VIOLATIONS.noMemory;
    const { native } = this.#streams;
    const { words } = native;
    words[WORD_START] = start;
    words[WORD_END] = end;
    words[WORD_MASK] = mask;
    let flags = this.#begin(isText) | (isLast ? INFLATE_LAST : 0);
    for (;;) {
      words[WORD_FLAGS] = flags;
      const status = native.inflate(stream, bytes, this.#room());
      const isDone = status === INFLATE_DONE;
      this.#account(words[WORD_PRODUCED] as number, isDone && isLast);
      if (status < 0) return this.#violation(status, stream);
      if (this.#length > this.#messageBytesMax) return VIOLATIONS.tooBig;
      if (isDone) break;
      words[WORD_START] = (words[WORD_START] as number) + (words[WORD_CONSUMED] as number);
      words[WORD_MASK] = 0;
      flags &= INFLATE_LAST;
    }
    if (isLast) this.#finish(words[WORD_ASCII] === 1);
    return undefined;
  }

  /** The message that push() has finished. */
  takeText(): string {
    const bytes = asFastBuffer(this.#message?.take() ?? this.#streams.scratch);
    this.#message = undefined;
    return this.#isAscii ? bytes.latin1Slice(0, this.#length) : bytes.utf8Slice(0, this.#length);
  }

  /** Same for a binary message; the memory is the receiver's. */
  takeBytes(unmasker: Unmasker): Buffer {
    const own = this.#message?.take();
    this.#message = undefined;
    return own ?? unmasker.copyOf(this.#streams.scratch, 0, this.#length);
  }

  /** Frees what this connection has. Nothing is inflated after it. */
  end(): void {
    if (this.#stream >= 0) this.#streams.native.closeInflater(this.#stream);
    this.#stream = NO_STREAM;
    this.#message = undefined;
  }

  #streamFor(isLast: boolean): number {
    if (this.#stream >= 0) return this.#stream;
    const { native } = this.#streams;
    if (!this.#agreement.clientNoContextTakeover) {
      this.#stream = native.openInflater(this.#agreement.clientWindowBits);
      return this.#stream;
    }
    const lent = this.#streams.lendInflater();
    // A message in one piece gives it back before anybody else can want it.
    if (isLast && lent >= 0) this.#streams.takeBackInflater(lent);
    else this.#stream = lent;
    return lent;
  }

  /** @returns the flags of a first piece */
  #begin(isText: boolean): number {
    if (this.#isInMessage) return 0;
    this.#isInMessage = true;
    this.#length = 0;
    return (
      INFLATE_BEGIN |
      (isText ? INFLATE_TEXT : 0) |
      (this.#agreement.clientNoContextTakeover ? INFLATE_FORGET : 0)
    );
  }

  /** Where the next bytes go; one byte more than the bound shows that there is more. */
  #room(): Buffer {
    const { words } = this.#streams.native;
    const lengthMax = this.#messageBytesMax + 1;
    const message = this.#message;
    const out = message === undefined ? this.#streams.scratch : message.reserve(lengthMax);
    const start = message === undefined ? 0 : message.length;
    words[WORD_OUT_START] = start;
    words[WORD_OUT_END] = Math.min(out.length, lengthMax);
    return out;
  }

  /** @param isWhole the message is in the scratch memory and may stay there */
  #account(produced: number, isWhole: boolean): void {
    this.#length += produced;
    this.#turn += produced;
    if (this.#message !== undefined) this.#message.advance(produced);
    else if (!isWhole) {
      this.#message = new MessageBuffer();
      this.#message.append(this.#streams.scratch, 0, produced, this.#messageBytesMax + 1);
    }
  }

  #finish(isAscii: boolean): void {
    this.#isAscii = isAscii;
    this.#isInMessage = false;
    this.#compressed = 0;
    if (!this.#agreement.clientNoContextTakeover || this.#stream < 0) return;
    this.#streams.takeBackInflater(this.#stream);
    this.#stream = NO_STREAM;
  }

  #violation(status: number, stream: number): Violation {
    if (status === INFLATE_INVALID_TEXT) return VIOLATIONS.utf8;
    if (status === INFLATE_NO_MEMORY) return VIOLATIONS.noMemory;
    const { deflate } = VIOLATIONS;
    const reason = this.#streams.native.inflateReason(stream);
    return { ...deflate, message: `${deflate.message}: ${reason}` };
  }
}
