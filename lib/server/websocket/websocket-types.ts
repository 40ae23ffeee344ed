// What WebSocket handlers receive and may do (contract.md section 5): the socket, the route, topics.

import type { DeflateOptions } from '../../websocket/deflate-options.ts';
import type { ServerRequest } from '../http/http-types.ts';
import type {
  CloseInfo,
  OutgoingStream,
  SendOutcome,
  SlowPolicy,
  SocketInfo,
} from './flow-types.ts';

export type { DeflateOptions } from '../../websocket/deflate-options.ts';
export type {
  CloseInfo,
  OutgoingStream,
  SendOutcome,
  SlowPolicy,
  SocketInfo,
} from './flow-types.ts';

export interface SendOptions {
  /** Default: text for strings, binary for bytes. */
  readonly binary?: boolean;
  /**
   * Whether it is compressed, for sockets that have agreed on permessage-deflate. Default: from the
   * route's threshold on.
   */
  readonly compress?: boolean;
  /**
   * On a route with `slow: 'latest'`: while the peer is slow, only the newest message of each key
   * waits. Up to 1024 UTF-16 units.
   */
  readonly key?: string;
}

export interface PublishOptions extends SendOptions {
  /** This socket gets nothing, for example because the message is its own. */
  readonly except?: ServerSocket;
}

export interface ServerSocket<Data = unknown> {
  /** What the upgrade hook returned as `data`. */
  readonly data: Data;
  /**
   * The request of the handshake, made when it is first asked for of what is kept: not the object that
   * the upgrade hook got. What is needed for every message belongs into `data`.
   */
  readonly request: ServerRequest;
  readonly protocol: string;
  /** What was agreed on, as in Sec-WebSocket-Extensions; '' without permessage-deflate. */
  readonly extensions: string;
  readonly isOpen: boolean;
  readonly pendingBytes: number;
  /**
   * 'sent': accepted, below the high mark; 'queued': accepted, above it; 'dropped': over
   * queueBytes or closed. @throws ERR_ARG_TYPE for what is neither text nor bytes, ERR_ARG_RANGE above
   * 64 MiB, and never else
   */
  send(data: string | ArrayBufferView | ArrayBuffer, options?: SendOptions): SendOutcome;
  /** @throws ERR_ARG_RANGE above 125 bytes, ERR_ARG_TYPE for what is neither text nor bytes */
  ping(payload?: string | ArrayBufferView | ArrayBuffer): SendOutcome;
  /**
   * Starts the closing handshake (RFC 6455 7.1.2). @throws ERR_ARG_RANGE for a code or reason
   * that may not be sent, ERR_ARG_TYPE for a reason that is no string; nothing has happened then
   */
  close(code?: number, reason?: string): void;
  /** Drops the connection without a handshake. */
  terminate(): void;
  /**
   * Resolves with true once pending bytes are below the low mark, at once if they are, and with
   * false when the socket is not open any more.
   */
  drained(): Promise<boolean>;
  /**
   * Begins a message that is sent piece by piece. Until its end other messages wait behind it, up to
   * queueBytes; pings and pongs pass. @throws ERR_STATE while another one is open
   */
  stream(options?: { readonly binary?: boolean }): OutgoingStream;
  /** No message comes until resume(); the kernel then holds the peer back. */
  pause(): void;
  resume(): void;
  readonly isPaused: boolean;
  /** @returns false when it is subscribed already, not open, or a bound is reached */
  subscribe(topic: string): boolean;
  unsubscribe(topic: string): boolean;
  isSubscribed(topic: string): boolean;
  /** Names of its topics, a copy. */
  readonly topics: readonly string[];
  info(): SocketInfo;
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
  /**
   * In place of `message`: a message is handed over at its first piece. Iterate, or return a promise:
   * the next message waits for it, and what it leaves unread is discarded. Chunks of text are whole
   * characters. The iterator throws ERR_CLOSED when the connection ends inside the message.
   */
  stream?(
    socket: ServerSocket<Data>,
    chunks: AsyncIterable<string | Buffer>,
    isBinary: boolean,
  ): unknown;
  /** Pending bytes fell below the low mark. */
  drain?(socket: ServerSocket<Data>): unknown;
  /** A publish skipped this socket because its queue is over queueBytes. */
  dropped?(socket: ServerSocket<Data>, topic: string): unknown;
  ping?(socket: ServerSocket<Data>, payload: Buffer): unknown;
  pong?(socket: ServerSocket<Data>, payload: Buffer): unknown;
  close?(socket: ServerSocket<Data>, code: number, reason: string, info: CloseInfo): unknown;
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
  /** Of a message; with `stream`, 0 is no bound. */
  readonly messageBytesMax?: number;
  readonly queueBytes?: number;
  /** Pending bytes from which on send() says 'queued'. Default 64 KiB, at most queueBytes. */
  readonly highWaterBytes?: number;
  /** Pending bytes below which `drain` comes. Default: a quarter of the high mark. */
  readonly lowWaterBytes?: number;
  /** permessage-deflate (RFC 7692) for clients that offer it; true takes the defaults. Default off. */
  readonly deflate?: boolean | DeflateOptions;
  /** Default 'drop'. */
  readonly slow?: SlowPolicy;
  /** The next message of a socket waits until the promise of `message` has settled. */
  readonly serial?: boolean;
  /**
   * Milliseconds of silence after which the server pings, and closes when the pong does not come. 0
   * off.
   */
  readonly idleTimeoutMs?: number;
}

export interface PublishResult {
  readonly subscribers: number;
  readonly dropped: number;
}
