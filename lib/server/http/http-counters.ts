// Answers of a server, counted by the class of their status.

export class HttpCounters {
  /** By the first digit of the status. */
  readonly #classes = [0, 0, 0, 0, 0, 0];

  answered(status: number): void {
    const at = Math.trunc(status / 100);
    this.#classes[at] = (this.#classes[at] ?? 0) + 1;
  }

  /** @param digit 1 to 5 */
  ofClass(digit: number): number {
    return this.#classes[digit] ?? 0;
  }

  get total(): number {
    return this.#classes.reduce((sum, count) => sum + count, 0);
  }
}
