// Something by the number of a connection, in the order in which numbers were given.

export class FdIndex<Value> {
  readonly #byFd = new Map<number, Value>();
  /** Every number that was added, in order, those that are gone among them until there are too many. */
  #order: number[] = [];

  get size(): number {
    return this.#byFd.size;
  }

  get(fd: number): Value | undefined {
    return this.#byFd.get(fd);
  }

  /** A new number is above all before it. */
  set(fd: number, value: Value): void {
    if (!this.#byFd.has(fd)) this.#order.push(fd);
    this.#byFd.set(fd, value);
  }

  delete(fd: number): void {
    this.#byFd.delete(fd);
    // Compacted when half is gone, so that it costs a constant per connection.
    if (this.#order.length >= 2 * (this.#byFd.size + 32)) this.#order = [...this.#byFd.keys()];
  }

  /** Up to `count` numbers above `after`, in order. */
  page(after: number, count: number): number[] {
    const found: number[] = [];
    for (let i = this.#firstAbove(after); i < this.#order.length && found.length < count; i++) {
      const fd = this.#order[i] as number;
      if (this.#byFd.has(fd)) found.push(fd);
    }
    return found;
  }

  /** Safe to iterate while some are removed; who comes meanwhile may be among them. */
  keys(): IterableIterator<number> {
    return this.#byFd.keys();
  }

  values(): IterableIterator<Value> {
    return this.#byFd.values();
  }

  #firstAbove(fd: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] as number) <= fd) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
