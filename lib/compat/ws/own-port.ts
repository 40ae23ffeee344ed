// A port of the server's own on the engine: HTTP that knows nothing but upgrades. Requests look like
// Node's, since hooks and listeners are written for those.

import cluster from 'node:cluster';
import { IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net';
import { SocketConnection } from '../../net/connection.ts';
import type { Connection, ConnectionOwner, Listener } from '../../net/types.ts';
import { HTTP_LIMITS, type HttpApplication } from '../../server/http/http-application.ts';
import { HttpConnection } from '../../server/http/http-connection.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';
import { Router } from '../../server/http/router.ts';
import { engineGround } from './ground.ts';
import { raiseUncaught } from './raise.ts';
import type { ResolvedOptions } from './server-options.ts';
import { UpgradeSocket } from './upgrade-socket.ts';
import type { UpgradeSink, UpgradeSource } from './upgrade-source.ts';

/** How long a hook like verifyClient() may take; `ws` waits for ever. */
const DECISION_MS_MAX = 120_000;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

export class OwnPort implements UpgradeSource, HttpApplication {
  readonly router = new Router();
  readonly limits = { ...HTTP_LIMITS, handshakeTimeoutMs: DECISION_MS_MAX };
  readonly clock = Date;
  readonly #sink: UpgradeSink;
  readonly #options: ResolvedOptions;
  readonly #http = new Map<Connection, HttpConnection>();
  /** Sockets of requests, pending, refused or WebSockets, that are not gone. */
  #socketCount = 0;
  #listener: Listener | undefined;
  #isDetached = false;
  #whenEmpty: (() => void) | undefined;

  constructor(options: ResolvedOptions, sink: UpgradeSink) {
    this.#options = options;
    this.#sink = sink;
    for (const method of METHODS) {
      this.router.add(method, '/*', (_request, response) => {
        response.status(426).header('Upgrade', 'websocket').header('Connection', 'Upgrade');
        response.end('Upgrade Required');
      });
    }
    this.#probe();
  }

  // ---- UpgradeSource -----------------------------------------------------

  address(): AddressInfo | null {
    const listener = this.#listener;
    if (listener === undefined) return null;
    const { host, port } = listener;
    return { address: host, family: isIPv6(host) ? 'IPv6' : 'IPv4', port };
  }

  detach(closed?: () => void): void {
    this.#isDetached = true;
    this.#listener?.close();
    this.#whenEmpty = closed;
    for (const http of [...this.#http.values()]) http.drainAndClose();
    process.nextTick(() => this.#noteGone());
  }

  // ---- HttpApplication ---------------------------------------------------

  onError(error: unknown): void {
    raiseUncaught(error);
  }

  upgrade(exchange: UpgradeExchange): boolean {
    const { connection } = exchange;
    if (!(connection instanceof SocketConnection)) return false;
    if (exchange.hasBody) {
      exchange.refuse(400, {}, 'A handshake has no body.\n');
      return true;
    }
    const socket = new UpgradeSocket(exchange, connection);
    this.#socketCount++;
    socket.once('close', () => {
      this.#socketCount--;
      this.#noteGone();
    });
    try {
      this.#sink.onUpgrade(requestOf(exchange, socket), socket, NO_BYTES);
    } catch (error) {
      // Of a listener or a hook: nobody's, as with `ws`.
      raiseUncaught(error);
    }
    return true;
  }

  connectionEnded(connection: Connection): void {
    this.#http.delete(connection);
    this.#noteGone();
  }

  // ------------------------------------------------------------------------

  /**
   * Lets Node find out what the host means and whether the port is free: the engine's listeners share
   * ports (SO_REUSEPORT), which two programs should not do unawares. The workers of a cluster should.
   */
  #probe(): void {
    const { port, host } = this.#options;
    const probe = createServer();
    const isShared = cluster.isWorker || Number(port) === 0;
    probe.once('error', (error) => this.#sink.onError(error));
    probe.listen({ port: isShared ? 0 : Number(port), exclusive: true, ...(host ? { host } : {}) });
    probe.once('listening', () => {
      const { address } = probe.address() as AddressInfo;
      probe.close(() => this.#listen(address));
    });
  }

  #listen(host: string): void {
    if (this.#isDetached) return;
    const { port, backlog } = this.#options;
    try {
      const options = { host, port: Number(port), ...(backlog ? { backlog } : {}) };
      const { loop } = engineGround();
      this.#listener = loop.listen(options, (connection) => this.#accept(connection));
    } catch (error) {
      this.#sink.onError(error as Error);
      return;
    }
    this.#sink.onListening();
  }

  #accept(connection: Connection): ConnectionOwner {
    const http = new HttpConnection(connection, this);
    this.#http.set(connection, http);
    return http;
  }

  #noteGone(): void {
    if (this.#http.size > 0 || this.#socketCount > 0) return;
    const callback = this.#whenEmpty;
    this.#whenEmpty = undefined;
    callback?.();
  }
}

const NO_BYTES = Buffer.alloc(0);

/** The request in the form of Node's, as far as a request for an upgrade has one. */
function requestOf(exchange: UpgradeExchange, socket: UpgradeSocket): IncomingMessage {
  const { method, url, headers } = exchange.request;
  const request = new IncomingMessage(socket as unknown as Socket);
  const version = { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 };
  Object.assign(request, { method, url, ...version, complete: true });
  request.rawHeaders = [...exchange.fields];
  request.headers = { ...headers };
  return request;
}
