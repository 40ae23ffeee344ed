// Calls back when the kernel has taken what was sent. One object per thread looks after all senders that
// wait. What a turn of the event loop has sent is flushed at its end and looked at one turn later: if the
// kernel has refused it, the engine has said so by then, and nobody is told that all went well.

/** Someone whose callbacks wait. */
export interface Waiting {
  /** Calls back what is due. @returns false when some must wait for the peer */
  settle(): boolean;
  /** The engine will say when the connection has drained. */
  waitForDrain(): void;
}

export class Acknowledgements {
  readonly #flush: () => void;
  #waiting: Waiting[] = [];
  #isScheduled = false;

  /** @param flush hands everything that was written to the kernel */
  constructor(flush: () => void) {
    this.#flush = flush;
  }

  /** `sender` is looked at once this turn of the event loop is over. */
  add(sender: Waiting): void {
    this.#waiting.push(sender);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isScheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#flush();
    setImmediate(settleAll, waiting);
  }
}

function settleAll(waiting: readonly Waiting[]): void {
  for (const sender of waiting) if (!sender.settle()) sender.waitForDrain();
}
