// One connection: handshake with a deadline, frames to messages, silence, close. It knows nothing of
// resuming or requests; after `closed` it never speaks again.

import type { ClientClock, ClientTimer } from './clock.ts';
import { type ClientMessage, type ServerMessage, SUBPROTOCOL } from './protocol.ts';

/** From the first byte to `welcome`. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;
/** What we report when we gave up on a connection ourselves. */
export const CLOSE_ABNORMAL = 1006;
const CLOSE_BY_US = 4000;

/** The part of the browser's WebSocket that is used; ws's has the same. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface LineEvents {
  opened(): void;
  message(message: ServerMessage): void;
  /** Once, last. `wasOpen` false: the handshake failed and the code says nothing about why. */
  closed(code: number, reason: string, wasOpen: boolean): void;
}

export class Line {
  readonly #clock: ClientClock;
  readonly #events: LineEvents;
  readonly #socket: WebSocketLike;
  #deadline: ClientTimer;
  #silenceMs = 0;
  #heardAt: number;
  #isOpen = false;
  #isClosed = false;

  constructor(options: {
    readonly url: string;
    readonly token: string;
    readonly webSocket: WebSocketConstructor;
    readonly clock: ClientClock;
    readonly events: LineEvents;
  }) {
    this.#clock = options.clock;
    this.#events = options.events;
    this.#heardAt = options.clock.monotonicMs();
    this.#deadline = this.#clock.after(HANDSHAKE_TIMEOUT_MS, () =>
      this.abandon('no welcome in time'),
    );
    const socket = new options.webSocket(options.url, [SUBPROTOCOL, `bearer.${options.token}`]);
    this.#socket = socket;
    socket.onopen = () => this.#socketOnOpen();
    socket.onmessage = (event) => this.#socketOnMessage(event.data);
    socket.onclose = (event) => this.#finish(event.code, event.reason);
    // A close always follows, with all that a browser lets us know.
    socket.onerror = () => undefined;
  }

  send(message: ClientMessage): void {
    if (this.#isOpen && !this.#isClosed) this.#socket.send(JSON.stringify(message));
  }

  /**
   * From now on a silence of this length ends the connection; replaces the deadline of the
   * handshake.
   */
  watchSilence(silenceMs: number): void {
    this.#silenceMs = silenceMs;
    this.#deadline.cancel();
    this.#armSilence(silenceMs);
  }

  /** Ends the connection at once as if the network had; the peer is told, but not waited for. */
  abandon(reason: string): void {
    if (this.#isClosed) return;
    this.#finish(CLOSE_ABNORMAL, reason);
    this.#closeSocket(CLOSE_BY_US, reason);
  }

  /** Ends the connection for good (1000). Nothing is reported any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadline.cancel();
    this.#closeSocket(1000, '');
  }

  #socketOnOpen(): void {
    if (this.#isClosed) return;
    this.#isOpen = true;
    this.#events.opened();
  }

  #socketOnMessage(data: unknown): void {
    if (this.#isClosed) return;
    this.#heardAt = this.#clock.monotonicMs();
    const message = parseMessage(data);
    if (message !== undefined) this.#events.message(message);
  }

  /**
   * One timer for the whole connection: it looks when it was last heard and sleeps for the rest.
   */
  #armSilence(ms: number): void {
    this.#deadline = this.#clock.after(ms, () => {
      const left = this.#silenceMs - (this.#clock.monotonicMs() - this.#heardAt);
      if (left <= 0) this.abandon('silence');
      else this.#armSilence(left);
    });
  }

  #finish(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadline.cancel();
    this.#events.closed(code, reason, this.#isOpen);
  }

  #closeSocket(code: number, reason: string): void {
    try {
      this.#socket.close(code, reason);
    } catch (err) {
      // Only ws throws here, and only before its handshake; its own error event follows.
      if (!(err instanceof Error)) throw err;
    }
  }
}

/** A frame as a message; undefined for what is not one (ignored, as unknown messages are). */
function parseMessage(data: unknown): ServerMessage | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null || !('type' in value)) return undefined;
    return value as ServerMessage;
  } catch {
    return undefined;
  }
}
