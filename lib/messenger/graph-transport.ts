// HTTP to the Graph API on undici. What matters here is one question: had anything left when a call
// failed? Undici tells when it begins to write a request; before that a call was certainly not made.
//
//   queued ──connect──> started ──answer head──> body ──> answered
//      └── unsent            └──────────┴── lost (it may have been carried out)

import { type Dispatcher, Pool } from 'undici';
import type { Clock } from '../base/clock.ts';
import {
  GRAPH_ANSWER_BYTES_MAX,
  GRAPH_BODY_TIMEOUT_MS,
  GRAPH_CALLS_MAX,
  GRAPH_CLOSE_MS,
  GRAPH_CONNECT_TIMEOUT_MS,
  GRAPH_CONNECTIONS_MAX,
  GRAPH_HEADERS_TIMEOUT_MS,
  GRAPH_KEEP_ALIVE_MS,
} from './limits.ts';

export interface GraphCall {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  readonly token: string;
  /** JSON text. */
  readonly body?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type GraphAnswer =
  | {
      readonly state: 'answered';
      readonly status: number;
      readonly text: string;
      /** One response header by its lower-case name. */
      header(name: string): string | undefined;
    }
  /** Nothing left this machine. `why` is a code, never a sentence with a URL in it. */
  | { readonly state: 'unsent'; readonly why: string }
  | { readonly state: 'lost'; readonly why: string };

/** Bounds that tests shorten. */
export interface GraphTransportLimits {
  readonly connectionsMax?: number;
  readonly callsMax?: number;
  readonly connectTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly bodyTimeoutMs?: number;
  readonly answerBytesMax?: number;
}

export class GraphTransport {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #callsMax: number;
  #calls = 0;
  #closed = false;

  constructor(origin: string, clock: Clock, limits: GraphTransportLimits = {}) {
    this.#clock = clock;
    this.#callsMax = limits.callsMax ?? GRAPH_CALLS_MAX;
    this.#pool = new Pool(origin, {
      connections: limits.connectionsMax ?? GRAPH_CONNECTIONS_MAX,
      pipelining: 1,
      connect: { timeout: limits.connectTimeoutMs ?? GRAPH_CONNECT_TIMEOUT_MS },
      headersTimeout: limits.headersTimeoutMs ?? GRAPH_HEADERS_TIMEOUT_MS,
      bodyTimeout: limits.bodyTimeoutMs ?? GRAPH_BODY_TIMEOUT_MS,
      keepAliveTimeout: GRAPH_KEEP_ALIVE_MS,
      keepAliveMaxTimeout: GRAPH_KEEP_ALIVE_MS,
      maxResponseSize: limits.answerBytesMax ?? GRAPH_ANSWER_BYTES_MAX,
    });
  }

  get calls(): number {
    return this.#calls;
  }

  /** Never rejects. */
  async call(call: GraphCall): Promise<GraphAnswer> {
    if (this.#closed) return { state: 'unsent', why: 'closed' };
    if (call.signal?.aborted === true) return { state: 'unsent', why: 'aborted' };
    if (this.#calls >= this.#callsMax) return { state: 'unsent', why: 'too_many_calls' };
    this.#calls++;
    try {
      return await dispatch(this.#pool, this.#clock, call);
    } finally {
      this.#calls--;
    }
  }

  /**
   * Lets calls that are under way end, for a while; then breaks them off: their outcome is
   * `lost`.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const timer = this.#clock.after(GRAPH_CLOSE_MS, () => void this.#pool.destroy());
    await this.#pool.close();
    timer.cancel();
  }
}

function dispatch(pool: Pool, clock: Clock, call: GraphCall): Promise<GraphAnswer> {
  return new Promise((resolve) => {
    const exchange = new Exchange(resolve);
    const timer = clock.after(call.timeoutMs, () => exchange.giveUp('timeout'));
    const onAbort = (): void => exchange.giveUp('aborted');
    call.signal?.addEventListener('abort', onAbort, { once: true });
    exchange.onSettled = () => {
      timer.cancel();
      call.signal?.removeEventListener('abort', onAbort);
    };
    const headers: Record<string, string> = {
      authorization: `Bearer ${call.token}`,
      accept: 'application/json',
      'user-agent': 'sluice',
    };
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    try {
      const { method, path, body = null } = call;
      pool.dispatch({ method, path, headers, body }, exchange);
    } catch (error) {
      exchange.fail(codeOf(error));
    }
  });
}

/** One call's progress; undici calls it, and settles it exactly once. */
class Exchange implements Dispatcher.DispatchHandler {
  onSettled: () => void = () => undefined;
  readonly #resolve: (answer: GraphAnswer) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #status = 0;
  #headers: Readonly<Record<string, string | string[] | undefined>> = {};
  #chunks: Buffer[] = [];

  constructor(resolve: (answer: GraphAnswer) => void) {
    this.#resolve = resolve;
  }

  /**
   * Just before the first byte. A second time would be a second call: never, whatever the reason.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    const isRepeated = this.#controller !== undefined;
    this.#controller ??= controller;
    if (this.#settled || isRepeated) controller.abort(new Error('The call was given up.'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // Undici's parser lends its memory for the duration of the call.
    this.#chunks.push(Buffer.from(chunk));
  }

  onResponseEnd(): void {
    const headers = this.#headers;
    this.#settle({
      state: 'answered',
      status: this.#status,
      text: Buffer.concat(this.#chunks).toString('utf8'),
      header(name) {
        const value = headers[name];
        return Array.isArray(value) ? value[0] : value;
      },
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(codeOf(error));
  }

  fail(why: string): void {
    this.#settle({ state: this.#controller === undefined ? 'unsent' : 'lost', why });
  }

  /** Timeout and abort. A call that still waits for a connection is stopped at `onRequestStart`. */
  giveUp(why: string): void {
    this.fail(why);
    this.#controller?.abort(new Error('The call was given up.'));
  }

  #settle(answer: GraphAnswer): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled();
    this.#resolve(answer);
  }
}

/** Codes only: messages of network errors may hold addresses, and those of others anything. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}
