// The other workers of a program, as both facades need them: each tells all others who its clients are, and
// sends them messages. What is asked of the facades at once is answered from what was told.

import { deserialize } from 'node:v8';
import { isSluiceError } from '../../base/errors.ts';
import type { BusPeer, WorkerBus } from '../../process/bus-types.ts';
import { RecordReader } from '../../process/record.ts';
import type { WorkerRole } from '../../process/types.ts';
import { QUEUE_BYTES_MAX, SIBLING_KINDS, SiblingOutbox } from './sibling-outbox.ts';

/** A message or a list of states, as it was serialized. */
const RECORD_BYTES_MAX = 2 * QUEUE_BYTES_MAX;
/** A sibling that takes nothing for so long hangs, and is killed long before. */
const TAKE_TIMEOUT_MS = 600_000;
/** How long a new worker waits until it knows its siblings. */
export const KNOWN_TIMEOUT_MS = 2_000;
/** How long a worker that leaves waits until what it has said is taken. */
export const SAID_TIMEOUT_MS = 2_000;

export interface SiblingsOwner {
  /** Of all our clients. */
  keys(): Iterable<number>;
  /** Plain values that say what others may ask of a client; undefined once it is gone. */
  stateOf(key: number): unknown;
  /** What has become of a client of a sibling; undefined: it is gone. */
  learned(from: BusPeer, key: number, state: unknown): void;
  /** A message. */
  heard(from: BusPeer, message: unknown): void;
  /** It is gone, or tells everything anew. */
  left(from: BusPeer, isGone: boolean): void;
  /** Takes what handlers have thrown. Must not throw. */
  report(error: unknown): void;
}

interface Sibling {
  readonly peer: BusPeer;
  outbox: SiblingOutbox;
  reader: RecordReader;
  isKnown: boolean;
}

export class Siblings {
  readonly #role: WorkerRole;
  readonly #bus: WorkerBus;
  readonly #owner: SiblingsOwner;
  readonly #begin: string;
  readonly #piece: string;
  readonly #siblings = new Map<number, Sibling>();
  #becameKnown: () => void = () => undefined;

  /** @param name of the facade: all its workers use it */
  constructor(role: WorkerRole, name: string, owner: SiblingsOwner) {
    this.#role = role;
    this.#bus = role.bus;
    this.#owner = owner;
    this.#begin = `sluice.${name}.begin`;
    this.#piece = `sluice.${name}.piece`;
    this.#bus.onPeer((peer, isReachable) => {
      if (isReachable) this.#came(peer);
      else this.#went(peer);
    });
    this.#bus.onRequest(this.#begin, (_data, from) => this.#begins(from));
    this.#bus.onRequest(this.#piece, (data, from) => this.#pieceCame(from, Buffer.from(data)));
    for (const peer of this.#bus.peers) this.#came(peer);
  }

  /** Those that are reachable. */
  get peers(): BusPeer[] {
    return [...this.#siblings.values()].map(({ peer }) => peer);
  }

  has(serial: number): boolean {
    return this.#siblings.has(serial);
  }

  /** The youngest in a place. */
  peerAt(slot: number): BusPeer | undefined {
    const serials = this.peers.filter((peer) => peer.slot === slot);
    return serials.sort((a, b) => a.serial - b.serial).at(-1);
  }

  changed(key: number): void {
    for (const { outbox } of this.#siblings.values()) outbox.changed(key);
  }

  /** @returns false when it is not reachable, or owes too much */
  send(serial: number, message: unknown, bytes = 0): boolean {
    return this.#siblings.get(serial)?.outbox.send(message, bytes) ?? false;
  }

  /** @returns how many have taken it */
  sendAll(message: unknown, bytes = 0): number {
    let taken = 0;
    for (const { outbox } of this.#siblings.values()) if (outbox.send(message, bytes)) taken++;
    return taken;
  }

  /** The last message to it, while it has not left and nothing was said behind it. */
  lastTo(serial: number): unknown {
    return this.#siblings.get(serial)?.outbox.last;
  }

  /** Resolves when somebody in every other place has told who its clients are, or after the time. */
  async known(ms = KNOWN_TIMEOUT_MS): Promise<void> {
    if (this.#isKnown) return;
    await within(ms, (resolve) => {
      this.#becameKnown = resolve;
    });
  }

  /** Resolves when everything that was said is taken, or after the time. */
  async said(ms = SAID_TIMEOUT_MS): Promise<void> {
    const all = [...this.#siblings.values()].map(({ outbox }) => outbox.settled());
    await within(ms, (resolve) => void Promise.all(all).then(resolve));
  }

  // ------------------------------------------------------------------------

  get #isKnown(): boolean {
    const slots = new Set<number>([this.#role.slot]);
    for (const { peer, isKnown } of this.#siblings.values()) if (isKnown) slots.add(peer.slot);
    return slots.size >= this.#role.count;
  }

  #came(peer: BusPeer): void {
    if (this.#siblings.has(peer.serial)) return;
    const outbox = this.#openOutbox(peer);
    const reader = new RecordReader(RECORD_BYTES_MAX);
    this.#siblings.set(peer.serial, { peer, outbox, reader, isKnown: false });
    this.#tellAll(outbox);
  }

  #went(peer: BusPeer): void {
    const sibling = this.#siblings.get(peer.serial);
    if (sibling === undefined) return;
    this.#siblings.delete(peer.serial);
    sibling.outbox.close();
    this.#guard(() => this.#owner.left(peer, true));
  }

  /** A stream of records begins with a request that says so: what came before is void. */
  #openOutbox({ serial }: BusPeer): SiblingOutbox {
    const request = (name: string, data: Buffer | string): Promise<unknown> =>
      this.#bus.request(serial, name, data, TAKE_TIMEOUT_MS);
    const outbox = new SiblingOutbox({
      stateOf: (key) => this.#owner.stateOf(key),
      request: (piece) => request(this.#piece, piece),
      report: (error) => this.#owner.report(error),
      failed: (error) => this.#failed(serial, error),
    });
    request(this.#begin, '').catch((error: unknown) => {
      if (!isSluiceError(error, 'ERR_CLOSED')) this.#owner.report(error);
    });
    return outbox;
  }

  #tellAll(outbox: SiblingOutbox): void {
    for (const key of this.#owner.keys()) outbox.changed(key);
    outbox.complete();
  }

  #failed(serial: number, error: unknown): void {
    // Whoever is gone is said to be so by the bus.
    if (isSluiceError(error, 'ERR_CLOSED')) return;
    this.#owner.report(error);
    const sibling = this.#siblings.get(serial);
    if (sibling === undefined) return;
    sibling.outbox = this.#openOutbox(sibling.peer);
    this.#tellAll(sibling.outbox);
  }

  #begins(from: BusPeer): undefined {
    this.#came(from);
    const sibling = this.#siblings.get(from.serial);
    if (sibling === undefined) return;
    sibling.reader = new RecordReader(RECORD_BYTES_MAX);
    this.#guard(() => this.#owner.left(from, false));
  }

  #pieceCame(from: BusPeer, piece: Buffer): undefined {
    const sibling = this.#siblings.get(from.serial);
    const isWhole = sibling?.reader.push(piece, 0, piece.length, (kind, bytes, start, end) => {
      this.#take(sibling, kind, bytes.subarray(start, end));
      return true;
    });
    if (isWhole === false) throw new Error('A sibling has said what is no record.');
  }

  #take(sibling: Sibling, kind: number, bytes: Buffer): void {
    const { peer } = sibling;
    if (kind === SIBLING_KINDS.complete) {
      sibling.isKnown = true;
      if (this.#isKnown) this.#becameKnown();
      return;
    }
    const value: unknown = deserialize(bytes);
    if (kind === SIBLING_KINDS.message) {
      this.#guard(() => this.#owner.heard(peer, value));
      return;
    }
    for (const [key, state] of value as [number, unknown][]) {
      this.#guard(() => this.#owner.learned(peer, key, state));
    }
  }

  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#owner.report(error);
    }
  }
}

/** Resolves when `begin` calls what it is given, or after the time. */
function within(ms: number, begin: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    begin(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
