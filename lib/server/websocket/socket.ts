// The ServerSocket that handlers hold: the public face of a WebSocket connection.

import { type BytesSource, bytesOf, textOrBytes } from '../../base/bytes.ts';
import { SluiceError } from '../../base/errors.ts';
import { sendable } from '../../websocket/frame-encoder.ts';
import { CONTROL_PAYLOAD_BYTES_MAX, OPCODE } from '../../websocket/protocol.ts';
import { HttpRequest } from '../http/request.ts';
import type {
  OutgoingStream,
  SendOptions,
  SendOutcome,
  ServerRequest,
  ServerSocket,
  SocketInfo,
} from '../types.ts';
import type { AcceptedUpgrade } from './accepted-upgrade.ts';
import { infoOf } from './socket-info.ts';
import type { WebSocketConnection } from './websocket-connection.ts';

/** What errors call it. */
const MESSAGE = 'A message';

export class Socket implements ServerSocket {
  readonly data: unknown;
  readonly protocol: string;
  readonly #link: WebSocketConnection;
  /** Packed until somebody asks. */
  #request: ServerRequest | string;

  constructor(link: WebSocketConnection, accepted: AcceptedUpgrade) {
    this.#link = link;
    this.data = accepted.data;
    const { request } = accepted;
    this.#request = request instanceof HttpRequest ? request.pack() : request;
    this.protocol = accepted.protocol;
  }

  get request(): ServerRequest {
    if (typeof this.#request === 'string') {
      const { connection, trustedProxies } = this.#link;
      this.#request = HttpRequest.unpack(this.#request, connection, trustedProxies);
    }
    return this.#request;
  }

  get extensions(): string {
    return this.#link.extensions;
  }

  get isOpen(): boolean {
    return this.#link.isOpen;
  }

  get pendingBytes(): number {
    return this.#link.pendingBytes;
  }

  send(data: string | BytesSource, options?: SendOptions): SendOutcome {
    const compress = options?.compress;
    if (options?.key !== undefined) {
      const isBinary = options.binary ?? typeof data !== 'string';
      const opcode = isBinary ? OPCODE.binary : OPCODE.text;
      const message = sendable(textOrBytes(data, MESSAGE));
      return this.#link.sendKeyed(opcode, message, options.key, compress);
    }
    if (typeof data === 'string') {
      const text = sendable(data);
      if (options?.binary !== true) return this.#link.sendText(text, compress);
      return this.#link.sendBytes(OPCODE.binary, Buffer.from(text), compress);
    }
    // Bytes sent as text must be UTF-8: that is the caller's promise.
    const opcode = options?.binary === false ? OPCODE.text : OPCODE.binary;
    return this.#link.sendBytes(opcode, sendable(bytesOf(data, MESSAGE)), compress);
  }

  ping(payload: string | BytesSource = ''): SendOutcome {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : bytesOf(payload, 'A ping');
    if (bytes.length > CONTROL_PAYLOAD_BYTES_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', 'A ping carries at most 125 bytes.');
    }
    return this.#link.sendBytes(OPCODE.ping, bytes);
  }

  close(code?: number, reason?: string): void {
    this.#link.session.close(code, reason);
  }

  terminate(): void {
    this.#link.session.terminate();
  }

  drained(): Promise<boolean> {
    return this.#link.drained();
  }

  stream(options: { readonly binary?: boolean } = {}): OutgoingStream {
    return this.#link.openStream(options.binary === true);
  }

  get isPaused(): boolean {
    return this.#link.session.isPaused;
  }

  get topics(): readonly string[] {
    return [...this.#link.topics];
  }

  isSubscribed(topic: string): boolean {
    return this.#link.topics.has(topic);
  }

  info(): SocketInfo {
    return infoOf(this.#link);
  }

  /** Whom topics leave out; not for handlers. */
  static linkOf(socket: object | undefined): WebSocketConnection | undefined {
    return socket instanceof Socket ? socket.#link : undefined;
  }

  pause(): void {
    this.#link.session.pause();
  }

  resume(): void {
    this.#link.session.resume();
  }

  subscribe(topic: string): boolean {
    return this.#link.subscribe(topic);
  }

  unsubscribe(topic: string): boolean {
    return this.#link.unsubscribe(topic);
  }
}
