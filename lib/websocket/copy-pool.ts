// Memory for the copies of small payloads that handlers keep. A kept copy pins the block that it lies
// in, so blocks are no larger than those of Node's own pool, and nothing is written to one twice.

const BLOCK_BYTES = 8 * 1024;
/** A larger payload gets memory of its own. */
export const POOLED_BYTES_MAX = BLOCK_BYTES >>> 2;

export class CopyPool {
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  /**
   * Copies source[start, most), or as much of it as the block in use has room for, but at least
   * source[start, least).
   * @param least at most POOLED_BYTES_MAX behind `start`
   * @returns where the copy begins in `block`
   */
  copy(source: Buffer, start: number, least: number, most: number): number {
    if (this.#used + least - start > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used = at + source.copy(this.#block, at, start, most);
    return at;
  }

  /** What the last copy lies in. */
  get memory(): ArrayBufferLike {
    return this.#block.buffer;
  }

  /** Where the last copy ends in `memory`. */
  get used(): number {
    return this.#used;
  }
}
