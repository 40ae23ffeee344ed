// One request and its answer: finds the handler, feeds the body, turns faults and failures into answers.
// The order of exchanges, holding and time belong to the connection.

import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import { HTTP_FAULTS, HttpError, type HttpFault } from '../../http/faults.ts';
import type { RequestHead } from '../../http/request-head.ts';
import { CONTINUE_HEAD, type DateSource } from '../../http/response-head.ts';
import type { Connection } from '../../net/types.ts';
import type { RouteHandler } from '../types.ts';
import type { HttpApplication } from './http-application.ts';
import { type BodyHost, DISCARDED_BYTES_MAX, RequestBody } from './http-body.ts';
import { HttpRequest, type RequestHost } from './request.ts';
import { HttpResponse, type ResponseHost } from './response.ts';

/** What an exchange needs from its connection. */
export interface ExchangeHost {
  readonly connection: Connection;
  readonly date: DateSource;
  /** False when the connection closes after this exchange, whatever its client wants. */
  readonly isLasting: boolean;
  /** Body bytes of the current request that were not read yet; -1 when nobody knows. */
  readonly bodyBytesLeft: number;
  /** The answer is complete. */
  exchangeAnswered(): void;
  /** Something that a deadline depends on has changed. */
  exchangeMoved(): void;
  setBodyPaused(isPaused: boolean): void;
  /** Answers `fault` in the handler's place and closes. */
  refuse(fault: HttpFault): void;
  /** Closes in good order: nothing more is to be answered. */
  close(): void;
  /** Ends the connection: an answer stays half-written. */
  reset(): void;
}

export class HttpExchange implements ResponseHost, RequestHost, BodyHost {
  readonly head: RequestHead;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** The whole message was read, or nothing more of it will be. */
  isReceived = false;
  readonly #host: ExchangeHost;
  readonly #application: HttpApplication;
  /** 100 was sent, or need not be. */
  #isContinued: boolean;
  /** A fault came after the answer had begun. */
  #isCut = false;
  #isGone = false;
  #body: RequestBody | undefined;
  #isAborted = false;
  /** 0 when nobody measures. */
  readonly #startedAt: number;
  #abort: AbortController | undefined;

  constructor(host: ExchangeHost, application: HttpApplication, head: RequestHead) {
    const { trustedProxies } = application;
    this.head = head;
    this.#host = host;
    this.#application = application;
    this.#startedAt = application.metrics?.onAnswer === undefined ? 0 : performance.now();
    this.#isContinued = !head.expectsContinue;
    this.request = new HttpRequest(head, this, host.connection, trustedProxies);
    this.response = new HttpResponse(this, head);
  }

  get hasBody(): boolean {
    return this.head.contentLength !== 0;
  }

  /** Made when it is first asked for: most requests have none, and no reader. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(
      this,
      this.head.contentLength,
      this.#application.limits.bodyBytesMax,
    );
    return this.#body;
  }

  /** True when the connection must close once this exchange is over. */
  get mustClose(): boolean {
    return this.#isCut || !this.response.keepsAlive || !this.#host.isLasting;
  }

  /** Calls the route's handler, or answers in its place. */
  dispatch(): void {
    const { request, response } = this;
    const found = this.#application.router.match(request.method, request.path);
    if (found.kind === 'handler') {
      request.params = found.params;
      this.#call(found.handler);
    } else if (found.kind === 'method') {
      response.header('Allow', found.allow);
      if (request.method === 'OPTIONS') response.status(204).end();
      else response.status(405).end('Method Not Allowed\n');
    } else if (found.kind === 'none') {
      response.status(404).end('Not Found\n');
    } else {
      response.status(400).end('The path is not valid.\n');
    }
  }

  /** Takes a range of body bytes; they are borrowed. */
  takeBody(bytes: Buffer, start: number, end: number): void {
    try {
      this.body.receive(bytes, start, end);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The last byte of the message was read. */
  complete(): void {
    this.isReceived = true;
    try {
      this.#body?.complete();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * The rest of the message breaks a rule, or does not come: the client is answered, the reader
   * told.
   */
  cut(fault: HttpFault): void {
    this.bodyRefused(fault);
    this.body.fail(fault);
  }

  /** The client is gone. */
  gone(): void {
    this.#isGone = true;
    this.response.abort();
    if (this.hasBody) this.body.fail(HTTP_FAULTS.bodyCut);
  }

  /** The client has sent FIN: who works for it may stop. */
  peerEnded(): void {
    if (!this.response.finished) this.responseAborted();
  }

  /** A handler threw or rejected: 500, or a reset when its answer was begun. */
  fail(error: unknown): void {
    // What the client has done wrong is told to the client; a handler that lets it pass has nothing to add.
    const fault = error instanceof HttpError ? error : undefined;
    if (fault === undefined) this.#application.onError(error);
    if (this.#isGone || this.response.finished) return;
    if (this.response.headSent) {
      this.#host.reset();
      return;
    }
    this.response.dropFields();
    if (fault !== undefined) this.response.answerAlone(fault.status, `${fault.message}\n`);
    else this.response.answerAlone(500, 'Internal Server Error\n');
  }

  // ---- RequestHost -------------------------------------------------------

  get aborted(): boolean {
    return this.#isAborted;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#isAborted) this.#abort.abort(abortReason());
    }
    return this.#abort.signal;
  }

  // ---- ResponseHost ------------------------------------------------------

  get connection(): Connection {
    return this.#host.connection;
  }

  get date(): DateSource {
    return this.#host.date;
  }

  mayKeepAlive(): boolean {
    if (!this.head.keepAlive || !this.#host.isLasting) return false;
    if (!this.hasBody || this.isReceived || this.body.hasReader) return true;
    return this.#isContinued && this.#host.bodyBytesLeft <= DISCARDED_BYTES_MAX;
  }

  responseFinished(): void {
    this.#application.counters?.answered(this.response.statusCode);
    if (this.#startedAt !== 0) this.#measure();
    this.#host.exchangeAnswered();
  }

  responseStalled(): void {
    this.#host.exchangeMoved();
  }

  responseAborted(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#abort?.abort(abortReason());
  }

  report(error: unknown): void {
    this.#application.onError(error);
  }

  // ---- BodyHost ----------------------------------------------------------

  bodyWanted(): void {
    if (this.#isContinued) return;
    this.#isContinued = true;
    const isNeeded = this.body.receivedBytes === 0 && !this.response.headSent;
    if (isNeeded) this.connection.writeLatin1(CONTINUE_HEAD);
  }

  setBodyPaused(isPaused: boolean): void {
    this.#host.setBodyPaused(isPaused);
  }

  bodyRefused(fault: HttpFault): void {
    if (this.#isGone) return;
    if (!this.response.headSent) {
      this.response.abort();
      this.#host.refuse(fault);
    } else if (this.response.finished) {
      this.#host.close();
    } else {
      // The answer was begun: its handler ends it, and then the connection closes.
      this.#isCut = true;
      this.isReceived = true;
    }
  }

  #measure(): void {
    const { metrics } = this.#application;
    const ms = performance.now() - this.#startedAt;
    try {
      metrics?.onAnswer?.(this.request, this.response.statusCode, ms);
    } catch (error) {
      this.#application.onError(error);
    }
  }

  #call(handler: RouteHandler): void {
    const result: unknown = handler(this.request, this.response);
    if (isThenable(result)) result.then(undefined, (error: unknown) => this.fail(error));
  }
}

function abortReason(): SluiceError {
  return new SluiceError('ERR_CLOSED', 'The client is gone.');
}
