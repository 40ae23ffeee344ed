// Streams a source into a response: one chunk after the other, no faster than the client takes them,
// and closes the source whatever happens. Knows no framing.
//
//   pull --chunk--> write --below the mark--> pull        --end of the source--> end, true
//    ^                '-- drained() ------------'         --client gone-------> close the source, false
//    '----------------------------------------            --source throws-----> cut the answer, reject

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import { HIGH_WATER_BYTES } from '../../native/layout.ts';
import type { BodySource } from './http-types.ts';

/** What a stream needs of its response. */
export interface StreamTarget {
  readonly headSent: boolean;
  readonly finished: boolean;
  readonly pendingBytes: number;
  /** No body is sent (HEAD, 204, 304): the source is closed unread. */
  readonly isBodyless: boolean;
  sendHead(): void;
  write(chunk: string | Uint8Array): unknown;
  end(): unknown;
  drained(): Promise<boolean>;
  onFinish(callback: (sent: boolean) => void): unknown;
  /** Ends the connection in the middle of the answer; does nothing when it is finished. */
  cut(): void;
  /** The source failed after the stream was over. */
  report(error: unknown): void;
}

type Chunk = string | Uint8Array;
type ChunkIterator = AsyncIterator<Chunk> | Iterator<Chunk>;

export class ResponseStream {
  readonly #target: StreamTarget;
  readonly #source: BodySource;
  readonly #iterator: ChunkIterator;
  #resolve: (sent: boolean) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #isSettled = false;
  /** It has ended, or failed: there is nothing to return from. */
  #isExhausted = false;

  /** @throws SluiceError ERR_ARG_TYPE for what cannot be iterated, and for a string or bytes */
  constructor(target: StreamTarget, source: BodySource) {
    this.#target = target;
    this.#source = source;
    this.#iterator = iteratorOf(source);
  }

  run(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      // Calls back at once for a client that is gone already.
      this.#target.onFinish((sent) => this.#finished(sent));
      if (this.#isSettled) return;
      try {
        this.#target.sendHead();
      } catch (error) {
        this.#fail(error);
        return;
      }
      if (this.#target.isBodyless) this.#target.end();
      else this.#pull();
    });
  }

  #pull(): void {
    let step: IteratorResult<Chunk> | Promise<IteratorResult<Chunk>>;
    try {
      step = this.#iterator.next();
    } catch (error) {
      this.#sourceFailed(error);
      return;
    }
    // A promise in every case: a long source that is synchronous must not deepen the stack.
    Promise.resolve(step).then(
      (result) => this.#take(result),
      (error: unknown) => this.#sourceFailed(error),
    );
  }

  #sourceFailed(error: unknown): void {
    this.#isExhausted = true;
    this.#fail(error);
  }

  #take(result: IteratorResult<Chunk>): void {
    if (this.#isSettled) return;
    try {
      if (result.done === true) {
        this.#isExhausted = true;
        this.#target.end();
        return;
      }
      this.#target.write(result.value);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isSettled) return;
    if (this.#target.pendingBytes < HIGH_WATER_BYTES) this.#pull();
    else this.#pullWhenDrained();
  }

  #pullWhenDrained(): void {
    this.#target.drained().then(
      (isOpen) => {
        if (isOpen && !this.#isSettled) this.#pull();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** The response is finished: by us, by a handler that ended it in our place, or by its client's end. */
  #finished(sent: boolean): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#closeSource();
    this.#resolve(sent);
  }

  #fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#closeSource();
    if (this.#target.headSent) this.#target.cut();
    this.#reject(error);
  }

  /**
   * A Readable is destroyed, since the return() of its iterator would wait for the chunk that is being
   * awaited. That of a generator waits as well: the stream does not wait for it.
   */
  #closeSource(): void {
    const source = this.#source as { destroy?: () => unknown };
    try {
      if (typeof source.destroy === 'function') source.destroy();
      else if (!this.#isExhausted) this.#watchReturn(this.#iterator.return?.());
    } catch (error) {
      this.#target.report(error);
    }
  }

  #watchReturn(returned: unknown): void {
    if (!isThenable(returned)) return;
    returned.then(undefined, (error: unknown) => this.#target.report(error));
  }
}

function iteratorOf(source: BodySource): ChunkIterator {
  if (typeof source === 'object' && source !== null && !(source instanceof Uint8Array)) {
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
    if (Symbol.iterator in source) return source[Symbol.iterator]();
  }
  throw new SluiceError(
    'ERR_ARG_TYPE',
    'A response is streamed from something that iterates chunks.',
  );
}
