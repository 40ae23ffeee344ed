// What HTTP handlers receive and may do (contract.md section 5): the request, the response.

import type { TlsInfo } from '../../net/tls-info.ts';

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
  /** The connection is encrypted; behind a proxy, the one with the proxy. */
  readonly secure: boolean;
  /**
   * What was agreed on with the client, its certificate included; undefined when not `secure`. Made
   * when it is first asked for, once per connection.
   */
  readonly tls: TlsInfo | undefined;
  /** The client's address; behind a trusted proxy the forwarded one. */
  readonly ip: string;
  /**
   * Aborted when the client goes away before its response is finished, never afterwards. A FIN counts:
   * a browser that leaves looks like that, and an answer may still be written into it. Made when it is
   * first asked for.
   */
  readonly signal: AbortSignal;
  /** True once `signal` is, or would be, aborted. */
  readonly aborted: boolean;
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

/** What a response can be streamed from: text is sent as UTF-8; a node:stream Readable is one, too. */
export type BodySource = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

export interface ServerResponse {
  readonly headSent: boolean;
  readonly finished: boolean;
  /** Bytes of this connection that the kernel has not taken yet. */
  readonly pendingBytes: number;
  status(code: number): this;
  header(name: string, value: string): this;
  /**
   * Streams a chunk (chunked coding, or until close for HTTP/1.0). It never waits: who writes much looks
   * at `pendingBytes`, or awaits `drained()`.
   * @throws SluiceError ERR_ARG_RANGE when 256 MiB would wait; the answer is then cut by a reset
   */
  write(chunk: string | Uint8Array): this;
  /**
   * Resolves when fewer than 64 KiB are pending (at once), or fewer than 16 KiB after that: true, or
   * false when the client is gone.
   */
  drained(): Promise<boolean>;
  /**
   * Streams everything from `source` and finishes: asks for the next chunk only while fewer than 64 KiB
   * are pending. The source is closed in every case (a Readable is destroyed, an iterator's `return()`
   * called), also when the client goes away while a chunk is awaited.
   * @returns true when all was handed over, false when the client went away
   * @throws what the source throws; an answer that was begun is then cut by a reset, so that no client
   *   takes a part for the whole
   */
  stream(source: BodySource): Promise<boolean>;
  /**
   * Completes the response; with a body, Content-Length is set.
   * @throws SluiceError as write() does
   */
  end(body?: string | Uint8Array): this;
  /**
   * Completes the response with `value` as JSON; the type is application/json unless one was set.
   * @throws SluiceError ERR_ARG_TYPE for what JSON has no text for (undefined, a function)
   */
  json(value: unknown): this;
  /** Completes the response with a Location. @param status 300..399, default 302 */
  redirect(location: string, status?: number): this;
  /**
   * Calls back once when the response is finished or the client is gone. @param sent whether it
   * was handed over completely
   */
  onFinish(callback: (sent: boolean) => void): this;
}

/** How the files of a folder are served; see Server.files. */
export interface StaticFilesOptions {
  /** What a folder's path answers; false: nothing. Default 'index.html'. */
  readonly index?: string | false;
  /** Names that begin with a dot are there. Default false. */
  readonly dotfiles?: boolean;
  /** 'anywhere': symbolic links may lead out of the folder. Default 'inside'. */
  readonly symlinks?: 'inside' | 'anywhere';
  /** `NAME.br` and `NAME.gz` are sent for NAME to clients that take them. Default false. */
  readonly precompressed?: boolean;
  /** The Cache-Control field. Default 'no-cache': kept by the client, asked for each time. */
  readonly cacheControl?: string;
  /** More fields for every answer with a file. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * How long a file that is in memory is believed unchanged without another look, 0..3,600,000 ms.
   * Default 1000.
   */
  readonly freshMs?: number;
  /** Answers what is not there. Default 404. */
  readonly notFound?: RouteHandler;
  /**
   * A file could not be read, or was changed while it was being sent: the client was answered 500, or
   * the connection was cut. @param name below the folder
   */
  readonly failed?: (error: Error, name: string) => void;
}

export type RouteHandler = (request: ServerRequest, response: ServerResponse) => unknown;
