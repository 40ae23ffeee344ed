// The WebSocketServer of the `ws` API: takes upgrade requests from a port of its own, from a server of
// Node's, or from the program, and turns their sockets into WebSockets on the engine.

import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { DEFLATE_EXTENSION, type DeflateAgreement } from '../../websocket/deflate-negotiation.ts';
import type { ResolvedDeflate } from '../../websocket/deflate-options.ts';
import { acceptOf } from '../../websocket/handshake.ts';
import { agreeOn, compressionOf, resolveCompression } from './compression.ts';
import { engineGround } from './ground.ts';
import {
  abortHandshake,
  isFault,
  type Opening,
  type OpeningFault,
  readOpening,
} from './opening.ts';
import { OwnPort } from './own-port.ts';
import { type ResolvedOptions, resolveOptions, type ServerOptions } from './server-options.ts';
import { SocketLink } from './socket-link.ts';
import { takeOver } from './takeover.ts';
import { type UpgradeSink, type UpgradeSource, upgradesOf } from './upgrade-source.ts';
import { kAttach, type WebSocket } from './websocket.ts';

export type UpgradeCallback = (socket: WebSocket, request: IncomingMessage) => void;

export interface WebSocketServerEvents {
  connection: [socket: WebSocket, request: IncomingMessage];
  error: [error: Error];
  /** The lines of the 101 answer, to be changed or added to. */
  headers: [headers: string[], request: IncomingMessage];
  close: [];
  listening: [];
  /** A handshake is wrong; whoever listens must answer and end the socket. */
  wsClientError: [error: Error, socket: Duplex, request: IncomingMessage];
}

/** What an upgrade carries through its steps. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly callback: UpgradeCallback;
  readonly opening: Opening;
  readonly agreement: DeflateAgreement | undefined;
  readonly onSocketError: () => void;
}

type ServerState = 'running' | 'closing' | 'closed';

/** Sockets that have become a WebSocket already. */
const kTaken = Symbol('taken');

export class WebSocketServer extends EventEmitter<WebSocketServerEvents> {
  readonly options: ResolvedOptions;
  /** The open sockets; undefined when `clientTracking` is off. */
  readonly clients: Set<WebSocket>;
  readonly #deflate: ResolvedDeflate | undefined;
  #source: UpgradeSource | undefined;
  #state: ServerState = 'running';
  #closesWhenEmpty = false;

  /**
   * @param listening called once when the server's own port listens
   * @throws TypeError unless exactly one of `port`, `server` and `noServer` is given
   */
  constructor(options: ServerOptions = {}, listening?: () => void) {
    super();
    this.options = resolveOptions(options);
    this.#deflate = resolveCompression(this.options.perMessageDeflate);
    // Whether there is a codec should show now, not at the first client.
    if (this.#deflate !== undefined) void engineGround().carrier.deflate;
    // Programs are written against a type that says it is always there.
    const clients = this.options.clientTracking ? new Set<WebSocket>() : undefined;
    this.clients = clients as Set<WebSocket>;
    const sink: UpgradeSink = {
      onListening: () => this.emit('listening'),
      onError: (error) => this.emit('error', error),
      onUpgrade: (request, socket, head) =>
        this.handleUpgrade(request, socket, head, (ws) => this.emit('connection', ws, request)),
    };
    const { server } = this.options;
    if (server) this.#source = upgradesOf(server, sink);
    else if (!this.options.noServer) {
      if (listening !== undefined) this.once('listening', listening);
      this.#source = new OwnPort(this.options, sink);
    }
  }

  /**
   * Where the server listens; null once it is closed.
   * @throws Error when it was made with `noServer`
   */
  address(): AddressInfo | string | null {
    if (this.options.noServer) throw new Error('A server made with "noServer" has no address');
    return this.#source?.address() ?? null;
  }

  /**
   * Stops taking requests. Open sockets are left alone: `close` comes when the last one is gone.
   * @param callback called at `close`; with an Error if the server was closed already
   */
  close(callback?: (error?: Error) => void): void {
    if (this.#state === 'closed') {
      if (callback) this.once('close', () => callback(new Error('The server is not running')));
      process.nextTick(() => this.emit('close'));
      return;
    }
    if (callback) this.once('close', callback);
    if (this.#state === 'closing') return;
    this.#state = 'closing';
    const source = this.#source;
    this.#source = undefined;
    const isOwn = source !== undefined && !this.options.server;
    if (isOwn) source.detach(() => this.#closed());
    else {
      source?.detach();
      if (!this.clients?.size) process.nextTick(() => this.#closed());
      else this.#closesWhenEmpty = true;
    }
  }

  /** Whether this server is meant by the request. To be overridden by those who know better. */
  shouldHandle(request: IncomingMessage): boolean {
    const { path } = this.options;
    return !path || request.url?.split('?', 1)[0] === path;
  }

  /**
   * Answers an upgrade request, and makes its socket a WebSocket if all is well.
   * @param socket of the request; belongs to the server from now on
   * @param head bytes that the client has sent behind the request
   */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: UpgradeCallback,
  ): void {
    const onSocketError = (): void => {
      socket.destroy();
    };
    socket.on('error', onSocketError);
    const opening = readOpening(request);
    if (isFault(opening)) this.#refuse(opening, socket, request);
    else if (!this.shouldHandle(request)) abortHandshake(socket, 400);
    else if (opening.protocols === undefined) {
      this.#refuse({ status: 400, message: 'Sec-WebSocket-Protocol is wrong' }, socket, request);
    } else this.#agree({ request, socket, head, callback, opening, onSocketError });
  }

  #refuse(fault: OpeningFault, socket: Duplex, request: IncomingMessage): void {
    const { status, message, headers } = fault;
    if (this.listenerCount('wsClientError') > 0) {
      this.emit('wsClientError', new Error(message), socket, request);
    } else abortHandshake(socket, status, message, headers);
  }

  #agree(upgrade: Omit<Upgrade, 'agreement'>): void {
    const agreement = agreeOn(upgrade.opening.extensions, this.#deflate);
    if (agreement === 'malformed') {
      const message = 'Sec-WebSocket-Extensions is wrong';
      this.#refuse({ status: 400, message }, upgrade.socket, upgrade.request);
    } else this.#verify({ ...upgrade, agreement });
  }

  #verify(upgrade: Upgrade): void {
    const { verifyClient } = this.options;
    if (!verifyClient) {
      this.#complete(upgrade);
      return;
    }
    const { request, socket, opening } = upgrade;
    const name = opening.version === 8 ? 'sec-websocket-origin' : 'origin';
    const { authorized, encrypted } = request.socket as {
      authorized?: unknown;
      encrypted?: unknown;
    };
    const info = {
      origin: request.headers[name] as string,
      secure: Boolean(authorized || encrypted),
      req: request,
    };
    // The number of parameters says which kind of hook it is, as with `ws`.
    if (verifyClient.length === 2) {
      verifyClient(info, (isVerified, status = 401, message, headers) => {
        if (isVerified) this.#complete(upgrade);
        else abortHandshake(socket, status, message, headers);
      });
    } else if ((verifyClient as (client: typeof info) => boolean)(info)) this.#complete(upgrade);
    else abortHandshake(socket, 401);
  }

  #complete(upgrade: Upgrade): void {
    const { request, socket, head, callback, opening, agreement, onSocketError } = upgrade;
    // The client has left already.
    if (!socket.readable || !socket.writable) {
      socket.destroy();
      return;
    }
    if (kTaken in socket) {
      throw new Error('handleUpgrade() was called twice with one socket: a mistake in the setup?');
    }
    if (this.#state !== 'running') {
      abortHandshake(socket, 503);
      return;
    }
    Object.defineProperty(socket, kTaken, { value: true });
    const ws = new this.options.WebSocket(null, undefined, this.options);
    const protocol = this.#chooseProtocol(opening, request);
    const headers = headLines(opening, protocol, agreement);
    this.emit('headers', headers, request);
    socket.off('error', onSocketError);
    const taken = takeOver(socket, head);
    const compression =
      agreement === undefined || this.#deflate === undefined
        ? undefined
        : compressionOf(taken.carrier.deflate, agreement, this.#deflate, this.options.maxPayload);
    const link = new SocketLink(taken, ws, this.options, compression);
    taken.start(`${headers.join('\r\n')}\r\n\r\n`, link);
    ws[kAttach](link, socket, protocol, agreement === undefined ? '' : DEFLATE_EXTENSION);
    if (this.clients !== undefined) this.#track(ws);
    callback(ws, request);
  }

  #chooseProtocol({ protocols }: Opening, request: IncomingMessage): string {
    if (protocols === undefined || protocols.size === 0) return '';
    const { handleProtocols } = this.options;
    if (handleProtocols) return handleProtocols(protocols, request) || '';
    return protocols.values().next().value ?? '';
  }

  #track(ws: WebSocket): void {
    this.clients.add(ws);
    ws.on('close', () => {
      this.clients.delete(ws);
      if (this.#closesWhenEmpty && this.clients.size === 0) process.nextTick(() => this.#closed());
    });
  }

  #closed(): void {
    this.#state = 'closed';
    this.emit('close');
  }
}

function headLines(
  { key }: Opening,
  protocol: string,
  agreement: DeflateAgreement | undefined,
): string[] {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptOf(key)}`,
  ];
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  if (agreement !== undefined) lines.push(`Sec-WebSocket-Extensions: ${agreement.answer}`);
  return lines;
}
