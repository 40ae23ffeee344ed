// One place where a server listens, with its settings and callbacks: HTTP and WebSocket on the engine's server
// connections, or bytes without a protocol. Whoever connects gets a number before anything is called.

import { systemClock } from '../../base/clock.ts';
import { SluiceError } from '../../base/errors.ts';
import { HIGH_WATER_BYTES } from '../../native/layout.ts';
import { probeAddress } from '../../net/port-probe.ts';
import type {
  Connection,
  ConnectionOwner,
  Listener,
  ListenOptions,
  Loop,
} from '../../net/types.ts';
import type { SupervisedAddress } from '../../process/types.ts';
import {
  HTTP_LIMITS,
  type HttpApplication,
  type HttpLimits,
} from '../../server/http/http-application.ts';
import { HttpConnection } from '../../server/http/http-connection.ts';
import type { HttpCounters } from '../../server/http/http-counters.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';
import { HttpRequest } from '../../server/http/request.ts';
import { Router } from '../../server/http/router.ts';
import { StaticFiles } from '../../server/static/static-files.ts';
import type { ServerRequest, ServerResponse } from '../../server/types.ts';
import type { WebSocketContext } from '../../server/websocket/websocket-context.ts';
import {
  lowMarkOf,
  type ResolvedRoute,
  resolveRoute,
} from '../../server/websocket/websocket-route.ts';
import type { Client, ClientTable } from './clients.ts';
import {
  SWOOLE_SOCK_UNIX_STREAM,
  SWOOLE_SSL,
  WEBSOCKET_STATUS_HANDSHAKE,
  WEBSOCKET_STATUS_HANDSHAKE_FAILED,
} from './constants.ts';
import { Callbacks, type CloseDetails, guarded, type ServerEvents } from './events.ts';
import { Handshakes } from './handshake.ts';
import { RawConnection, type RawHost, SILENT } from './raw-connection.ts';
import { Request } from './request.ts';
import { endClient, responseOf } from './sending.ts';
import type { Server } from './server.ts';
import { checkSettings, checkType, DEFAULTS, type Settings, tlsOf } from './settings.ts';
import { socketHandlers } from './socket-handlers.ts';

/** What all ports of a server share. */
export interface PortHost {
  readonly facade: Server;
  readonly clients: ClientTable;
  readonly http: HttpCounters;
  readonly isClosing: boolean;
  readonly counts: { accepted: number; closed: number; aborted: number };
  /** Gets what callbacks throw. Never throws. */
  report(error: unknown): void;
  warn(name: string): void;
  clientGone(): void;
}

/** What runs once a server has started. */
export interface PortGround {
  readonly loop: Loop;
  readonly context: WebSocketContext;
}

const METHODS = [
  ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'COPY', 'LOCK', 'MKCOL'],
  ...['MOVE', 'PROPFIND', 'PROPPATCH', 'REPORT', 'UNLOCK', 'PURGE'],
];
const NOT_FOR_HTTP = 'This is a WebSocket.\n';

export class Port implements HttpApplication, RawHost {
  readonly host: PortHost;
  readonly type: number;
  readonly callbacks: Callbacks;
  readonly router = new Router();
  readonly clock = systemClock;
  readonly counters: HttpCounters;
  limits: HttpLimits = HTTP_LIMITS;
  queueBytes: number = DEFAULTS.queueBytes;
  highWaterBytes: number = HIGH_WATER_BYTES;
  settings: Settings = {};
  readonly #address: string;
  #port: number;
  #listener: Listener | undefined;
  #handshakes: Handshakes | undefined;

  /** @throws SluiceError ERR_UNSUPPORTED for datagrams, ERR_ARG_RANGE for a type that is none */
  constructor(host: PortHost, address: string, port: number, type: number, main?: Port) {
    this.host = host;
    this.counters = host.http;
    this.#address = address;
    this.#port = port;
    this.type = type;
    this.callbacks = new Callbacks(main?.callbacks);
    if (main !== undefined) this.settings = { ...main.settings };
    checkType(type);
  }

  get address(): string {
    return this.#listener?.host ?? this.#address;
  }

  /** What the kernel has chosen, once it listens. */
  get port(): number {
    return this.#listener?.port ?? this.#port;
  }

  get isSecure(): boolean {
    return (this.type & SWOOLE_SSL) !== 0;
  }

  /** @throws SluiceError as checkSettings(), ERR_STATE once the server has started */
  set(settings: Settings): boolean {
    if (this.#listener !== undefined) {
      throw new SluiceError('ERR_STATE', 'set() comes before start().');
    }
    for (const name of checkSettings(settings)) this.host.warn(name);
    this.settings = { ...this.settings, ...settings };
    return true;
  }

  /** Names do not distinguish cases. @throws SluiceError as Callbacks.set() */
  on<Name extends keyof ServerEvents>(name: Name, callback: ServerEvents[Name]): boolean;
  on(name: string, callback: (...args: never[]) => unknown): boolean;
  on(name: string, callback: unknown): boolean {
    this.callbacks.set(name, callback);
    return true;
  }

  /** Bytes go to `receive` as they come. */
  get isRaw(): boolean {
    const { open_http_protocol: http, open_websocket_protocol: websocket } = this.settings;
    if (http === false && websocket === false) return true;
    const { callbacks } = this;
    if (!callbacks.hasOwn('receive')) return false;
    return !callbacks.hasOwn('message') && !callbacks.hasOwn('request');
  }

  get takesWebSockets(): boolean {
    if (this.settings.open_websocket_protocol === false) return false;
    return this.callbacks.get('message') !== undefined;
  }

  /** @throws SluiceError ERR_STATE without a callback for what comes in; as tlsOf() */
  check(): void {
    const { callbacks, isRaw } = this;
    if (this.isSecure) tlsOf(this.settings);
    const names = isRaw ? (['receive'] as const) : (['message', 'request'] as const);
    if (names.some((name) => callbacks.get(name) !== undefined)) return;
    throw new SluiceError('ERR_STATE', `start() needs a callback for ${names.join(' or ')}.`);
  }

  /**
   * Finds out what the host means and whether the port is free: the engine's listeners share ports.
   * @throws SluiceError (rejects) ERR_SYSTEM
   */
  async probe(): Promise<string> {
    if (this.#isUnix) return this.#address;
    return probeAddress(this.#address, this.#port);
  }

  /** Where a supervisor opens it. @param host numeric */
  supervisedAt(host: string): SupervisedAddress {
    const { backlog } = this.settings;
    const at = this.#isUnix ? { path: this.#address } : { host, port: this.#port };
    return { ...at, ...(backlog === undefined ? {} : { backlog }) };
  }

  /** Other processes serve it there. */
  servesAt(port: number): void {
    this.#port = port;
  }

  /** Once, before it listens. @throws SluiceError of wrong settings */
  prepare({ context }: PortGround): void {
    const { settings } = this;
    const packageBytesMax = settings.package_max_length ?? DEFAULTS.packageBytesMax;
    this.queueBytes = settings.socket_buffer_size ?? DEFAULTS.queueBytes;
    this.limits = { ...HTTP_LIMITS, bodyBytesMax: packageBytesMax };
    this.#addRoutes();
    const route = this.#makeRoute(context, packageBytesMax);
    this.#handshakes = new Handshakes(this, route, context);
    this.highWaterBytes = route.highWaterBytes;
  }

  /** @param host numeric @throws SluiceError as Loop.listen(), and of wrong TLS settings */
  listen(ground: PortGround, host: string): void {
    this.prepare(ground);
    const { backlog } = this.settings;
    this.#listener = this.listenAt(ground.loop, {
      ...(this.#isUnix ? { path: this.#address } : { host, port: this.#port }),
      ...(backlog === undefined ? {} : { backlog }),
    });
  }

  listenAt(loop: Loop, at: ListenOptions): Listener {
    const { settings } = this;
    const isUnix = this.#isUnix;
    return loop.listen(
      {
        ...at,
        ...(this.isSecure ? { tls: tlsOf(settings) } : {}),
        ...(settings.tcp_user_timeout === undefined || isUnix
          ? {}
          : { userTimeoutMs: settings.tcp_user_timeout }),
        ...(settings.open_tcp_keepalive !== true || isUnix
          ? {}
          : { keepAliveSeconds: settings.tcp_keepidle ?? DEFAULTS.keepIdleSeconds }),
      },
      (connection) => this.#accept(connection),
    );
  }

  close(): void {
    this.#listener?.close();
  }

  /** Calls a callback for nobody in particular. */
  call(callback: () => unknown): void {
    guarded(callback, (error) => this.host.report(error));
  }

  // ---- what becomes of connections ---------------------------------------

  /** Its queue is over the high mark. */
  noteFull(client: Client): void {
    if (client.isFull) return;
    client.isFull = true;
    this.call(() => this.callbacks.get('bufferFull')?.(this.host.facade, client.fd));
  }

  drained(client: Client): void {
    if (!client.isFull) return;
    client.isFull = false;
    this.#callFor(client, () => this.callbacks.get('bufferEmpty')?.(this.host.facade, client.fd));
  }

  received(client: Client, data: Buffer): void {
    client.lastReceivedAt = Date.now();
    this.#callFor(client, () =>
      this.callbacks.get('receive')?.(this.host.facade, client.fd, 0, data),
    );
  }

  gone(client: Client, bytesUnsent: number): void {
    const initiator = client.isClosedByUs ? 'us' : 'peer';
    this.ended(client, { wasClean: false, initiator, bytesUnsent, code: 1006, reason: '' });
  }

  /** The last that happens to a connection; its number is known until the callback has returned. */
  ended(client: Client, details: CloseDetails): void {
    const { host, callbacks } = this;
    const disconnect = callbacks.get('disconnect');
    const isHttp = client.socket === undefined && client.raw === undefined;
    const reactorId = client.isClosedByUs || details.initiator !== 'peer' ? -1 : 0;
    if (isHttp && disconnect !== undefined) this.call(() => disconnect(host.facade, client.fd));
    else this.call(() => callbacks.get('close')?.(host.facade, client.fd, reactorId, details));
    host.clients.remove(client);
    host.counts.closed++;
    host.clientGone();
  }

  report(error: unknown): void {
    this.host.report(error);
  }

  // ---- HttpApplication ---------------------------------------------------

  onError(error: unknown): void {
    this.host.report(error);
  }

  upgrade(exchange: UpgradeExchange): boolean {
    const client = this.host.clients.of(exchange.connection);
    if (client === undefined || !this.takesWebSockets) return false;
    client.status = WEBSOCKET_STATUS_HANDSHAKE;
    this.host.clients.onChange(client.fd);
    this.#handshakes?.begin(exchange, client);
    return true;
  }

  connectionEnded(connection: Connection): void {
    const client = this.host.clients.of(connection);
    // After an upgrade it has another owner, and lives on.
    if (client === undefined || connection.owner !== client.http) return;
    if (client.status === WEBSOCKET_STATUS_HANDSHAKE) {
      client.status = WEBSOCKET_STATUS_HANDSHAKE_FAILED;
    }
    this.gone(client, connection.unsentBytes);
  }

  // ------------------------------------------------------------------------

  get #isUnix(): boolean {
    return (this.type & ~SWOOLE_SSL) === SWOOLE_SOCK_UNIX_STREAM;
  }

  #accept(connection: Connection): ConnectionOwner {
    const { host, settings } = this;
    const most = settings.max_connection ?? settings.max_conn ?? Number.POSITIVE_INFINITY;
    if (host.clients.size >= most || host.clients.isSpent) {
      host.counts.aborted++;
      connection.reset();
      return SILENT;
    }
    const client = host.clients.add(connection, this);
    host.counts.accepted++;
    const owner = this.#ownerOf(client);
    connection.owner = owner;
    this.#callFor(client, () => this.callbacks.get('connect')?.(host.facade, client.fd, 0));
    return owner;
  }

  #ownerOf(client: Client): ConnectionOwner {
    if (this.isRaw) {
      client.connection.setMarks(this.highWaterBytes, lowMarkOf(this.highWaterBytes));
      client.raw = new RawConnection(client, this);
      return client.raw;
    }
    client.http = new HttpConnection(client.connection, this);
    if (this.host.isClosing) client.http.drainAndClose();
    return client.http;
  }

  /** An error ends this connection alone. */
  #callFor(client: Client, callback: () => unknown): void {
    guarded(callback, (error) => {
      this.host.report(error);
      endClient(client, true);
    });
  }

  #addRoutes(): void {
    const serve = (request: ServerRequest, response: ServerResponse): unknown =>
      this.#serve(request, response);
    const { document_root: root, enable_static_handler: isOn } = this.settings;
    const files =
      root === undefined || isOn !== true
        ? undefined
        : new StaticFiles(
            root,
            { notFound: serve, failed: (error) => this.report(error) },
            this.clock,
          );
    for (const method of METHODS) {
      if (method !== 'GET' || files === undefined) this.router.add(method, '/*', serve);
      else this.router.add(method, '/*', (request, response) => files.handle(request, response));
    }
  }

  async #serve(source: ServerRequest, answer: ServerResponse): Promise<void> {
    const client = this.host.clients.of(HttpRequest.connectionOf(source));
    const callback = this.callbacks.get('request');
    if (client === undefined || callback === undefined) {
      answer.status(400).header('Connection', 'close').end(NOT_FOR_HTTP);
      return;
    }
    client.lastReceivedAt = Date.now();
    const body = await source.bytes();
    await callback(new Request(source, client, body), responseOf(client, answer));
  }

  #makeRoute(context: WebSocketContext, messageBytesMax: number): ResolvedRoute {
    const { settings, queueBytes } = this;
    const { buffer_high_watermark: high, buffer_low_watermark: low } = settings;
    const route = resolveRoute<Client>(
      {
        ...socketHandlers(this),
        upgrade: (request) => this.#handshakes?.decide(request),
        messageBytesMax,
        queueBytes,
        idleTimeoutMs: 0,
        deflate: settings.websocket_compression === true,
        ...(high === undefined ? {} : { highWaterBytes: high }),
        ...(low === undefined ? {} : { lowWaterBytes: low }),
      },
      {
        options: {},
        budget: context.budget,
        report: (error) => this.report(error),
        highWaterBytes: HIGH_WATER_BYTES,
      },
    );
    if (route.deflate !== undefined) context.needDeflate();
    return route;
  }
}
