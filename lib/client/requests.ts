// Requests that wait for their reply. They outlive a connection: what was not answered is written again,
// in the order of the calls, after the next welcome; its id makes the repeat harmless (contract.md, "Sending").

import type { ClientClock, ClientTimer } from './clock.ts';
import type { ClientMessage, ReplyError, ServerMessage } from './protocol.ts';

export const REQUESTS_MAX = 1_000;
/** How long a question (list, history, seen) may take, reconnects included. */
export const QUESTION_TIMEOUT_MS = 60_000;
/** A send or resolve may wait for a network longer: a person stands behind it. */
export const SEND_TIMEOUT_MS = 600_000;

export type Request = Extract<ClientMessage, { readonly id: string }>;
export type ReplyData = Readonly<Record<string, unknown>>;

/**
 * Why a request failed. `code` is one of the protocol's, or one of the client's own: `timeout`, `unconfirmed`
 * (the connection that carried it was closed as faulty), `stopped`, `busy` (too many are waiting).
 */
export class DeskError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  /** True when the server may have done it all the same: repeat only with the same id. */
  readonly isUnconfirmed: boolean;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(error: ReplyError, isUnconfirmed = false) {
    super(error.message);
    this.name = 'DeskError';
    this.code = error.code;
    this.retryable = error.retryable;
    this.isUnconfirmed = isUnconfirmed;
    this.data = error.data ?? {};
  }
}

interface Waiting {
  readonly request: Request;
  readonly resolve: (data: ReplyData) => void;
  readonly reject: (err: DeskError) => void;
  readonly timer: ClientTimer;
  /** Number of the connection that carried it last; 0: none yet. */
  writtenOn: number;
}

export class Requests {
  readonly #clock: ClientClock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Adds a request; a second one with an id that still waits is refused as `id_reused`.
   * @returns the reply's data; rejects with DeskError
   */
  add(request: Request, timeoutMs: number): Promise<ReplyData> {
    if (this.#waiting.has(request.id)) {
      return Promise.reject(
        ownError('id_reused', 'A request with this id is still waiting.', false),
      );
    }
    if (this.#waiting.size >= REQUESTS_MAX) {
      return Promise.reject(ownError('busy', 'Too many requests wait for an answer.', true));
    }
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => {
        const entry = this.#take(request.id);
        entry?.reject(ownError('timeout', 'No answer in time.', true, entry.writtenOn > 0));
      });
      this.#waiting.set(request.id, { request, resolve, reject, timer, writtenOn: 0 });
    });
  }

  /** Notes that the connection carries the request. */
  written(id: string, connection: number): void {
    const entry = this.#waiting.get(id);
    if (entry !== undefined) entry.writtenOn = connection;
  }

  /** Everything unanswered, oldest first. */
  unanswered(): readonly Request[] {
    return [...this.#waiting.values()].map((entry) => entry.request);
  }

  /** Settles the request of a reply; false when nobody waits for it. */
  answer(reply: Extract<ServerMessage, { readonly type: 'reply' }>): boolean {
    const entry = this.#take(reply.id);
    if (entry === undefined) return false;
    if (reply.ok) entry.resolve(reply.data);
    else entry.reject(new DeskError(reply.error));
    return true;
  }

  /**
   * Gives up what a faulty connection carried: one of these may be the frame that it was closed
   * for.
   */
  rejectWrittenOn(connection: number): void {
    for (const [id, entry] of this.#waiting) {
      if (entry.writtenOn !== connection) continue;
      this.#take(id);
      entry.reject(
        ownError('unconfirmed', 'The connection was closed before an answer.', false, true),
      );
    }
  }

  rejectAll(code: string, message: string): void {
    for (const [id, entry] of this.#waiting) {
      this.#take(id);
      entry.reject(ownError(code, message, false, entry.writtenOn > 0));
    }
  }

  #take(id: string): Waiting | undefined {
    const entry = this.#waiting.get(id);
    if (entry === undefined) return undefined;
    this.#waiting.delete(id);
    entry.timer.cancel();
    return entry;
  }
}

function ownError(
  code: string,
  message: string,
  retryable: boolean,
  isUnconfirmed = false,
): DeskError {
  return new DeskError({ code, message, retryable }, isUnconfirmed);
}
