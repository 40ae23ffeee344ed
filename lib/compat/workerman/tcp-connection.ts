// Workerman's TcpConnection over a connection of the engine: its properties, callbacks and bounds. How
// packages are carried is the link's business. Owns what send() answers, and that onClose comes once.
//
//   ESTABLISHED --close()--> CLOSING --+--> CLOSED: onClose
//        |-------end()-----> ENDING  --'
//        '--peer, fault, destroy()-----'

import { isIPv4, isIPv6 } from 'node:net';
import { SluiceError } from '../../base/errors.ts';
import { isThenable } from '../../base/thenable.ts';
import type { Connection, ConnectionInfo } from '../../net/types.ts';
import type { WebSocketConnection } from '../../server/websocket/websocket-connection.ts';
import type { ConnectionCallbacks, MessageData } from './callbacks.ts';
import {
  BUFFER_FULL_TEXT,
  CONNECTION_STATUS_TEXT,
  ConnectionStatus,
  LOOK_BYTES,
  SEND_FAIL,
} from './constants.ts';
import { Lingering } from './lingering.ts';
import { type Link, NO_LINK } from './link.ts';
import { PackageSender, type SenderPort } from './package-sender.ts';
import { type Protocol, Websocket } from './protocols.ts';
import type { Request } from './request.ts';
import type { Transport, Worker } from './worker.ts';

/** How a WebSocket has ended; an addition to Workerman's interface. */
export interface CloseFacts {
  readonly code: number;
  readonly reason: string;
  readonly initiator: 'us' | 'peer' | 'error';
  readonly wasClean: boolean;
  readonly bytesUnsent: number;
}

/** What a connection needs of the process that it is in. */
export interface ConnectionHost {
  /** Hands everything to the kernel that was written so far. */
  flush(): void;
  /** Takes what a callback has thrown. Must not throw. */
  report(error: unknown): void;
  sendFailed(): void;
}

export class TcpConnection implements ConnectionCallbacks, SenderPort {
  static readonly STATUS_INITIAL = ConnectionStatus.INITIAL;
  static readonly STATUS_CONNECTING = ConnectionStatus.CONNECTING;
  static readonly STATUS_ESTABLISHED = ConnectionStatus.ESTABLISHED;
  static readonly STATUS_ENDING = ConnectionStatus.ENDING;
  static readonly STATUS_CLOSING = ConnectionStatus.CLOSING;
  static readonly STATUS_CLOSED = ConnectionStatus.CLOSED;
  static readonly SEND_FAIL = SEND_FAIL;

  /** All connections of this process, by id. */
  static readonly connections = new Map<number, TcpConnection>();
  static defaultMaxSendBufferSize = 1_048_576;
  static defaultMaxPackageSize = 10_485_760;
  /** Seconds. */
  static defaultLingerTimeout = 1;
  /** Of a worker process: ids are unique over all processes of a program. */
  static firstId = 0;
  static #lastId = 0;

  onConnect: ConnectionCallbacks['onConnect'];
  onMessage: ConnectionCallbacks['onMessage'];
  onClose: ConnectionCallbacks['onClose'];
  onError: ConnectionCallbacks['onError'];
  onBufferFull: ConnectionCallbacks['onBufferFull'];
  onBufferDrain: ConnectionCallbacks['onBufferDrain'];
  onWebSocketConnect: ConnectionCallbacks['onWebSocketConnect'];
  onWebSocketConnected: ConnectionCallbacks['onWebSocketConnected'];
  onWebSocketClose: ConnectionCallbacks['onWebSocketClose'];
  onWebSocketPing: ConnectionCallbacks['onWebSocketPing'];
  onWebSocketPong: ConnectionCallbacks['onWebSocketPong'];

  /** Counts from 1 in this process; the process is in the bits above 2^32. */
  readonly id = TcpConnection.firstId + ++TcpConnection.#lastId;
  readonly worker: Worker;
  readonly transport: Transport;
  /** Undefined: plain bytes. */
  readonly protocol: Protocol | undefined;
  /** The program's own. */
  context: Record<string, unknown> = {};
  /** Of the answer to the handshake: a record, or lines like 'Server: mine'. */
  headers: Record<string, string> | string[] = [];
  /**
   * BINARY_TYPE_ARRAYBUFFER: also strings leave as binary messages; a `_DEFLATE` form, set in
   * onConnect: compressed, if the client agrees; '\x89', '\x8a': send() sends pings, pongs.
   */
  websocketType: string = Websocket.BINARY_TYPE_BLOB;
  /** Pending bytes from which on send() drops: 1..128 MiB. */
  maxSendBufferSize = TcpConnection.defaultMaxSendBufferSize;
  /** Bytes of a message, line, frame or body; of a WebSocket and of HTTP as it is at the connect. */
  maxPackageSize = TcpConnection.defaultMaxPackageSize;
  /** Seconds that end() waits for the peer. */
  lingerTimeout = TcpConnection.defaultLingerTimeout;
  /** How it ended, for WebSockets, from onClose on. */
  closeInfo: CloseFacts | undefined;

  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  #link: Link = NO_LINK;
  #sender: PackageSender | undefined;
  #status: number = ConnectionStatus.ESTABLISHED;
  #isPaused = false;
  #info: ConnectionInfo | undefined;

  constructor(worker: Worker, connection: Connection, host: ConnectionHost, protocol?: Protocol) {
    this.worker = worker;
    this.protocol = protocol;
    this.#connection = connection;
    this.#host = host;
    this.transport = worker.transport;
    this.onConnect = worker.onConnect;
    this.onMessage = worker.onMessage;
    this.onClose = worker.onClose;
    this.onError = worker.onError;
    this.onBufferFull = worker.onBufferFull;
    this.onBufferDrain = worker.onBufferDrain;
    this.onWebSocketConnect = worker.onWebSocketConnect;
    this.onWebSocketConnected = worker.onWebSocketConnected;
    this.onWebSocketClose = worker.onWebSocketClose;
    this.onWebSocketPing = worker.onWebSocketPing;
    this.onWebSocketPong = worker.onWebSocketPong;
    TcpConnection.connections.set(this.id, this);
    worker.connections.set(this.id, this);
  }

  /** Called once by whoever has made it. */
  begin(link: Link): void {
    this.#link = link;
    this.#sender = new PackageSender(this, this.#connection, link);
    // From 64 KiB on the kernel is asked; a drain is an empty buffer, as in Workerman.
    this.#connection.setMarks(LOOK_BYTES, 1);
    this.invoke(this.onConnect, this);
  }

  // ---- sending -----------------------------------------------------------

  /**
   * @param raw as bytes, past the protocol
   * @returns true: on its way; null: the kernel has not taken all of it yet; false: closed or full,
   *   and dropped
   */
  send(data: unknown, raw = false): boolean | null {
    return this.#send(data, raw, false);
  }

  /** Sends `data`, if there is any, and closes when everything is sent. */
  close(data?: unknown, raw = false): void {
    if (this.#status !== ConnectionStatus.ESTABLISHED) return;
    if (data !== undefined && data !== null) this.#send(data, raw, true);
    this.#leave(ConnectionStatus.CLOSING);
    this.#link.close();
  }

  /**
   * Sends `data`, hands over nothing more, closes the sending side when everything is sent, and waits
   * up to lingerTimeout for the peer to close his.
   */
  end(data?: unknown, raw = false): void {
    if (this.#status !== ConnectionStatus.ESTABLISHED) return;
    if (data !== undefined && data !== null) this.#send(data, raw, true);
    this.#leave(ConnectionStatus.ENDING);
    this.#link.stop();
    const lingering = new Lingering(this.#connection.owner, this.lingerTimeout * 1000);
    lingering.begin(this.#connection, () => this.#host.flush());
  }

  /** Drops what is pending and closes at once. onClose comes in a later turn. */
  destroy(): void {
    if (this.#status === ConnectionStatus.CLOSED) return;
    this.#leave(ConnectionStatus.CLOSING);
    this.#link.stop();
    this.#connection.reset();
  }

  // ---- receiving ---------------------------------------------------------

  pauseRecv(): void {
    if (this.#isPaused || this.#status !== ConnectionStatus.ESTABLISHED) return;
    this.#isPaused = true;
    this.#link.pause();
  }

  /** What came meanwhile is handed over in a later turn. */
  resumeRecv(): void {
    if (!this.#isPaused || this.#status !== ConnectionStatus.ESTABLISHED) return;
    this.#isPaused = false;
    this.#link.resume();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What comes here goes to `target`, which closes with this one; a slow target holds this back. */
  pipe(target: TcpConnection): void {
    this.onMessage = (_source, data) => target.send(data);
    this.onClose = () => target.close();
    target.onBufferFull = () => this.pauseRecv();
    target.onBufferDrain = () => this.resumeRecv();
  }

  // ---- looking in --------------------------------------------------------

  /** @param raw false: in words */
  getStatus(raw?: true): number;
  getStatus(raw: false): string;
  getStatus(raw = true): number | string {
    return raw ? this.#status : (CONNECTION_STATUS_TEXT[this.#status] ?? '');
  }

  getRemoteIp(): string {
    return this.#connection.remoteAddress;
  }

  getRemotePort(): number {
    return this.#connection.remotePort;
  }

  /** 'address:port', IPv6 in brackets; empty for a Unix socket. */
  getRemoteAddress(): string {
    return addressOf(this.getRemoteIp(), this.getRemotePort());
  }

  /** Of a Unix socket: its path. */
  getLocalIp(): string {
    return this.#localInfo()?.localAddress ?? '';
  }

  getLocalPort(): number {
    return this.#localInfo()?.localPort ?? 0;
  }

  getLocalAddress(): string {
    return addressOf(this.getLocalIp(), this.getLocalPort());
  }

  isIpV4(): boolean {
    return isIPv4(this.getRemoteIp());
  }

  isIpV6(): boolean {
    return isIPv6(this.getRemoteIp());
  }

  getSendBufferQueueSize(): number {
    return this.#status === ConnectionStatus.CLOSED ? 0 : this.#link.pendingBytes;
  }

  getRecvBufferQueueSize(): number {
    return this.#link.receivedBytes;
  }

  /** Nothing waits to be sent. */
  bufferIsEmpty(): boolean {
    return this.getSendBufferQueueSize() === 0;
  }

  /** Drops the first bytes of what was received and not handed over. */
  consumeRecvBuffer(length: number): void {
    if (!Number.isInteger(length) || length < 0) {
      throw new SluiceError('ERR_ARG_RANGE', 'A number of bytes is a whole number from 0.');
    }
    this.#link.consume(length);
  }

  /** Of the socket, handshake and framing included; 0 once it is closed. */
  get bytesRead(): number {
    return this.#connection.readCounters().receivedBytes;
  }

  get bytesWritten(): number {
    return this.#connection.readCounters().sentBytes;
  }

  // ---- for links ---------------------------------------------------------

  /** The process leaves. */
  leave(code: number, reason: string): void {
    if (this.isReceiving) this.#link.leave(code, reason);
  }

  /** A whole package has come. */
  handOver(data: MessageData): void {
    if (!this.isReceiving) return;
    this.worker.requestCount++;
    this.invoke(this.onMessage, this, data);
  }

  /** invoke(), for a callback whose promise somebody waits for. */
  ask(
    callback: ConnectionCallbacks['onWebSocketConnect'],
    request: Request,
  ): Promise<unknown> | undefined {
    try {
      const result: unknown = callback?.(this, request);
      if (isThenable(result)) {
        return Promise.resolve(result).catch((error: unknown) => this.failed(error));
      }
    } catch (error) {
      this.failed(error);
    }
    return undefined;
  }

  // SenderPort

  flush(): void {
    this.#host.flush();
  }

  becameFull(): void {
    this.invoke(this.onBufferFull, this);
  }

  dropped(): void {
    this.#host.sendFailed();
    this.invoke(this.onError, this, SEND_FAIL, BUFFER_FULL_TEXT);
  }

  /** A publish has passed over this connection, because it is full. */
  publishDropped(): void {
    this.#sender?.drop();
  }

  /** Calls a callback; what it throws, or rejects with, costs this connection and nobody else. */
  invoke<Values extends readonly unknown[]>(
    callback: ((...values: Values) => unknown) | null,
    ...values: Values
  ): void {
    if (callback === null) return;
    try {
      const result: unknown = callback(...values);
      if (isThenable(result)) result.then(undefined, (error: unknown) => this.failed(error));
    } catch (error) {
      this.failed(error);
    }
  }

  failed(error: unknown): void {
    this.#host.report(error);
    if (this.#status !== ConnectionStatus.ESTABLISHED) return;
    this.#leave(ConnectionStatus.CLOSING);
    this.#link.fail();
  }

  /** Whom topics write to in its place; see Link. */
  get topicMember(): WebSocketConnection | undefined {
    return this.isReceiving ? this.#link.topicMember : undefined;
  }

  /** Packages may be handed over. */
  get isReceiving(): boolean {
    return this.#status === ConnectionStatus.ESTABLISHED;
  }

  /** The kernel has taken what was pending. */
  drained(): void {
    if (this.#sender?.drained() === true && this.isReceiving) this.invoke(this.onBufferDrain, this);
  }

  /** The connection is gone. */
  closed(info?: CloseFacts): void {
    if (this.#status === ConnectionStatus.CLOSED) return;
    this.#status = ConnectionStatus.CLOSED;
    this.closeInfo = info;
    TcpConnection.connections.delete(this.id);
    this.worker.connections.delete(this.id);
    this.invoke(this.onClose, this);
    this.worker.connectionGone();
  }

  // ------------------------------------------------------------------------

  #localInfo(): ConnectionInfo | undefined {
    this.#info ??= this.#connection.info();
    return this.#info;
  }

  #send(data: unknown, raw: boolean, isLast: boolean): boolean | null {
    const sender = this.#sender;
    return sender !== undefined && this.isReceiving ? sender.send(data, raw, isLast) : false;
  }

  #leave(status: number): void {
    this.#status = status;
    // The peer's FIN, or close frame, must be read.
    if (this.#isPaused) this.#link.resume();
    this.#isPaused = false;
  }
}

function addressOf(ip: string, port: number): string {
  if (port === 0) return ip;
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}
