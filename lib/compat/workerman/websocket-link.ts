// Carries the messages of one WebSocket, from the TCP connection through its handshake to its end. What is
// sent before the 101 is kept and follows it.

import { systemClock } from '../../base/clock.ts';
import type { Connection } from '../../net/types.ts';
import type { HttpApplication, HttpLimits } from '../../server/http/http-application.ts';
import { HttpConnection } from '../../server/http/http-connection.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';
import type { RouteResult } from '../../server/http/router.ts';
import type {
  SendOutcome,
  ServerRequest,
  ServerSocket,
  UpgradeDecision,
} from '../../server/types.ts';
import { Socket } from '../../server/websocket/socket.ts';
import { WebSocketConnection } from '../../server/websocket/websocket-connection.ts';
import { CLOSE_CODE, OPCODE } from '../../websocket/protocol.ts';
import type { Link } from './link.ts';
import { bytesOf, Websocket } from './protocols.ts';
import { Request } from './request.ts';
import type { CloseFacts, TcpConnection } from './tcp-connection.ts';
import type { WebSocketPort } from './websocket-port.ts';

const UPGRADE_REQUIRED: RouteResult = {
  kind: 'handler',
  params: Object.freeze({}),
  handler(_request, response) {
    response.status(426).header('Upgrade', 'websocket').header('Sec-WebSocket-Version', '13');
    response.end('This is a WebSocket.\n');
  },
};

/** By websocketType: how a send leaves. */
const TYPES: Readonly<Record<string, { readonly opcode?: number; readonly compress?: boolean }>> = {
  [Websocket.BINARY_TYPE_BLOB]: {},
  [Websocket.BINARY_TYPE_BLOB_DEFLATE]: { compress: true },
  [Websocket.BINARY_TYPE_ARRAYBUFFER]: { opcode: OPCODE.binary },
  [Websocket.BINARY_TYPE_ARRAYBUFFER_DEFLATE]: { opcode: OPCODE.binary, compress: true },
  '\x89': { opcode: OPCODE.ping },
  '\x8a': { opcode: OPCODE.pong },
};

export class WebSocketLink implements Link, HttpApplication {
  readonly tcp: TcpConnection;
  readonly limits: HttpLimits;
  readonly clock = systemClock;
  readonly router = { match: (): RouteResult => UPGRADE_REQUIRED };
  readonly http: HttpConnection;
  /** What a publish lets this connection owe. */
  readonly queueBytes: number;
  readonly #connection: Connection;
  readonly #port: WebSocketPort;
  /** From the 101 on. */
  #open: WebSocketConnection | undefined;
  #request: Request | undefined;
  /** Sent before the 101. */
  #early: unknown[] | undefined;
  #earlyBytes = 0;
  /** The handshake is being decided. */
  #isDeciding = false;
  /** What answers it, if not 101. */
  #refusal = 0;

  constructor(
    connection: Connection,
    tcp: TcpConnection,
    ground: { readonly limits: HttpLimits; readonly port: WebSocketPort; readonly queue: number },
  ) {
    this.#connection = connection;
    this.tcp = tcp;
    this.limits = ground.limits;
    this.#port = ground.port;
    this.queueBytes = ground.queue;
    this.http = new HttpConnection(connection, this);
  }

  get isCompressed(): boolean {
    return TYPES[this.tcp.websocketType]?.compress === true;
  }

  // ---- Link --------------------------------------------------------------

  get topicMember(): WebSocketConnection | undefined {
    return this.tcp.websocketType === Websocket.BINARY_TYPE_BLOB ? this.#open : undefined;
  }

  get pendingBytes(): number {
    return this.#open?.pendingBytes ?? this.#connection.pendingBytes + this.#earlyBytes;
  }

  get receivedBytes(): number {
    return 0;
  }

  send(data: unknown): boolean {
    const open = this.#open;
    if (open === undefined) return this.#keep(data);
    const type = TYPES[this.tcp.websocketType];
    const opcode = type?.opcode;
    let outcome: SendOutcome;
    if (opcode !== undefined) outcome = open.sendBytes(opcode, bytesOf(data), type?.compress);
    else if (data instanceof Uint8Array)
      outcome = open.sendBytes(OPCODE.binary, data, type?.compress);
    else outcome = open.sendText(String(data), type?.compress);
    return outcome !== 'dropped';
  }

  flushSends(): void {
    this.#open?.flushRun();
  }

  consume(): void {
    // What is received lies in the parser, and is no message until it is whole.
  }

  pause(): void {
    if (this.#open === undefined) this.#connection.pause();
    else this.#open.session.pause();
  }

  resume(): void {
    if (this.#open === undefined) this.#connection.resume();
    else this.#open.session.resume();
  }

  leave(code: number, reason: string): void {
    if (this.#open === undefined) this.http.drainAndClose();
    else this.#open.session.close(code, reason);
  }

  close(): void {
    this.#farewell(CLOSE_CODE.normal, 403);
  }

  stop(): void {
    this.#early = undefined;
  }

  fail(): void {
    this.#farewell(CLOSE_CODE.internalError, 500);
  }

  // ---- HttpApplication ---------------------------------------------------

  onError(error: unknown): void {
    this.tcp.failed(error);
  }

  upgrade(exchange: UpgradeExchange): boolean {
    try {
      this.#port.upgrade(exchange, this);
    } catch (error) {
      exchange.refuse(500);
      this.tcp.failed(error);
    }
    return true;
  }

  /** The connection is gone, or has become a WebSocket. */
  connectionEnded(connection: Connection): void {
    if (!(connection.owner instanceof WebSocketConnection)) this.tcp.closed();
  }

  // ---- for the port ------------------------------------------------------

  /** The handshake is well-formed: the program is asked. */
  decide(
    request: ServerRequest,
  ): UpgradeDecision<WebSocketLink> | Promise<UpgradeDecision<WebSocketLink>> {
    this.#request = new Request(request, this.tcp);
    this.#isDeciding = true;
    const asked = this.tcp.ask(this.tcp.onWebSocketConnect, this.#request);
    return asked === undefined
      ? this.#decision(request)
      : asked.then(() => this.#decision(request));
  }

  /** The 101 is written. */
  opened(socket: ServerSocket<WebSocketLink>): void {
    this.#isDeciding = false;
    this.#open = Socket.linkOf(socket);
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#earlyBytes = 0;
    for (const data of early) this.send(data);
    // A drain of before belonged to the handshake.
    this.tcp.drained();
    const request = this.#request;
    this.#request = undefined;
    if (this.tcp.isPaused) this.pause();
    if (request === undefined) return;
    this.tcp.invoke(this.tcp.onWebSocketConnected, this.tcp, request);
  }

  pinged(payload: Buffer): void {
    this.tcp.invoke(this.tcp.onWebSocketPing, this.tcp, payload);
  }

  ponged(payload: Buffer): void {
    this.tcp.invoke(this.tcp.onWebSocketPong, this.tcp, payload);
  }

  closed(facts: CloseFacts): void {
    const isHeard = facts.initiator !== 'error' && facts.code !== CLOSE_CODE.abnormal;
    if (isHeard) {
      this.tcp.invoke(this.tcp.onWebSocketClose, this.tcp, facts.code, facts.reason);
    }
    this.tcp.closed(facts);
  }

  // ------------------------------------------------------------------------

  #decision(request: ServerRequest): UpgradeDecision<WebSocketLink> {
    this.#isDeciding = false;
    if (this.#refusal !== 0) return { reject: this.#refusal };
    const { protocol, fields } = fieldsOf(this.tcp.headers);
    const isOffered = (request.header('sec-websocket-protocol') ?? '')
      .split(',')
      .some((offered) => offered.trim() === protocol);
    const answered = { data: this, headers: fields };
    return isOffered && protocol !== undefined ? { ...answered, protocol } : answered;
  }

  #keep(data: unknown): boolean {
    this.#early ??= [];
    this.#early.push(data);
    this.#earlyBytes += data instanceof Uint8Array ? data.length : Buffer.byteLength(String(data));
    return true;
  }

  #farewell(code: number, status: number): void {
    if (this.#open !== undefined) {
      if (code === CLOSE_CODE.normal) this.#open.session.close(code);
      else this.#open.closeFor(code, '');
    } else if (this.#isDeciding) {
      this.#refusal = status;
    } else {
      this.http.close();
    }
  }
}

interface HandshakeFields {
  /** Apart, since it must have been offered. */
  readonly protocol: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
}

/** @param headers lines or a record */
function fieldsOf(headers: Readonly<Record<string, string>> | readonly string[]): HandshakeFields {
  const fields: Record<string, string> = {};
  let protocol: string | undefined;
  const entries = Array.isArray(headers) ? headers.map(fieldOf) : Object.entries(headers);
  for (const [name, value] of entries) {
    if (name.toLowerCase() === 'sec-websocket-protocol') protocol = value;
    else fields[name] = value;
  }
  return { protocol, fields };
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return colon === -1 ? [line, ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}
