// A message that is read while it arrives: its chunks wait here for an async iterator. Who does not
// take them holds the peer back; who stops iterating lets the rest pass unread.

import { CHUNK_OVERHEAD_BYTES } from '../base/chunk-cost.ts';
import { SluiceError } from '../base/errors.ts';

/** From here on, what the chunks cost included, reading is paused; the last one may be as long as one read. */
export const STREAM_BUFFER_BYTES_MAX = 64 * 1024;
/** Below this it goes on. */
export const STREAM_BUFFER_BYTES_LOW = STREAM_BUFFER_BYTES_MAX / 4;

export type StreamChunk = string | Buffer;

/** Holds the peer back, and lets it go on. */
export interface StreamBrake {
  pause(): void;
  resume(): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

interface Waiter {
  readonly resolve: (result: IteratorResult<StreamChunk, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class IncomingStream implements AsyncIterableIterator<StreamChunk, undefined> {
  readonly #brake: StreamBrake;
  readonly #chunks: { readonly chunk: StreamChunk; readonly bytes: number }[] = [];
  #bytes = 0;
  #isBraking = false;
  #isComplete = false;
  #isDiscarded = false;
  #error: SluiceError | undefined;
  #waiter: Waiter | undefined;

  constructor(brake: StreamBrake) {
    this.#brake = brake;
  }

  /** What next() rejects with, once the message cannot become complete. */
  get error(): SluiceError | undefined {
    return this.#error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws SluiceError ERR_CLOSED when the connection ended inside the message */
  async next(): Promise<IteratorResult<StreamChunk, undefined>> {
    const first = this.#chunks.shift();
    if (first !== undefined) {
      this.#bytes -= first.bytes + CHUNK_OVERHEAD_BYTES;
      if (this.#bytes < STREAM_BUFFER_BYTES_LOW) this.#release();
      return { done: false, value: first.chunk };
    }
    if (this.#isDiscarded) return DONE;
    if (this.#error !== undefined) throw this.#error;
    if (this.#isComplete) return DONE;
    if (this.#waiter !== undefined) {
      throw new SluiceError('ERR_STATE', 'The next chunk is waited for already.');
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The rest of the message is read and thrown away. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.discard();
    return DONE;
  }

  // ---- the session's side ------------------------------------------------

  /** @param bytes its length on the wire */
  push(chunk: StreamChunk, bytes: number): void {
    if (this.#isDiscarded || bytes === 0) return;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: chunk });
      return;
    }
    this.#chunks.push({ chunk, bytes });
    this.#bytes += bytes + CHUNK_OVERHEAD_BYTES;
    if (this.#bytes < STREAM_BUFFER_BYTES_MAX || this.#isBraking) return;
    this.#isBraking = true;
    this.#brake.pause();
  }

  /** The message is complete. */
  finish(): void {
    this.#isComplete = true;
    this.#waiter?.resolve(DONE);
    this.#waiter = undefined;
  }

  /** The rest of the message will not come; what came is still handed out. */
  fail(): void {
    if (this.#isComplete || this.#error !== undefined) return;
    this.#error = new SluiceError('ERR_CLOSED', 'The connection ended inside the message.');
    this.#waiter?.reject(this.#error);
    this.#waiter = undefined;
  }

  discard(): void {
    this.#isDiscarded = true;
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#waiter?.resolve(DONE);
    this.#waiter = undefined;
    this.#release();
  }

  #release(): void {
    if (!this.#isBraking) return;
    this.#isBraking = false;
    this.#brake.resume();
  }
}

/** A whole message as a stream of one chunk. */
export function streamOf(chunk: StreamChunk): IncomingStream {
  const stream = new IncomingStream(NO_BRAKE);
  if (chunk.length > 0) stream.push(chunk, 1);
  stream.finish();
  return stream;
}

const NO_BRAKE: StreamBrake = { pause: () => undefined, resume: () => undefined };
