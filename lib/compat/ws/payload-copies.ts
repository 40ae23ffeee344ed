// Copies of payloads that listeners may keep. The small ones of a chunk lie in one copy, of which each gets
// a Buffer: making one on memory that is there costs a fifth of allocating it.

import type { Copies } from '../../websocket/copy-pool.ts';
import { BufferView } from '../../websocket/fast-buffer.ts';

/** Payloads up to here share a copy with those behind them. */
const SHARED_PAYLOAD_BYTES_MAX = 256;
/** What one shared copy holds at most: whoever keeps a message keeps this much of its neighbours. */
const SHARED_BYTES_MAX = 4096;

export class PayloadCopies {
  readonly #copies: Copies;
  #memory: ArrayBufferLike = new ArrayBuffer(0);
  /** Where bytes[0] of the chunk would lie in #memory, for payloads that end up to #end. */
  #offset = 0;
  #end = 0;

  constructor(copies: Copies) {
    this.#copies = copies;
  }

  /** Another chunk: what is shared of the last one is none of its. */
  begin(): void {
    this.#end = 0;
  }

  /** A copy of bytes[start, end). */
  one(bytes: Buffer, start: number, end: number): Buffer {
    return this.#copies.of(bytes, start, end);
  }

  /** The same; what lies behind it up to `most` is copied with it, since it will be asked for next. */
  next(bytes: Buffer, start: number, end: number, most: number): Buffer {
    if (end - start > SHARED_PAYLOAD_BYTES_MAX) return this.one(bytes, start, end);
    if (end > this.#end) {
      const pool = this.#copies.small;
      const at = pool.copy(bytes, start, end, Math.min(most, start + SHARED_BYTES_MAX));
      this.#memory = pool.memory;
      this.#offset = at - start;
      this.#end = pool.used - this.#offset;
    }
    return new BufferView(this.#memory, this.#offset + start, end - start);
  }
}
