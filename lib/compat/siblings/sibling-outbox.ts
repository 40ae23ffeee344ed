// What one sibling is told: messages, and what has become of our clients, in one order. It gathers over a turn
// of the loop, and leaves as records in requests of the bus, so that nothing is lost while the sibling lives.

import { serialize } from 'node:v8';
import { RECORD_HEADER_BYTES, writeRecordHeader } from '../../process/record.ts';

export const SIBLING_KINDS = { states: 1, message: 2, complete: 3 } as const;
/** Of messages that a sibling has not taken; the next one is refused. */
export const QUEUE_BYTES_MAX = 16 * 1024 * 1024;
/** Beside its payload a message is counted as so much. */
const OVERHEAD_BYTES = 64;
/** Of one request: the bus takes 1 MiB. */
const PIECE_BYTES = 512 * 1024;
/** Requests that are under way; what comes meanwhile gathers. */
const PIECES_MAX = 4;
/** So many states are one record. */
const STATES_MAX = 1000;

type Entry =
  | { readonly kind: 'states'; readonly keys: readonly number[] }
  | { readonly kind: 'message'; readonly message: unknown; bytes: number }
  | { readonly kind: 'complete' };

export interface OutboxOwner {
  /** Undefined once it is gone. */
  stateOf(key: number): unknown;
  /** Hands a piece of the stream over; pieces stay in order. */
  request(piece: Buffer): Promise<unknown>;
  report(error: unknown): void;
  /** A piece was not taken: the stream is broken. */
  failed(error: unknown): void;
}

export class SiblingOutbox {
  readonly #owner: OutboxOwner;
  #queue: Entry[] = [];
  #changed = new Set<number>();
  #queuedBytes = 0;
  #pieces = 0;
  #isScheduled = false;
  #isBroken = false;
  #settled: (() => void)[] = [];

  constructor(owner: OutboxOwner) {
    this.#owner = owner;
  }

  /** Something has become of a client; its state is read when this leaves. */
  changed(key: number): void {
    this.#changed.add(key);
    this.#schedule();
  }

  /** All states are told: the sibling knows everybody. */
  complete(): void {
    this.#takeChanges();
    this.#queue.push({ kind: 'complete' });
    this.#schedule();
  }

  /**
   * @param message anything that v8.serialize() takes; may change until it leaves
   * @param bytes of its payload
   * @returns false when the sibling owes too much
   */
  send(message: unknown, bytes: number): boolean {
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > QUEUE_BYTES_MAX) return false;
    if (bytes > QUEUE_BYTES_MAX) return false;
    this.#takeChanges();
    const counted = bytes + OVERHEAD_BYTES;
    this.#queue.push({ kind: 'message', message, bytes: counted });
    this.#queuedBytes += counted;
    this.#schedule();
    return true;
  }

  /** The message behind which nothing was said yet. */
  get last(): unknown {
    const entry = this.#changed.size === 0 ? this.#queue.at(-1) : undefined;
    return entry?.kind === 'message' ? entry.message : undefined;
  }

  /** Resolves when everything is taken, or the stream is over. */
  settled(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  /** The sibling is gone. */
  close(): void {
    this.#isBroken = true;
    this.#queue = [];
    this.#changed.clear();
    this.#noteSettled();
  }

  get #isIdle(): boolean {
    if (this.#isBroken) return true;
    return this.#pieces === 0 && this.#queue.length === 0 && this.#changed.size === 0;
  }

  #takeChanges(): void {
    const keys = [...this.#changed];
    this.#changed.clear();
    for (let i = 0; i < keys.length; i += STATES_MAX) {
      this.#queue.push({ kind: 'states', keys: keys.slice(i, i + STATES_MAX) });
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBroken || this.#pieces >= PIECES_MAX) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#isBroken) return;
    this.#takeChanges();
    const entries = this.#queue;
    this.#queue = [];
    const bytes = entries.reduce(
      (sum, each) => sum + (each.kind === 'message' ? each.bytes : 0),
      0,
    );
    const stream = Buffer.concat(entries.map((entry) => this.#encode(entry)));
    let at = 0;
    while (at < stream.length) {
      const end = Math.min(stream.length, at + PIECE_BYTES);
      this.#hand(stream.subarray(at, end), end === stream.length ? bytes : 0);
      at = end;
    }
  }

  #hand(piece: Buffer, bytes: number): void {
    this.#pieces++;
    this.#owner.request(piece).then(
      () => {
        this.#pieces--;
        this.#queuedBytes -= bytes;
        if (this.#queue.length > 0 || this.#changed.size > 0) this.#schedule();
        this.#noteSettled();
      },
      (error: unknown) => {
        if (this.#isBroken) return;
        this.close();
        this.#owner.failed(error);
      },
    );
  }

  #encode(entry: Entry): Buffer {
    if (entry.kind === 'complete') return record(SIBLING_KINDS.complete, Buffer.alloc(0));
    const isMessage = entry.kind === 'message';
    const value = isMessage
      ? entry.message
      : entry.keys.map((key) => [key, this.#owner.stateOf(key)]);
    try {
      return record(isMessage ? SIBLING_KINDS.message : SIBLING_KINDS.states, serialize(value));
    } catch (error) {
      // A function in it, for example: it goes nowhere, and the others go on.
      this.#owner.report(error);
      return Buffer.alloc(0);
    }
  }

  #noteSettled(): void {
    if (!this.#isIdle) return;
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}

function record(kind: number, payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  writeRecordHeader(header, 0, kind, payload.length);
  return Buffer.concat([header, payload]);
}
