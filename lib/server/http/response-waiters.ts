// Who waits for something of a response: its end, or room for more of it. Made for the first of them.

export class ResponseWaiters {
  #finish: ((sent: boolean) => void)[] = [];
  #drain: ((isOpen: boolean) => void)[] = [];

  onFinish(callback: (sent: boolean) => void): void {
    this.#finish.push(callback);
  }

  /** @returns resolves at the next drain, with whether the connection was open then */
  drained(): Promise<boolean> {
    return new Promise((resolve) => this.#drain.push(resolve));
  }

  tellDrained(isOpen: boolean): void {
    const waiting = this.#drain;
    this.#drain = [];
    for (const resolve of waiting) resolve(isOpen);
  }

  /** The response is over. */
  tellFinished(sent: boolean): void {
    const waiting = this.#finish;
    this.#finish = [];
    for (const callback of waiting) callback(sent);
  }
}
