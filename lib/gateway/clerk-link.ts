// A worker's end of the bus: finds the clerk, greets it, brings it what is to be stored. What has no clerk waits,
// in order, bounded in bytes and time; what a clerk left unanswered goes to the next one if it cannot be
// stored twice.
//
//   waiting --a clerk has answered hello--> asked --answer--> done
//      ^------------- the clerk is gone, keyed ---'   `------ unkeyed: refused, it may be stored or not

import type { Clock, Timer } from '../base/clock.ts';
import { ERROR_CODES, type ErrorCode, isSluiceError, SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { AppendPort } from '../journal/follower-journal.ts';
import type { Appended, NewRecord } from '../journal/types.ts';
import type { BusPeer, WorkerBus } from '../process/bus-types.ts';
import { CLERK_VERSIONS, type ClerkHello, encodeAppends, type Versions } from './bus-words.ts';
import {
  APPEND_BYTES_MAX,
  APPEND_WAIT_MS,
  APPENDS_BYTES_TOTAL_MAX,
  CLERK_HELLO_MS,
  CLERK_SWEEP_MS,
} from './limits.ts';

export interface ClerkLinkOptions {
  readonly bus: Pick<WorkerBus, 'peers' | 'onPeer' | 'request'>;
  /** The clerk's place. */
  readonly slot: number;
  readonly clock: Clock;
  readonly log: Log;
  /** A clerk has answered, the first or another one; before anything is asked of it. */
  readonly onAttached: (hello: ClerkHello) => void;
  /** The clerk is of a version that this one cannot speak to. */
  readonly onFatal: (error: SluiceError) => void;
  /** For tests of other versions. */
  readonly versions?: Versions;
}

/** One text of an append. */
interface Entry {
  readonly text: string;
  readonly bytes: number;
  /** In the order of the calls. */
  readonly order: number;
  readonly deadline: number;
  /** Stored twice it is stored once. */
  readonly isKeyed: boolean;
  readonly resolve: (results: Appended[]) => void;
  readonly reject: (error: Error) => void;
}

type Answer = Appended[] | { readonly error: string; readonly message: string };

export class ClerkLink implements AppendPort {
  readonly #options: ClerkLinkOptions;
  readonly #greeting = new Set<number>();
  #clerk: BusPeer | undefined;
  #waiting: Entry[] = [];
  #openBytes = 0;
  #nextOrder = 0;
  #sweep: Timer | undefined;

  constructor(options: ClerkLinkOptions) {
    this.#options = options;
    const { bus } = options;
    bus.onPeer((peer, isReachable) => {
      if (isReachable) this.#greet(peer);
      else if (peer.serial === this.#clerk?.serial) this.#lost();
    });
    for (const peer of bus.peers) this.#greet(peer);
  }

  /** Whether it is the clerk that takes appends: what another one says is not to be believed yet. */
  isClerk(peer: BusPeer): boolean {
    return peer.serial === this.#clerk?.serial;
  }

  /** Bytes of appends that are not answered. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** @throws SluiceError (rejects) ERR_JOURNAL_UNAVAILABLE: no clerk in time, or too much waits */
  async append(records: readonly NewRecord[]): Promise<Appended[]> {
    const texts = encodeAppends(records, APPEND_BYTES_MAX);
    const isKeyed = records.every((record) => record.dedupeKey !== undefined);
    const answers = await Promise.all(texts.map((text) => this.#enqueue(text, isKeyed)));
    return answers.flat();
  }

  #enqueue(text: string, isKeyed: boolean): Promise<Appended[]> {
    const bytes = Buffer.byteLength(text);
    if (this.#openBytes + bytes > APPENDS_BYTES_TOTAL_MAX) {
      return Promise.reject(unavailable('Too many records wait for the clerk.'));
    }
    this.#openBytes += bytes;
    const deadline = this.#options.clock.monotonicMs() + APPEND_WAIT_MS;
    const order = this.#nextOrder++;
    const done = new Promise<Appended[]>((resolve, reject) => {
      this.#offer({ text, bytes, order, deadline, isKeyed, resolve, reject });
    });
    return done.finally(() => {
      this.#openBytes -= bytes;
    });
  }

  #offer(entry: Entry): void {
    const clerk = this.#clerk;
    if (clerk !== undefined) {
      void this.#ask(clerk, entry);
      return;
    }
    this.#waiting.push(entry);
    this.#sweepLater();
  }

  async #ask(clerk: BusPeer, entry: Entry): Promise<void> {
    const { bus, clock } = this.#options;
    const leftMs = Math.max(1, Math.ceil(entry.deadline - clock.monotonicMs()));
    try {
      const text = String(await bus.request(clerk.serial, 'clerk.append', entry.text, leftMs));
      const answer = JSON.parse(text) as Answer;
      if (Array.isArray(answer)) entry.resolve(answer);
      // It is closing, and has stored nothing of it.
      else if (answer.error === 'ERR_CLOSED') this.#again(clerk, entry);
      else entry.reject(new SluiceError(knownCode(answer.error), answer.message));
    } catch (error) {
      if (isSluiceError(error, 'ERR_CLOSED') && entry.isKeyed) this.#again(clerk, entry);
      else entry.reject(unavailable('The clerk has not answered.', error));
    }
  }

  /** Waits for a clerk other than the one that did not take it. */
  #again(clerk: BusPeer, entry: Entry): void {
    if (this.#clerk?.serial === clerk.serial) this.#lost();
    this.#offer(entry);
  }

  #lost(): void {
    this.#clerk = undefined;
    this.#options.log.warn({}, 'The clerk is gone; records wait for the next one.');
  }

  #greet(peer: BusPeer): void {
    const { bus, slot, versions = CLERK_VERSIONS } = this.#options;
    if (peer.slot !== slot || this.#greeting.has(peer.serial)) return;
    this.#greeting.add(peer.serial);
    bus
      .request(peer.serial, 'clerk.hello', JSON.stringify(versions), CLERK_HELLO_MS)
      .then(
        (text) => this.#attached(peer, JSON.parse(String(text)) as ClerkHello),
        (error: unknown) => this.#notGreeted(peer, error),
      )
      .finally(() => this.#greeting.delete(peer.serial));
  }

  #attached(peer: BusPeer, hello: ClerkHello): void {
    if (this.#clerk !== undefined && this.#clerk.serial > peer.serial) return;
    this.#options.onAttached(hello);
    this.#clerk = peer;
    const waiting = this.#waiting.sort((a, b) => a.order - b.order);
    this.#waiting = [];
    for (const entry of waiting) void this.#ask(peer, entry);
  }

  #notGreeted(peer: BusPeer, error: unknown): void {
    const { log, onFatal } = this.#options;
    if (isSluiceError(error, 'ERR_REMOTE')) {
      log.error({ reason: error.message }, 'The clerk refuses this worker.');
      onFatal(new SluiceError('ERR_STATE', 'The clerk speaks another version.', { cause: error }));
    } else if (isSluiceError(error, 'ERR_TIMEOUT')) {
      // In standby for that long: the one before it has not left.
      setImmediate(() => this.#greet(peer));
    }
  }

  #sweepLater(): void {
    this.#sweep ??= this.#options.clock.after(CLERK_SWEEP_MS, () => {
      this.#sweep = undefined;
      const now = this.#options.clock.monotonicMs();
      const late = this.#waiting.filter((entry) => entry.deadline <= now);
      this.#waiting = this.#waiting.filter((entry) => entry.deadline > now);
      for (const entry of late) entry.reject(unavailable('No clerk was there in time.'));
      if (this.#waiting.length > 0) this.#sweepLater();
    });
  }
}

function unavailable(message: string, cause?: unknown): SluiceError {
  return new SluiceError('ERR_JOURNAL_UNAVAILABLE', message, { cause });
}

/** A newer clerk may know codes that we do not. */
function knownCode(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'ERR_JOURNAL_UNAVAILABLE';
}
