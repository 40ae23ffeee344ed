// The newest rows of the log in memory, without a gap up to the head: where live readers and
// histories look first.

export interface LogRow {
  readonly first: number;
  readonly count: number;
  /** Lines of log-line.ts, joined by newlines. */
  readonly body: string;
}

export class RecentRows {
  readonly #charsMax: number;
  #rows: LogRow[] = [];
  /** Rows before this index were dropped; the array is cut when they are half of it. */
  #start = 0;
  #chars = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  /** Adds the row that follows the newest one; the oldest ones give way. */
  push(row: LogRow): void {
    this.#rows.push(row);
    this.#chars += row.body.length;
    while (this.#chars > this.#charsMax && this.#start < this.#rows.length) this.#dropOldest();
    if (this.#start * 2 > this.#rows.length) {
      this.#rows = this.#rows.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The row that holds seq, if it is among the newest. */
  find(seq: number): LogRow | undefined {
    const row = this.#rows[this.#indexOf(seq)];
    return row !== undefined && seq >= row.first && seq < row.first + row.count ? row : undefined;
  }

  /**
   * All rows from the one that holds `from` to the one that holds `to` or is newest; undefined if
   * it is not held.
   */
  range(from: number, to: number): readonly LogRow[] | undefined {
    if (this.find(from) === undefined) return undefined;
    return this.#rows.slice(this.#indexOf(from), this.#indexOf(to) + 1);
  }

  clear(): void {
    this.#rows = [];
    this.#start = 0;
    this.#chars = 0;
  }

  /** Index of the last row that starts at or before seq; before the first one if there is none. */
  #indexOf(seq: number): number {
    let low = this.#start;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle]?.first ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low - 1 >= this.#start ? low - 1 : -1;
  }

  #dropOldest(): void {
    this.#chars -= this.#rows[this.#start]?.body.length ?? 0;
    this.#start++;
  }
}
