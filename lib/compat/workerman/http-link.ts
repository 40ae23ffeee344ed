// Carries requests and answers of one HTTP connection: the server's codec reads and writes, send() answers
// the request that waits. One after the other, also when the client pipelines.

import { systemClock } from '../../base/clock.ts';
import type { Connection } from '../../net/types.ts';
import type { HttpApplication, HttpLimits } from '../../server/http/http-application.ts';
import { HttpConnection } from '../../server/http/http-connection.ts';
import type { RouteResult } from '../../server/http/router.ts';
import type { ServerRequest, ServerResponse } from '../../server/types.ts';
import { answer } from './http-answer.ts';
import type { Link } from './link.ts';
import { Request } from './request.ts';
import { Chunk, Response, ServerSentEvents } from './response.ts';
import type { TcpConnection } from './tcp-connection.ts';

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

export class HttpLink implements Link, HttpApplication {
  readonly limits: HttpLimits;
  readonly clock = systemClock;
  readonly http: HttpConnection;
  /** Every method and path has the one handler. */
  readonly router = { match: (): RouteResult => this.#route };
  readonly #connection: Connection;
  readonly #tcp: TcpConnection;
  readonly #route: RouteResult;
  /** Of the request that waits for its answer. */
  #response: ServerResponse | undefined;

  constructor(connection: Connection, tcp: TcpConnection, limits: HttpLimits) {
    this.#connection = connection;
    this.#tcp = tcp;
    this.limits = limits;
    this.#route = {
      kind: 'handler',
      params: NO_PARAMS,
      handler: (request, response) => this.#serve(request, response),
    };
    this.http = new DrainedHttp(connection, this, tcp);
  }

  // ---- Link --------------------------------------------------------------

  get topicMember(): undefined {
    return undefined;
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  get receivedBytes(): number {
    return 0;
  }

  /** @returns false without a request that waits */
  send(data: unknown, isLast: boolean): boolean {
    const response = this.#response;
    if (response === undefined || response.finished) return false;
    if (data instanceof Chunk) {
      if (data.body.length === 0) response.end();
      else response.write(data.body);
    } else if (data instanceof ServerSentEvents) {
      response.write(data.toString());
    } else {
      const plain = data instanceof Response ? data : new Response(200, {}, bodyOf(data));
      if (isLast) response.header('Connection', 'close');
      const sending = answer(response, plain);
      if (sending instanceof Promise) {
        sending.catch((error: unknown) => this.#tcp.failed(error));
      }
    }
    return true;
  }

  flushSends(): void {
    // Nothing is collected here.
  }

  consume(): void {
    // What is received lies in the parser, and is no package until it is whole.
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  leave(): void {
    this.http.drainAndClose();
  }

  close(): void {
    const response = this.#response;
    if (response?.headSent === true && !response.finished) response.end();
    this.http.close();
  }

  stop(): void {
    this.#response = undefined;
  }

  fail(): void {
    const response = this.#response;
    if (response === undefined || response.finished || response.headSent) {
      this.http.reset();
      return;
    }
    response.header('Connection', 'close').status(500).end('Internal Server Error\n');
    this.http.close();
  }

  // ---- HttpApplication ---------------------------------------------------

  onError(error: unknown): void {
    this.#tcp.failed(error);
  }

  /** WebSockets have a worker of their own. */
  upgrade(): boolean {
    return false;
  }

  connectionEnded(): void {
    this.#tcp.closed();
  }

  // ------------------------------------------------------------------------

  #serve(request: ServerRequest, response: ServerResponse): void {
    this.#response = response;
    const bodyBytesMax = this.#tcp.maxPackageSize;
    if (bodyBytesMax !== this.limits.bodyBytesMax) request.limitBody(bodyBytesMax);
    request.onBody(
      (body) => this.#deliver(request, response, body),
      // The client was answered already, or is gone.
      () => undefined,
    );
  }

  /** @param body borrowed */
  #deliver(request: ServerRequest, response: ServerResponse, body: Buffer): void {
    if (!this.#tcp.isReceiving) return;
    if (this.#tcp.onMessage === null) {
      response.status(404).end('Not Found\n');
      return;
    }
    const own = body.length === 0 ? body : Buffer.from(body);
    this.#tcp.handOver(new Request(request, this.#tcp, own));
  }
}

function bodyOf(data: unknown): string | Uint8Array {
  return data instanceof Uint8Array ? data : String(data);
}

/** The codec's connection, whose drains are the program's, too. */
class DrainedHttp extends HttpConnection {
  readonly #tcp: TcpConnection;

  constructor(connection: Connection, application: HttpApplication, tcp: TcpConnection) {
    super(connection, application);
    this.#tcp = tcp;
  }

  override onDrain(): void {
    super.onDrain();
    this.#tcp.drained();
  }
}
