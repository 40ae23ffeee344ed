// What HTTP handlers receive and may do (contract.md section 5): the request, the response.

/** A parsed request head plus access to its body. */
export interface ServerRequest {
  readonly method: string;
  /** The request target as it came, e.g. '/chat?room=1'. */
  readonly url: string;
  /** Target without the query; percent-encoding is kept. */
  readonly path: string;
  /** Parameters of the route (':name'), percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Lower-case names; repeated fields are joined by ', ' (Cookie by '; '). */
  readonly headers: Readonly<Record<string, string>>;
  /** One field's value as in `headers`, without making the record of all. @param name in lower case */
  header(name: string): string | undefined;
  /** The client's address; behind a trusted proxy the forwarded one. */
  readonly ip: string;
  /**
   * The whole body. Rejects when it breaks HTTP's rules or the limit, or the client goes away.
   * Memory is the caller's.
   */
  bytes(): Promise<Buffer>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  [Symbol.asyncIterator](): AsyncIterator<Buffer>;
  /**
   * The hot path without a promise: `whole` is called once with the complete body, at once when it is
   * already in the receive slab (borrowed: valid during the call), else when it is complete.
   */
  onBody(whole: (body: Buffer) => void, failed: (error: Error) => void): void;
  /** Overrides the server's body limit for this request; must be called before the body is read. */
  limitBody(bytesMax: number): void;
}

export interface ServerResponse {
  readonly headSent: boolean;
  readonly finished: boolean;
  status(code: number): this;
  header(name: string, value: string): this;
  /** Streams a chunk (chunked coding, or until close for HTTP/1.0). */
  write(chunk: string | Uint8Array): this;
  /** Completes the response; with a body, Content-Length is set. */
  end(body?: string | Uint8Array): this;
  /**
   * Calls back once when the response is finished or the client is gone. @param sent whether it
   * was handed over completely
   */
  onFinish(callback: (sent: boolean) => void): this;
}

export type RouteHandler = (request: ServerRequest, response: ServerResponse) => unknown;
