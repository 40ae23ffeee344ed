// The public surface of the library (contract.md section 5): what handlers receive and may do.

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

export type SendOutcome = 'sent' | 'queued' | 'dropped';

export interface SendOptions {
  /** Default: text for strings, binary for bytes. */
  readonly binary?: boolean;
  /** Reserved for permessage-deflate. */
  readonly compress?: boolean;
}

export interface ServerSocket<Data = unknown> {
  /** What the upgrade hook returned as `data`. */
  readonly data: Data;
  readonly request: ServerRequest;
  readonly protocol: string;
  readonly isOpen: boolean;
  readonly pendingBytes: number;
  /**
   * 'sent': accepted, below the high mark; 'queued': accepted, above it; 'dropped': over
   * queueBytes or closed. Never throws.
   */
  send(data: string | Uint8Array, options?: SendOptions): SendOutcome;
  ping(payload?: Uint8Array): SendOutcome;
  /**
   * Starts the closing handshake (RFC 6455 7.1.2). @throws ERR_ARG_RANGE for a code or reason
   * that may not be sent
   */
  close(code?: number, reason?: string): void;
  /** Drops the connection without a handshake. */
  terminate(): void;
  pause(): void;
  resume(): void;
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
}

export type UpgradeDecision<Data> =
  | {
      readonly data?: Data;
      readonly protocol?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly reject: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

export interface WebSocketRoute<Data = unknown> {
  /**
   * May be async; without it every well-formed handshake is accepted. Offered subprotocols: parse
   * `sec-websocket-protocol`.
   */
  upgrade?(
    request: ServerRequest,
  ): UpgradeDecision<Data> | Promise<UpgradeDecision<Data>> | undefined;
  open?(socket: ServerSocket<Data>): unknown;
  message?(socket: ServerSocket<Data>, data: string | Buffer, isBinary: boolean): unknown;
  /** Pending bytes fell below the low mark. */
  drain?(socket: ServerSocket<Data>): unknown;
  /** A publish skipped this socket because its queue is over queueBytes. */
  dropped?(socket: ServerSocket<Data>, topic: string): unknown;
  ping?(socket: ServerSocket<Data>, payload: Buffer): unknown;
  pong?(socket: ServerSocket<Data>, payload: Buffer): unknown;
  close?(socket: ServerSocket<Data>, code: number, reason: string): unknown;
  readonly messageBytesMax?: number;
  readonly queueBytes?: number;
  /**
   * Seconds of silence after which the server pings, and closes when the pong does not come. 0
   * off.
   */
  readonly idleTimeoutMs?: number;
}

export interface PublishResult {
  readonly subscribers: number;
  readonly dropped: number;
}

export interface ServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly backlog?: number;
  readonly headBytesMax?: number;
  readonly headerCountMax?: number;
  readonly headTimeoutMs?: number;
  readonly bodyTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  readonly bodyBytesMax?: number;
  readonly messageBytesMax?: number;
  readonly queueBytes?: number;
  readonly closeTimeoutMs?: number;
  /** CIDR blocks whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /**
   * A handler threw or rejected. Default: the error is raised as an uncaught exception after the
   * flush.
   */
  readonly onError?: (error: unknown) => void;
}

export interface Server {
  get(path: string, handler: RouteHandler): this;
  post(path: string, handler: RouteHandler): this;
  put(path: string, handler: RouteHandler): this;
  patch(path: string, handler: RouteHandler): this;
  delete(path: string, handler: RouteHandler): this;
  /**
   * A path may end in '*' and may hold ':name' segments; several routes may share a method's path
   * only once.
   */
  route(method: string, path: string, handler: RouteHandler): this;
  websocket<Data>(path: string, route: WebSocketRoute<Data>): this;
  publish(topic: string, data: string | Uint8Array, options?: SendOptions): PublishResult;
  /**
   * Several text messages in one write, in order: a subscriber gets all of them, or is skipped and
   * its route's `dropped` is called once.
   */
  publishAll(topic: string, texts: readonly string[]): PublishResult;
  subscriberCount(topic: string): number;
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  readonly port: number;
  readonly connectionCount: number;
  /**
   * Stops accepting, finishes requests, closes WebSockets with `code` (1001), and resolves when
   * the last one is gone or the deadline passed.
   */
  close(options?: {
    readonly code?: number;
    readonly reason?: string;
    readonly deadlineMs?: number;
  }): Promise<void>;
}
