// Hands messages over while they arrive: one stream at a time, the next message after the handler of
// this one is done. Between the parser's pieces and the session that owns it.

import { isThenable } from '../base/thenable.ts';
import { IncomingStream, type StreamBrake } from './incoming-stream.ts';
import type { PieceSink } from './message-pieces.ts';

/** What the reader needs of its session. */
export interface StreamHost {
  readonly isOpen: boolean;
  /** Calls the handler. @returns what it returned */
  beginStream(chunks: IncomingStream, isBinary: boolean): unknown;
  /** The chunks of the stream are not taken: nothing more may come. */
  holdStream(isHeld: boolean): void;
  /** Nothing more may come until the promise, which does not reject, has settled. */
  waitFor(promise: PromiseLike<unknown>): void;
  fail(error: unknown): void;
}

export class StreamReader implements PieceSink, StreamBrake {
  readonly #host: StreamHost;
  #stream: IncomingStream | undefined;
  #done: PromiseLike<unknown> | undefined;

  constructor(host: StreamHost) {
    this.#host = host;
  }

  /** The message in progress will not become complete. */
  cut(): void {
    this.#stream?.fail();
    this.#stream = undefined;
  }

  // ---- PieceSink ---------------------------------------------------------

  onMessageStart(isBinary: boolean): void {
    if (!this.#host.isOpen) return;
    const stream = new IncomingStream(this);
    this.#stream = stream;
    this.#done = undefined;
    const result = this.#host.beginStream(stream, isBinary);
    if (isThenable(result)) this.#done = this.#watch(stream, result);
  }

  onTextPiece(text: string, bytes: number): void {
    this.#stream?.push(text, bytes);
  }

  onBinaryPiece(data: Buffer): void {
    this.#stream?.push(data, data.length);
  }

  onMessageEnd(): void {
    const done = this.#done;
    this.#stream?.finish();
    this.#stream = undefined;
    this.#done = undefined;
    if (done !== undefined) this.#host.waitFor(done);
  }

  // ---- StreamBrake -------------------------------------------------------

  pause(): void {
    this.#host.holdStream(true);
  }

  resume(): void {
    this.#host.holdStream(false);
  }

  /** A handler that is done reads no further. @returns a promise that does not reject */
  #watch(stream: IncomingStream, result: PromiseLike<unknown>): PromiseLike<unknown> {
    return result.then(
      () => stream.discard(),
      (error: unknown) => {
        stream.discard();
        // That the connection has ended is no news to the session.
        if (error !== stream.error) this.#host.fail(error);
      },
    );
  }
}
