// The body of one request on its way to whoever reads it: whole (borrowed when it lies in the slab),
// streamed, or discarded. Owns the bounds of a body; knows no framing and no socket.
//
//   waiting --onBody/bytes--> whole --complete--> done
//      |----- iteration -----> stream ----------> done          any --fault, client gone--> failed
//      '----- answered ------> discard ---------> done

import { CHUNK_OVERHEAD_BYTES } from '../../base/chunk-cost.ts';
import { SluiceError } from '../../base/errors.ts';
import { HTTP_FAULTS, HttpError, type HttpFault } from '../../http/faults.ts';

/** Bytes, and what their chunks cost, that are kept for a reader that is slow, or not there yet. */
export const UNREAD_BYTES_MAX = 64 * 1024;
/** A rest that nobody reads is taken up to here, so that the connection can live on. */
export const DISCARDED_BYTES_MAX = 64 * 1024;
const GROWN_BYTES_MIN = 16 * 1024;
const EMPTY = Buffer.alloc(0);

/** What a body needs from its connection. */
export interface BodyHost {
  /** Somebody wants the body: a client that waits for 100 gets it. */
  bodyWanted(): void;
  /** Holds the client back, or no longer. */
  setBodyPaused(isPaused: boolean): void;
  /**
   * The body is refused: the client gets its answer, the connection closes. Its reader is told
   * afterwards.
   */
  bodyRefused(fault: HttpFault): void;
}

type WholeCallback = (body: Buffer, isBorrowed: boolean) => void;

interface StreamStep {
  readonly resolve: (result: IteratorResult<Buffer>) => void;
  readonly reject: (error: Error) => void;
}

export class RequestBody {
  /** Body bytes that came, whatever became of them. */
  receivedBytes = 0;
  /** Of them, those that nobody wanted. */
  discardedBytes = 0;

  readonly #host: BodyHost;
  /** Bytes announced; -1 when chunked. */
  readonly #expected: number;
  #bytesMax: number;
  #mode: 'waiting' | 'whole' | 'stream' | 'discard' = 'waiting';
  #isComplete: boolean;
  #error: Error | undefined;
  /** What was copied: of waiting and whole one growing buffer, of stream a queue. */
  #grown: Buffer = EMPTY;
  #grownLength = 0;
  #whole: WholeCallback | undefined;
  #failed: ((error: Error) => void) | undefined;
  #queue: Buffer[] | undefined;
  #queueBytes = 0;
  #step: StreamStep | undefined;
  #isPaused = false;

  constructor(host: BodyHost, expected: number, bytesMax: number) {
    this.#host = host;
    this.#expected = expected;
    this.#bytesMax = bytesMax;
    this.#isComplete = expected === 0;
  }

  /** True while somebody reads it, or has read it. */
  get hasReader(): boolean {
    return this.#mode === 'whole' || this.#mode === 'stream';
  }

  /** The error that its reader met; a handler that rejects with it has nothing new to say. */
  get error(): Error | undefined {
    return this.#error;
  }

  // ---- the reader's side -------------------------------------------------

  limit(bytesMax: number): void {
    if (!Number.isSafeInteger(bytesMax) || bytesMax < 0) {
      throw new SluiceError('ERR_ARG_RANGE', 'A body limit is a number of bytes.');
    }
    if (this.hasReader) throw new SluiceError('ERR_STATE', 'The body is being read.');
    this.#bytesMax = bytesMax;
  }

  /** Calls `whole` with the complete body, at once if it is here. */
  readWhole(whole: WholeCallback, failed: (error: Error) => void): void {
    this.#requireUnread();
    this.#mode = 'whole';
    if (this.#error !== undefined) {
      failed(this.#error);
      return;
    }
    this.#whole = whole;
    this.#failed = failed;
    if (this.#isOverLimit()) {
      this.#refuse();
    } else if (this.#isComplete) {
      this.#finishWhole();
    } else {
      this.#host.bodyWanted();
      this.#setPaused(false);
    }
  }

  iterate(): AsyncIterator<Buffer> {
    this.#requireUnread();
    this.#mode = 'stream';
    if (this.#grownLength > 0) this.#enqueue(this.#grown.subarray(0, this.#grownLength));
    this.#grown = EMPTY;
    if (this.#error === undefined) {
      if (this.#isOverLimit()) this.#refuse();
      else if (!this.#isComplete) this.#host.bodyWanted();
    }
    this.#updatePause();
    return {
      next: () => this.#nextStep(),
      return: () => {
        this.#stopStream();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  // ---- the connection's side ---------------------------------------------

  /** Takes a range of body bytes; they are borrowed. What `whole` throws is thrown. */
  receive(bytes: Buffer, start: number, end: number): void {
    this.receivedBytes += end - start;
    if (this.#mode === 'discard') this.#countDiscarded(end - start);
    if (this.#error !== undefined || this.#mode === 'discard') return;
    if (this.hasReader && this.receivedBytes > this.#bytesMax) {
      this.#refuse();
    } else if (this.#mode === 'stream') {
      this.#enqueue(Buffer.from(bytes.subarray(start, end)));
      this.#serveStep();
      this.#updatePause();
    } else if (this.#mode === 'whole' && end - start === this.#expected) {
      this.#isComplete = true;
      this.#takeWhole()?.(bytes.subarray(start, end), true);
    } else {
      this.#grow(bytes, start, end);
      if (this.#mode === 'waiting') this.#updatePause();
    }
  }

  /** The message's last byte came. */
  complete(): void {
    this.#isComplete = true;
    if (this.#mode === 'whole') this.#finishWhole();
    else if (this.#mode === 'stream') this.#serveStep();
  }

  /**
   * It will not be completed. Its reader hears of it once; does nothing when it is complete or
   * has failed.
   */
  fail(fault: HttpFault): void {
    if (this.#isComplete || this.#error !== undefined) return;
    const error = new HttpError(fault);
    this.#error = error;
    this.#tellReader(error);
  }

  /** Nobody will read it: what comes is counted and dropped. */
  discard(): void {
    if (this.#mode !== 'waiting') return;
    this.#mode = 'discard';
    this.#grown = EMPTY;
    this.#grownLength = 0;
    this.#setPaused(false);
  }

  // ---- within ------------------------------------------------------------

  /** A reader that left early may still be preparing its answer: the rest waits in the kernel. */
  #countDiscarded(length: number): void {
    this.discardedBytes += length;
    if (this.discardedBytes > DISCARDED_BYTES_MAX) this.#setPaused(true);
  }

  #requireUnread(): void {
    if (this.hasReader) throw new SluiceError('ERR_STATE', 'The body was read already.');
    if (this.#mode === 'discard') throw new SluiceError('ERR_STATE', 'The response was finished.');
  }

  /** Over the limit: first the client's answer, then the reader's error. */
  #refuse(): void {
    const error = new HttpError(HTTP_FAULTS.bodyLength);
    this.#error = error;
    this.#host.bodyRefused(HTTP_FAULTS.bodyLength);
    this.#tellReader(error);
  }

  #tellReader(error: Error): void {
    this.#grown = EMPTY;
    this.#grownLength = 0;
    this.#queue = undefined;
    this.#queueBytes = 0;
    this.#whole = undefined;
    const failed = this.#failed;
    this.#failed = undefined;
    failed?.(error);
    this.#serveStep();
  }

  #isOverLimit(): boolean {
    return Math.max(this.#expected, this.receivedBytes) > this.#bytesMax;
  }

  #takeWhole(): WholeCallback | undefined {
    const whole = this.#whole;
    this.#whole = undefined;
    this.#failed = undefined;
    return whole;
  }

  #finishWhole(): void {
    const body = this.#grown.subarray(0, this.#grownLength);
    this.#grown = EMPTY;
    this.#takeWhole()?.(body, false);
  }

  /** Doubles, but never beyond what is announced or allowed: a claimed length costs nothing. */
  #grow(bytes: Buffer, start: number, end: number): void {
    const needed = this.#grownLength + end - start;
    if (needed > this.#grown.length) {
      const doubled = Math.max(2 * this.#grown.length, GROWN_BYTES_MIN, needed);
      const bound = this.#expected >= 0 ? this.#expected : Math.max(this.#bytesMax, needed);
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(doubled, bound)));
      this.#grown.copy(grown, 0, 0, this.#grownLength);
      this.#grown = grown;
    }
    bytes.copy(this.#grown, this.#grownLength, start, end);
    this.#grownLength = needed;
  }

  #enqueue(chunk: Buffer): void {
    this.#queue ??= [];
    this.#queue.push(chunk);
    this.#queueBytes += chunk.length + CHUNK_OVERHEAD_BYTES;
  }

  #nextStep(): Promise<IteratorResult<Buffer>> {
    if (this.#step !== undefined) {
      return Promise.reject(new SluiceError('ERR_STATE', 'The body is being read.'));
    }
    return new Promise((resolve, reject) => {
      this.#step = { resolve, reject };
      this.#serveStep();
      this.#updatePause();
    });
  }

  #serveStep(): void {
    const step = this.#step;
    if (step === undefined) return;
    const chunk = this.#queue?.shift();
    if (chunk !== undefined) {
      this.#step = undefined;
      this.#queueBytes -= chunk.length + CHUNK_OVERHEAD_BYTES;
      step.resolve({ done: false, value: chunk });
    } else if (this.#error !== undefined) {
      this.#step = undefined;
      step.reject(this.#error);
    } else if (this.#isComplete) {
      this.#step = undefined;
      step.resolve({ done: true, value: undefined });
    }
  }

  #stopStream(): void {
    this.#queue = undefined;
    this.#queueBytes = 0;
    this.#mode = 'discard';
    this.#setPaused(false);
  }

  #updatePause(): void {
    const kept = this.#mode === 'stream' ? this.#queueBytes : this.#grownLength;
    this.#setPaused(!this.#isComplete && kept >= UNREAD_BYTES_MAX);
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#host.setBodyPaused(isPaused);
  }
}
