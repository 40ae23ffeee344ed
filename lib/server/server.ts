// createServer: HTTP and WebSocket routes on one port of one loop. Every connection begins as HTTP; an
// upgrade hands it to a WebSocketConnection. Owns the listener, the lists of both kinds, and the end.

import { type BytesSource, textOrBytes } from '../base/bytes.ts';
import { systemClock, TIMER_MS_MAX } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { PathTable } from '../http/path-table.ts';
import { nativeFrames } from '../native/bytes.ts';
import { HIGH_WATER_BYTES } from '../native/layout.ts';
import { createLoop } from '../net/event-loop.ts';
import type { TlsOptions } from '../net/tls-options.ts';
import type { Connection, ConnectionOwner, Listener, Loop } from '../net/types.ts';
import { sendable } from '../websocket/frame-encoder.ts';
import { CLOSE_CODE, CLOSE_REASON_BYTES_MAX, isSendableCloseCode } from '../websocket/protocol.ts';
import type { NativeFrames } from '../websocket/unmask.ts';
import { Admission } from './admission/admission.ts';
import type { AdmissionOptions } from './admission/admission-types.ts';
import { forwardedGateOf } from './admission/forwarded-gate.ts';
import { TrustedProxies } from './admission/http-client-address.ts';
import { DrainWindow } from './drain-window.ts';
import type { ForwardedGate, HttpApplication, HttpLimits } from './http/http-application.ts';
import { HttpConnection } from './http/http-connection.ts';
import { HttpCounters } from './http/http-counters.ts';
import type { UpgradeExchange } from './http/http-upgrade.ts';
import { HttpRequest } from './http/request.ts';
import { Router } from './http/router.ts';
import {
  checkRouteOptions,
  checkServerOptions,
  httpLimitsOf,
  listenOptionsOf,
  proxiesOf,
} from './server-options.ts';
import { LoopDelay, statsOf } from './server-stats.ts';
import { StaticFiles } from './static/static-files.ts';
import type {
  PublishOptions,
  PublishResult,
  RouteHandler,
  Server,
  ServerListener,
  ServerListenOptions,
  ServerMetrics,
  ServerOptions,
  ServerSocket,
  ServerStats,
  StaticFilesOptions,
  WebSocketRoute,
} from './types.ts';
import { Socket } from './websocket/socket.ts';
import { raiseUncaught, WebSocketContext } from './websocket/websocket-context.ts';
import { WEBSOCKET_LIMITS } from './websocket/websocket-limits.ts';
import {
  type ResolvedRoute,
  resolveRoute,
  upgradeToWebSocket,
} from './websocket/websocket-route.ts';

/** What a server stands on. */
export interface ServerGround {
  readonly loop: Loop;
  /** Pending bytes from which on the loop will report a drain. Default: the native engine's. */
  readonly highWaterBytes?: number;
  readonly nativeFrames?: NativeFrames;
  /** Shared by servers that count together; without it the server has its own, of its options. */
  readonly admission?: Admission;
  /** Called when the server has closed: who made the loop closes it. */
  readonly release?: () => Promise<void>;
}

/**
 * A server on a loop of its own, which close() closes.
 * @throws SluiceError ERR_ARG_RANGE for options out of range, ERR_NATIVE_MISSING without the addon
 */
export function createServer(options: ServerOptions = {}): Server {
  checkServerOptions(options);
  const loop = createLoop();
  return new LoopServer({ loop, nativeFrames, release: () => loop.close() }, options);
}

/**
 * A server on a loop that lives on after it: for programs that also commit or write in its ticks.
 */
export function createServerOn(
  loop: Loop,
  options: ServerOptions = {},
  admission = new Admission(options.admission),
): Server {
  return new LoopServer({ loop, nativeFrames, admission }, options);
}

/** A timer's bound, with room. */
const WINDOW_MS_MAX = 3_600_000;

export type CloseOptions = NonNullable<Parameters<Server['close']>[0]>;

export class LoopServer implements Server, HttpApplication {
  readonly router = new Router();
  readonly limits: HttpLimits;
  readonly clock = systemClock;
  readonly trustedProxies: TrustedProxies;
  readonly admission: Admission;
  forwardedGate: ForwardedGate | undefined;
  readonly counters = new HttpCounters();
  readonly metrics: ServerMetrics | undefined;
  readonly #ground: ServerGround;
  readonly #options: ServerOptions;
  readonly #sockets: WebSocketContext;
  readonly #socketRoutes = new PathTable<ResolvedRoute>();
  readonly #socketPaths: string[] = [];
  readonly #http = new Map<Connection, HttpConnection>();
  readonly #listeners = new Set<Listener>();
  /** listen() without options was called. */
  #listensAsMade = false;
  readonly #startedAt = Date.now();
  readonly #loopDelay: LoopDelay | undefined;
  #accepted = 0;
  #closing: Promise<void> | undefined;
  #window: DrainWindow | undefined;
  #drained: (() => void) | undefined;

  /** @throws SluiceError ERR_ARG_RANGE for options out of range */
  constructor(ground: ServerGround, options: ServerOptions) {
    checkServerOptions(options);
    this.#ground = ground;
    this.#options = options;
    this.limits = httpLimitsOf(options);
    this.metrics = options.metrics;
    this.#loopDelay = options.measureLoopDelay === true ? new LoopDelay() : undefined;
    this.trustedProxies = new TrustedProxies(options.trustedProxies ?? [], options.forwardedHeader);
    proxiesOf(options, this.trustedProxies);
    this.admission = ground.admission ?? new Admission(options.admission);
    this.forwardedGate = forwardedGateOf(this.admission, this.trustedProxies);
    this.#sockets = new WebSocketContext({
      loop: ground.loop,
      nativeFrames: ground.nativeFrames,
      admission: this.admission,
      trustedProxies: this.trustedProxies,
      queueBytesTotal: options.queueBytesTotal,
      onError: options.onError ?? raiseUncaught,
      onGone: () => this.#noteGone(),
    });
  }

  // ---- routes ------------------------------------------------------------

  get(path: string, handler: RouteHandler): this {
    return this.route('GET', path, handler);
  }

  post(path: string, handler: RouteHandler): this {
    return this.route('POST', path, handler);
  }

  put(path: string, handler: RouteHandler): this {
    return this.route('PUT', path, handler);
  }

  patch(path: string, handler: RouteHandler): this {
    return this.route('PATCH', path, handler);
  }

  delete(path: string, handler: RouteHandler): this {
    return this.route('DELETE', path, handler);
  }

  route(method: string, path: string, handler: RouteHandler): this {
    this.router.add(method, path, handler);
    return this;
  }

  files(path: string, directory: string, options: StaticFilesOptions = {}): this {
    if (!path.endsWith('/*')) {
      throw new SluiceError('ERR_ARG_RANGE', 'The path of a folder ends in a star.');
    }
    const files = new StaticFiles(directory, options, this.clock);
    return this.get(path, (request, response) => files.handle(request, response));
  }

  websocket<Data>(path: string, route: WebSocketRoute<Data>): this {
    checkRouteOptions(route);
    const resolved = resolveRoute(route, {
      options: this.#options,
      budget: this.#sockets.budget,
      report: (error) => this.#sockets.report(error),
      highWaterBytes: this.#ground.highWaterBytes ?? HIGH_WATER_BYTES,
    });
    if (resolved.deflate !== undefined) this.#sockets.needDeflate();
    this.#socketRoutes.add(path, resolved);
    this.#socketPaths.push(path);
    return this;
  }

  // ---- topics ------------------------------------------------------------

  publish(topic: string, data: string | BytesSource, options?: PublishOptions): PublishResult {
    const message = sendable(textOrBytes(data, 'A message'));
    return this.#sockets.topics.publish(topic, message, options, Socket.linkOf(options?.except));
  }

  publishAll(topic: string, texts: readonly string[]): PublishResult {
    if (!texts.every((text) => typeof text === 'string')) {
      throw new SluiceError('ERR_ARG_TYPE', 'publishAll takes strings.');
    }
    return this.#sockets.topics.publishAll(topic, texts);
  }

  // ---- looking in --------------------------------------------------------

  stats(): ServerStats {
    return statsOf({
      loop: this.#ground.loop,
      sockets: this.#sockets,
      http: this.counters,
      connections: { open: this.connectionCount, accepted: this.#accepted },
      startedAt: this.#startedAt,
      loopDelay: this.#loopDelay,
    });
  }

  get sockets(): Iterable<ServerSocket> {
    return this.#sockets.openSockets();
  }

  subscriberCount(topic: string): number {
    return this.#sockets.topics.subscriberCount(topic);
  }

  // ---- admission ---------------------------------------------------------

  setAdmission(options: AdmissionOptions): void {
    this.admission.replace(options);
    this.forwardedGate = forwardedGateOf(this.admission, this.trustedProxies);
    for (const listener of this.#listeners) this.#guard(listener);
  }

  #guard(listener: Listener): void {
    listener.guard(this.admission.gate(this.trustedProxies));
  }

  // ---- life --------------------------------------------------------------

  async listen(options?: ServerListenOptions): Promise<ServerListener> {
    if (this.#closing !== undefined || (options === undefined && this.#listensAsMade)) {
      throw new SluiceError('ERR_STATE', 'A closed server does not listen, nor one twice alike.');
    }
    this.#explainSocketPaths();
    const chosen = options ?? this.#options;
    const proxies = proxiesOf(chosen, this.trustedProxies);
    const listener = this.#ground.loop.listen(
      { ...listenOptionsOf(chosen), ...(proxies === undefined ? {} : { proxies }) },
      (connection) => this.#accept(connection),
    );
    if (options === undefined) this.#listensAsMade = true;
    this.#guard(listener);
    this.#listeners.add(listener);
    const { host, port, path, isSecure } = listener;
    const close = (): void => {
      listener.close();
      this.#listeners.delete(listener);
    };
    const setTls = (tls: TlsOptions): void => listener.setTls(tls);
    return { host, port, path, isSecure, setTls, close };
  }

  setTls(options: TlsOptions): void {
    const secure = [...this.#listeners].filter((listener) => listener.isSecure);
    if (secure.length === 0) throw new SluiceError('ERR_STATE', 'No listener has tls.');
    for (const listener of secure) listener.setTls(options);
  }

  /** The first port that it listens on; 0 before listen(), and with Unix sockets alone. */
  get port(): number {
    for (const listener of this.#listeners) if (listener.port > 0) return listener.port;
    return 0;
  }

  get connectionCount(): number {
    return this.#http.size + this.#sockets.connections.size;
  }

  async close(options: CloseOptions = {}): Promise<void> {
    const { code = CLOSE_CODE.goingAway, reason = '', windowMs = 0 } = options;
    const { deadlineMs = WEBSOCKET_LIMITS.drainTimeoutMs } = options;
    if (!isSendableCloseCode(code) || Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `close code ${code} with its reason cannot be sent`);
    }
    if (!(windowMs >= 0 && windowMs <= WINDOW_MS_MAX)) {
      throw new SluiceError('ERR_ARG_RANGE', `windowMs must be from 0 to ${WINDOW_MS_MAX}.`);
    }
    if (!(deadlineMs >= 0)) throw new SluiceError('ERR_ARG_RANGE', 'deadlineMs is not below 0.');
    this.#closing ??= this.#drain({ code, reason, windowMs }, deadlineMs);
    return this.#closing;
  }

  // ---- HttpApplication ---------------------------------------------------

  onError(error: unknown): void {
    this.#sockets.report(error);
  }

  upgrade(exchange: UpgradeExchange): boolean {
    const { request } = exchange;
    const found = this.#socketRoutes.find(request.path);
    if (found === undefined) return false;
    if (found === 'malformed') {
      exchange.refuse(400, {}, 'The path is not valid.\n');
      return true;
    }
    if (request instanceof HttpRequest) request.params = found.params;
    upgradeToWebSocket(exchange, found.entry, this.#sockets);
    return true;
  }

  connectionEnded(connection: Connection): void {
    this.#http.delete(connection);
    this.#noteGone();
  }

  // ------------------------------------------------------------------------

  #accept(connection: Connection): ConnectionOwner {
    const refused = this.admission.accept(connection, this.trustedProxies, this.connectionCount);
    if (refused !== undefined) return refused;
    this.#accepted++;
    const http = new HttpConnection(connection, this);
    this.#http.set(connection, http);
    if (this.#closing !== undefined) http.drainAndClose();
    return http;
  }

  /** Plain requests to a WebSocket's path are told so, unless the path has a GET of its own. */
  #explainSocketPaths(): void {
    for (const path of this.#socketPaths.splice(0)) {
      if (this.router.match('GET', path).kind === 'handler') continue;
      this.router.add('GET', path, (_request, response) => {
        response.status(426).header('Upgrade', 'websocket').header('Sec-WebSocket-Version', '13');
        response.end('This is a WebSocket.\n');
      });
    }
  }

  async #drain(
    how: { readonly code: number; readonly reason: string; readonly windowMs: number },
    deadlineMs: number,
  ): Promise<void> {
    const { code, reason, windowMs } = how;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
    if (windowMs > 0 && this.connectionCount > 0) {
      for (const http of this.#http.values()) http.endWithNextAnswer();
      this.#window = new DrainWindow(this.#sockets.connections, how);
      await this.#window.over;
    }
    this.#sockets.isClosing = true;
    const isEmpty = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    for (const http of [...this.#http.values()]) http.drainAndClose();
    for (const socket of [...this.#sockets.connections]) socket.session.close(code, reason);
    this.#noteGone();
    // A longer time would be over at once for setTimeout.
    const deadline = setTimeout(() => this.#dropAll(), Math.min(deadlineMs, TIMER_MS_MAX));
    await isEmpty;
    clearTimeout(deadline);
    this.#loopDelay?.stop();
    await this.#ground.release?.();
    this.#sockets.deflate?.close();
  }

  /** The time for leaving in order is over. */
  #dropAll(): void {
    for (const connection of [...this.#http.keys()]) connection.reset();
    for (const socket of [...this.#sockets.connections]) socket.session.terminate();
    this.#drained?.();
  }

  #noteGone(): void {
    if (this.connectionCount > 0) return;
    this.#window?.end();
    this.#drained?.();
  }
}
