// Requests to one peer: in order, under its credit, each with a deadline. What has no credit waits here; what
// was sent holds its credit until it is answered, also after its caller has given up.

import { SluiceError } from '../base/errors.ts';
import type { BusData } from './bus-types.ts';

/** What may be unanswered at a peer. A single larger request goes alone. */
export const CREDIT_BYTES = 1024 * 1024;
export const WAITING_MAX = 65_536;
/** A used-up head of the waiting list is cut off from this length on. */
const COMPACT_FROM = 1024;

export interface BusRequest {
  readonly name: string;
  readonly data: BusData;
  /** Of its record. */
  readonly bytes: number;
  /** performance.now() */
  readonly deadline: number;
  resolve(answer: string | Buffer): void;
  reject(error: Error): void;
}

interface Entry extends BusRequest {
  isSettled: boolean;
}

export class BusRequests {
  readonly #send: (id: number, request: BusRequest) => void;
  readonly #sent = new Map<number, Entry>();
  #waiting: Entry[] = [];
  #head = 0;
  #unansweredBytes = 0;
  #nextId = 1;

  constructor(send: (id: number, request: BusRequest) => void) {
    this.#send = send;
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#head;
  }

  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  add(request: BusRequest): void {
    if (this.waitingCount >= WAITING_MAX) {
      request.reject(new SluiceError('ERR_STATE', `${WAITING_MAX} requests wait for this peer.`));
      return;
    }
    const entry = { ...request, isSettled: false };
    if (this.waitingCount === 0 && this.#hasCreditFor(entry)) this.#begin(entry);
    else this.#waiting.push(entry);
  }

  answered(id: number, answer: string | Buffer): void {
    this.#settle(id, (entry) => entry.resolve(answer));
  }

  failed(id: number, reason: string): void {
    this.#settle(id, (entry) => entry.reject(new SluiceError('ERR_REMOTE', reason)));
  }

  /** Rejects what is overdue. */
  expire(now: number): void {
    for (const entry of this.#sent.values()) expireEntry(entry, now);
    for (let i = this.#head; i < this.#waiting.length; i++) {
      expireEntry(this.#waiting[i] as Entry, now);
    }
  }

  /** The peer is gone. */
  close(): void {
    const all = [...this.#sent.values(), ...this.#waiting.slice(this.#head)];
    this.#sent.clear();
    this.#waiting = [];
    this.#head = 0;
    for (const entry of all) {
      if (!entry.isSettled) entry.reject(new SluiceError('ERR_CLOSED', 'The worker is gone.'));
    }
  }

  #hasCreditFor(entry: Entry): boolean {
    return this.#unansweredBytes === 0 || this.#unansweredBytes + entry.bytes <= CREDIT_BYTES;
  }

  #begin(entry: Entry): void {
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    this.#sent.set(id, entry);
    this.#unansweredBytes += entry.bytes;
    this.#send(id, entry);
  }

  #settle(id: number, settle: (entry: Entry) => void): void {
    const entry = this.#sent.get(id);
    if (entry === undefined) return;
    this.#sent.delete(id);
    this.#unansweredBytes -= entry.bytes;
    if (!entry.isSettled) settle(entry);
    this.#beginWaiting();
  }

  #beginWaiting(): void {
    while (this.waitingCount > 0) {
      const entry = this.#waiting[this.#head] as Entry;
      if (!entry.isSettled && !this.#hasCreditFor(entry)) break;
      this.#head++;
      if (!entry.isSettled) this.#begin(entry);
    }
    if (this.#head < COMPACT_FROM && this.waitingCount > 0) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}

function expireEntry(entry: Entry, now: number): void {
  if (entry.isSettled || now < entry.deadline) return;
  entry.isSettled = true;
  entry.reject(new SluiceError('ERR_TIMEOUT', `No answer to ${entry.name} in time.`));
}
