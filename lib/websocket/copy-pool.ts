// Memory for the copies of small payloads that handlers keep. A kept copy pins the block that it lies
// in, so there is a pool per class of sizes: 8 KiB, which is what Node's own pool pins, or 64 times
// the payload. Nothing is written to a block twice.

import { markAsUntransferable } from 'node:worker_threads';
import { BufferView } from './fast-buffer.ts';

/** Payloads up to this long share blocks of 8 KiB. */
export const SMALL_BYTES_MAX = 512;
const SMALL_BLOCK_BYTES = 8 * 1024;
/** Longer ones share larger blocks: making a block costs as much as copying 16 KiB. */
const MEDIUM_BLOCK_BYTES = 32 * 1024;
/** A still longer payload gets memory of its own. */
export const POOLED_BYTES_MAX = 4 * 1024;

/** The pools of one server. */
export class Copies {
  readonly small = new CopyPool(SMALL_BLOCK_BYTES);
  readonly #medium = new CopyPool(MEDIUM_BLOCK_BYTES);

  /** A copy of bytes[start, end) for the receiver to keep. */
  of(bytes: Buffer, start: number, end: number): Buffer {
    const length = end - start;
    if (length > POOLED_BYTES_MAX) {
      const copy = Buffer.allocUnsafeSlow(length);
      bytes.copy(copy, 0, start, end);
      return copy;
    }
    const pool = length > SMALL_BYTES_MAX ? this.#medium : this.small;
    const at = pool.copy(bytes, start, end, end);
    return new BufferView(pool.memory, at, length);
  }
}

export class CopyPool {
  readonly #blockBytes: number;
  #block: Buffer = Buffer.alloc(0);
  /** What the last copy lies in. A field, because the block's own getter costs as much as a view. */
  memory: ArrayBufferLike = this.#block.buffer;
  #used = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /**
   * Copies source[start, most), or as much of it as the block in use has room for, but at least
   * source[start, least).
   * @param least at most half a block behind `start`
   * @returns where the copy begins in `memory`
   */
  copy(source: Buffer, start: number, least: number, most: number): number {
    if (this.#used + least - start > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(this.#blockBytes);
      this.memory = this.#block.buffer;
      // Handed to a thread with one message, it would take its neighbours of other connections along.
      markAsUntransferable(this.memory);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used = at + source.copy(this.#block, at, start, most);
    return at;
  }

  /** Where the last copy ends in `memory`. */
  get used(): number {
    return this.#used;
  }
}
