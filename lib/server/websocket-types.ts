// What WebSocket handlers receive and may do (contract.md section 5): the socket, the route, topics.

import type { ServerRequest } from './http-types.ts';

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
  /**
   * Web pages that may open a socket, as browsers send them in Origin ('https://desk.example'); others
   * get 403. Default 'any'. Who sends no Origin is no browser, and admitted.
   */
  readonly origins?: readonly string[] | 'any';
  /** Refuse those without an Origin, too. */
  readonly originRequired?: boolean;
  /** Sockets and pending handshakes of this route, above which 503 is answered. 0 (default) is off. */
  readonly connectionsMax?: number;
  /** The same for one address, 429; exempt are those that `admission` exempts. */
  readonly connectionsPerIp?: number;
  /** The same for one token, 429. */
  readonly connectionsPerToken?: number;
  /**
   * What stands for the client in connectionsPerToken, at most 8192 characters; undefined is not
   * counted. Kept as a keyed hash only.
   */
  token?(request: ServerRequest): string | undefined;
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
