// The pieces of a message that is handed over while it arrives, instead of being collected. Text leaves
// as whole characters: the beginning of one that was cut waits for its end.

import { StringDecoder } from 'node:string_decoder';
import { asFastBuffer } from './fast-buffer.ts';

/** Gets messages that do not lie whole in one chunk. Buffers belong to the receiver. */
export interface PieceSink {
  onMessageStart(isBinary: boolean): void;
  /** @param bytes of the piece on the wire */
  onTextPiece(text: string, bytes: number): void;
  onBinaryPiece(data: Buffer): void;
  onMessageEnd(): void;
}

export class MessagePieces {
  readonly #sink: PieceSink;
  #isInMessage = false;
  #length = 0;
  #decoder: StringDecoder | undefined;

  constructor(sink: PieceSink) {
    this.#sink = sink;
  }

  /** Bytes of the message in progress that were handed over. */
  get length(): number {
    return this.#length;
  }

  /**
   * Hands over an unmasked piece. @param isPlain all of it is ASCII, and no character was cut before it
   */
  push(bytes: Buffer, start: number, end: number, isBinary: boolean, isPlain: boolean): void {
    if (!this.#isInMessage) {
      this.#isInMessage = true;
      this.#sink.onMessageStart(isBinary);
    }
    const length = end - start;
    this.#length += length;
    if (length === 0) return;
    if (isBinary) this.#sink.onBinaryPiece(Buffer.from(bytes.subarray(start, end)));
    else if (isPlain) this.#sink.onTextPiece(asFastBuffer(bytes).latin1Slice(start, end), length);
    else {
      this.#decoder ??= new StringDecoder('utf8');
      const text = this.#decoder.write(bytes.subarray(start, end));
      if (text !== '') this.#sink.onTextPiece(text, length);
    }
  }

  /** The message is complete, and valid. */
  finish(): void {
    this.#isInMessage = false;
    this.#length = 0;
    this.#sink.onMessageEnd();
  }
}
