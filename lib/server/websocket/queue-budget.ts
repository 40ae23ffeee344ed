// The bytes that all sockets of a server together may owe. From half of the budget on, a socket that
// owes more than its fair share is treated as full: the largest debtors first, and nobody who keeps up.
//
//   sum < half:   each socket has its own bound, queueBytes
//   sum >= half:  at most half / (sockets that owe something), and never less than OWED_BYTES_MIN
//   sum >= all:   at most OWED_BYTES_MIN

/** What the sum is taken from; a loop has it. */
export interface QueueSums {
  readonly queuedBytes: number;
  readonly queuedConnections: number;
}

/** What every socket may owe, whatever the others do: the engine's smallest block of memory. */
export const OWED_BYTES_MIN = 4096;

export class QueueBudget {
  readonly #sums: QueueSums;
  readonly #bytesMax: number;
  /** What waits in TypeScript, not in the loop: messages behind streams, newest messages per key. */
  heldBytes = 0;

  /** @param bytesMax 0: no budget */
  constructor(sums: QueueSums, bytesMax: number) {
    this.#sums = sums;
    this.#bytesMax = bytesMax;
  }

  /** Pending bytes from which on a send must ask boundOf(). */
  careOf(queueBytesMax: number): number {
    return this.#bytesMax === 0 ? queueBytesMax : Math.min(queueBytesMax, OWED_BYTES_MIN);
  }

  /** The bound of a socket's pending bytes now. */
  boundOf(queueBytesMax: number): number {
    if (this.#bytesMax === 0) return queueBytesMax;
    const sum = this.#sums.queuedBytes + this.heldBytes;
    const half = this.#bytesMax / 2;
    if (sum < half) return queueBytesMax;
    const share = sum < this.#bytesMax ? half / Math.max(1, this.#sums.queuedConnections) : 0;
    return Math.min(queueBytesMax, Math.max(OWED_BYTES_MIN, share));
  }
}
