// Collects the payload of a message that does not lie whole in one chunk. Grows by doubling, so that a
// message is copied a constant number of times however it is cut, and never reserves more than twice
// what has really arrived: a header that announces 16 MiB costs nothing.

const FIRST_BYTES_MIN = 1024;

export class MessageBuffer {
  #bytes: Buffer | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /**
   * Copies a range to the end. @param expected how long the message will be at least, as far as known
   * @returns where the copy starts in `bytes`
   */
  append(source: Buffer, start: number, end: number, expected: number): number {
    const at = this.#length;
    const bytes = this.#room(at + end - start, expected);
    source.copy(bytes, at, start, end);
    this.#length = at + end - start;
    return at;
  }

  /**
   * Memory with room behind what is collected, for who writes into it and then calls advance(). Doubles
   * when it is full.
   * @param lengthMax bound of all that is collected; must not be reached yet
   */
  reserve(lengthMax: number): Buffer {
    return this.#room(Math.min(this.#length + 1, lengthMax), lengthMax);
  }

  /** `count` bytes were written behind what was collected. */
  advance(count: number): void {
    this.#length += count;
  }

  /** What is collected so far lies in [0, length) of it. */
  get bytes(): Buffer {
    return this.#bytes ?? EMPTY;
  }

  /** Hands over the payload and starts anew. The memory is the receiver's. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.#length);
    this.#bytes = undefined;
    this.#length = 0;
    return taken;
  }

  #room(needed: number, expected: number): Buffer {
    const old = this.#bytes;
    if (old !== undefined && old.length >= needed) return old;
    const doubled = Math.max(FIRST_BYTES_MIN, 2 * needed);
    // Not from the pool: a kept message would pin its neighbours.
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(doubled, expected)));
    if (old !== undefined) old.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
    return grown;
  }
}

const EMPTY = Buffer.alloc(0);
