// The public surface of the library (contract.md section 5): the server and its options. What handlers
// get is in http-types.ts and websocket-types.ts.

import type { TlsOptions } from '../net/tls-options.ts';
import type { ListenOptions } from '../net/types.ts';
import type { AdmissionOptions } from './admission/admission-types.ts';
import type { ForwardedHeader } from './admission/forwarded.ts';
import type { RouteHandler, StaticFilesOptions } from './http/http-types.ts';
import type { ServerMetrics, ServerStats } from './stats-types.ts';
import type {
  PublishOptions,
  PublishResult,
  ServerSocket,
  WebSocketRoute,
} from './websocket/websocket-types.ts';

export type { ClientCertificateInfo, TlsInfo } from '../net/tls-info.ts';
export type { PemSource, TlsIdentity, TlsOptions, TlsVersion } from '../net/tls-options.ts';
export type { ListenOptions, TlsCounts } from '../net/types.ts';
export type { AdmissionOptions, AdmissionStats } from './admission/admission-types.ts';
export type * from './http/http-types.ts';
export type * from './stats-types.ts';
export type * from './websocket/websocket-types.ts';

/** One of the places where a server listens. */
export interface ServerListener {
  /** Numeric; empty for a Unix socket. */
  readonly host: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Of a Unix socket, else undefined. */
  readonly path: string | undefined;
  /** https and wss. */
  readonly isSecure: boolean;
  /**
   * Replaces certificates and everything else about TLS for handshakes to come; nothing is closed,
   * and tickets stay good unless the rules for client certificates change.
   * @throws SluiceError ERR_TLS_…, ERR_ARG_RANGE (nothing has changed then), ERR_STATE without `tls`
   */
  setTls(options: TlsOptions): void;
  /** Stops accepting here; what was accepted lives on. */
  close(): void;
}

/** A place to listen at, and how connections begin there. */
export interface ServerListenOptions extends ListenOptions {
  /**
   * 'required': every connection begins with a PROXY header, version 1 or 2, before TLS and HTTP, and
   * comes from one of trustedProxies; others are reset. Default 'off'. There is no guessing, since then
   * a client could write the header itself.
   */
  readonly proxyProtocol?: 'off' | 'required';
}

/** Where listen() without options listens, and the bounds of everything. */
export interface ServerOptions extends ServerListenOptions {
  readonly headBytesMax?: number;
  readonly headerCountMax?: number;
  readonly headTimeoutMs?: number;
  readonly bodyTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  readonly bodyBytesMax?: number;
  readonly messageBytesMax?: number;
  readonly queueBytes?: number;
  /**
   * What all sockets together may owe. From half of it on, those that owe more than their fair share
   * are treated as full. 0, the default: no bound but queueBytes.
   */
  readonly queueBytesTotal?: number;
  readonly closeTimeoutMs?: number;
  /** Addresses or CIDR blocks of proxies: what they say about their clients is believed. */
  readonly trustedProxies?: readonly string[];
  /** The one field in which they say it. Default 'x-forwarded-for'; the other is never looked at. */
  readonly forwardedHeader?: ForwardedHeader;
  /** Whom the server takes in. */
  readonly admission?: AdmissionOptions;
  /** Measurements beside the handlers. */
  readonly metrics?: ServerMetrics;
  /** stats() says how late the event loop is, at the cost of a timer every 10 ms. Default false. */
  readonly measureLoopDelay?: boolean;
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
  /**
   * Serves the files below a folder to GET and HEAD: conditional requests, ranges, stored codings.
   * @param path ends in '*', e.g. '/assets/*'; what it matches is the file's name below `directory`
   * @throws SluiceError ERR_ARG_RANGE for another path or an option out of range, ERR_SYSTEM when the
   *   folder is not there
   */
  files(path: string, directory: string, options?: StaticFilesOptions): this;
  websocket<Data>(path: string, route: WebSocketRoute<Data>): this;
  /** @throws ERR_ARG_TYPE for what is neither text nor bytes, ERR_ARG_RANGE above 64 MiB */
  publish(
    topic: string,
    data: string | ArrayBufferView | ArrayBuffer,
    options?: PublishOptions,
  ): PublishResult;
  /**
   * Several text messages in one write, in order: a subscriber gets all of them, or is skipped and
   * its route's `dropped` is called once. @throws ERR_ARG_TYPE for what is no string
   */
  publishAll(topic: string, texts: readonly string[]): PublishResult;
  subscriberCount(topic: string): number;
  /** Replaces the options of `admission` as a whole; who is connected stays. */
  setAdmission(options: AdmissionOptions): void;
  /**
   * Listens where `options` say, else where createServer's do; several times, at several places.
   * @throws SluiceError (rejects) ERR_STATE for a second call without options and after close();
   * ERR_ARG_RANGE, ERR_DESCRIPTOR, ERR_SYSTEM as the place is refused
   */
  listen(options?: ServerListenOptions): Promise<ServerListener>;
  /**
   * setTls() of every listener that has TLS.
   * @throws SluiceError as there; ERR_STATE when none has
   */
  setTls(options: TlsOptions): void;
  readonly port: number;
  readonly connectionCount: number;
  stats(): ServerStats;
  /** The WebSockets that are open or closing; safe to iterate while handlers close some. */
  readonly sockets: Iterable<ServerSocket>;
  /**
   * Stops accepting, finishes requests, closes WebSockets with `code` (1001), and resolves when
   * the last one is gone or the deadline passed. With `windowMs` (0..3,600,000; default 0) whoever is connected
   * is served on for so long first: sockets are closed one after the other, spread evenly in random
   * order, and HTTP connections end with their next answer. `deadlineMs` (10,000) counts from the window's end;
   * `Infinity` waits for the last one.
   */
  close(options?: {
    readonly code?: number;
    readonly reason?: string;
    readonly windowMs?: number;
    readonly deadlineMs?: number;
  }): Promise<void>;
}
