// The WebSocket of the `ws` API on the server's side: an EventEmitter with the browser's interface beside
// it. Checks arguments and emits events; frames and the closing handshake are its link's.

import { EventEmitter } from 'node:events';
import type { Duplex, DuplexOptions } from 'node:stream';
import { SluiceError } from '../../base/errors.ts';
import {
  CONTROL_PAYLOAD_BYTES_MAX,
  isReceivableCloseCode,
  OPCODE,
} from '../../websocket/protocol.ts';
import { BINARY_TYPES, type BinaryType, READY_STATE, READY_STATE_NAMES } from './constants.ts';
import {
  addListener,
  attributeOf,
  type CloseEvent,
  type ErrorEvent,
  type Event,
  type EventListener,
  type EventsByType,
  type EventType,
  kWasClean,
  type MessageEvent,
  removeListener,
  setAttribute,
} from './event-target.ts';
import type { MessageData } from './receiver.ts';
import type { Payload, SendCallback, Sender } from './sender.ts';
import { closePayload, type SocketLink, type WebSocketEvents } from './socket-link.ts';
import type { WebSocketServer } from './websocket-server.ts';

const CLOSE_REASON_BYTES_MAX = CONTROL_PAYLOAD_BYTES_MAX - 2;
const NO_BYTES = Buffer.alloc(0);

/** What send() takes; numbers are sent as their text. */
export type SendData =
  | string
  | number
  | ArrayBufferLike
  | ArrayBufferView
  | Blob
  // A message of `binaryType` 'fragments', which is not bytes, is so typed that an echo compiles.
  | readonly unknown[]
  | null
  | undefined;

export interface SendOptions {
  /** Default: whether the data is not a string. */
  readonly binary?: boolean | undefined;
  /** Ignored unless permessage-deflate was agreed on. */
  readonly compress?: boolean | undefined;
  /** Default true; false sends a fragment that the next send() continues. */
  readonly fin?: boolean | undefined;
  /** Ignored: a server's frames are never masked (RFC 6455 section 5.1). */
  readonly mask?: boolean | undefined;
}

/** Called by the server that makes the socket; not part of the API. */
export const kAttach = Symbol('attach');
export const kFinish = Symbol('finish');

export class WebSocket extends EventEmitter<WebSocketEvents> {
  static readonly CONNECTING = READY_STATE.CONNECTING;
  static readonly OPEN = READY_STATE.OPEN;
  static readonly CLOSING = READY_STATE.CLOSING;
  static readonly CLOSED = READY_STATE.CLOSED;
  /** These four are how CommonJS programs reach the rest of the module. */
  static Server: typeof WebSocketServer;
  static WebSocketServer: typeof WebSocketServer;
  static WebSocket: typeof WebSocket;
  static createWebSocketStream: (socket: WebSocket, options?: DuplexOptions) => Duplex;

  readonly CONNECTING = READY_STATE.CONNECTING;
  readonly OPEN = READY_STATE.OPEN;
  readonly CLOSING = READY_STATE.CLOSING;
  readonly CLOSED = READY_STATE.CLOSED;

  #link: SocketLink | undefined;
  #protocol = '';
  #extensions = '';
  #binaryType: BinaryType = 'nodebuffer';
  #lateBytes = 0;
  #stream: Duplex | undefined;

  /**
   * Only servers make these sockets.
   * @param address null; with an address `ws` would connect
   * @throws SluiceError ERR_UNSUPPORTED for anything else
   */
  constructor(address: null, _protocols?: undefined, _options?: object) {
    super();
    if (address === null) return;
    throw new SluiceError(
      'ERR_UNSUPPORTED',
      'sluice/ws is the server side of ws. To connect, use the global WebSocket (Node 22) or ws.',
    );
  }

  /** The handshake is done. */
  [kAttach](link: SocketLink, stream: Duplex, protocol: string, extensions: string): void {
    this.#link = link;
    this.#stream = stream;
    this.#protocol = protocol;
    this.#extensions = extensions;
    link.receiver.binaryType = this.#binaryType;
    this.emit('open');
  }

  // ---- properties --------------------------------------------------------

  get readyState(): number {
    return this.#link?.state ?? READY_STATE.CONNECTING;
  }

  /** Bytes that the kernel has not taken, and those that were sent after the end. */
  get bufferedAmount(): number {
    const link = this.#link;
    if (link === undefined) return this.#lateBytes;
    if (link.transport.pendingBytes > 0) link.transport.flush();
    return link.transport.pendingBytes + link.sender.queuedBytes + this.#lateBytes;
  }

  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  /** Anything but the four types is ignored. */
  set binaryType(type: BinaryType) {
    if (!BINARY_TYPES.includes(type)) return;
    this.#binaryType = type;
    if (this.#link !== undefined) this.#link.receiver.binaryType = type;
  }

  /** What was agreed on, as names. */
  get extensions(): string {
    return this.#extensions;
  }

  get isPaused(): boolean {
    return this.#link?.isPaused ?? false;
  }

  /** The subprotocol, or ''. */
  get protocol(): string {
    return this.#protocol;
  }

  /** Servers do not have one. */
  get url(): undefined {
    return undefined;
  }

  /** For its stream: closes the socket. @returns whether its last byte is on its way already */
  [kFinish](callback: () => void): boolean {
    const link = this.#link;
    if (link === undefined || link.isFinished) return true;
    link.whenFinished(callback);
    this.close();
    return false;
  }

  /** Whether both sides have sent a close frame. */
  get [kWasClean](): boolean {
    const link = this.#link;
    return link?.closeFrameReceived === true && link.closeFrameSent;
  }

  /** The socket of the request, for its addresses: not documented by `ws`, but much used. */
  get _socket(): Duplex | undefined {
    return this.#stream;
  }

  /** For Socket.IO, which writes its broadcasts through it; undefined before the handshake is done. */
  get _sender(): Pick<Sender, 'sendFrame'> | undefined {
    return this.#link?.sender;
  }

  // ---- sending -----------------------------------------------------------

  /**
   * @param callback called without an argument once the kernel has taken the bytes, else with the error
   * @throws Error while connecting; TypeError for data that are no bytes
   */
  send(data: SendData, callback?: SendCallback): void;
  send(data: SendData, options: SendOptions | undefined, callback?: SendCallback): void;
  send(data: SendData, options?: SendOptions | SendCallback, callback?: SendCallback): void {
    const settings = typeof options === 'function' ? undefined : options;
    const called = typeof options === 'function' ? options : callback;
    const link = this.#openLink();
    const payload = toPayload(data);
    if (link.state !== READY_STATE.OPEN) {
      this.#refuse(payload, called);
      return;
    }
    const isBinary = settings?.binary ?? (typeof data !== 'string' && typeof data !== 'number');
    const isFinal = settings?.fin ?? true;
    link.sender.message(payload, isBinary, isFinal, called, settings?.compress ?? true);
  }

  ping(data?: SendData | SendCallback, mask?: boolean | SendCallback, cb?: SendCallback): void {
    this.#control(OPCODE.ping, data, mask, cb);
  }

  pong(data?: SendData | SendCallback, mask?: boolean | SendCallback, cb?: SendCallback): void {
    this.#control(OPCODE.pong, data, mask, cb);
  }

  #control(
    opcode: number,
    data?: SendData | SendCallback,
    mask?: boolean | SendCallback,
    cb?: SendCallback,
  ): void {
    const callback = [data, mask, cb].find((value) => typeof value === 'function');
    const link = this.#openLink();
    const payload = typeof data === 'function' ? NO_BYTES : toPayload(data);
    if (link.state !== READY_STATE.OPEN) {
      this.#refuse(payload, callback as SendCallback | undefined);
      return;
    }
    if (sizeOf(payload) > CONTROL_PAYLOAD_BYTES_MAX) {
      throw new RangeError(`The data must not exceed ${CONTROL_PAYLOAD_BYTES_MAX} bytes`);
    }
    link.sender.control(opcode, payload, callback as SendCallback | undefined);
  }

  // ---- the end -----------------------------------------------------------

  /**
   * Starts the closing handshake, or carries on with it.
   * @param code 1000-1014 without the reserved ones, or 3000-4999
   * @param reason at most 123 bytes of UTF-8
   */
  close(code?: number, reason?: string | Uint8Array): void {
    const link = this.#link;
    if (link === undefined || link.state === READY_STATE.CLOSED) return;
    if (link.state === READY_STATE.CLOSING) link.close(NO_BYTES);
    else link.close(checkedClosePayload(code, reason));
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#link?.terminate();
  }

  pause(): void {
    this.#link?.pause();
  }

  resume(): void {
    this.#link?.resume();
  }

  // ---- the browser's interface -------------------------------------------

  addEventListener<T extends EventType>(
    type: T,
    listener: EventListener<EventsByType[T]>,
    options: { readonly once?: boolean } = {},
  ): void {
    addListener(this, type, listener as EventListener<never>, { once: options.once === true });
  }

  removeEventListener<T extends EventType>(
    type: T,
    listener: EventListener<EventsByType[T]>,
  ): void {
    removeListener(this, type, listener);
  }

  get onopen(): EventListener<Event> | null {
    return attributeOf(this, 'open');
  }

  set onopen(listener: EventListener<Event> | null) {
    setAttribute(this, 'open', listener);
  }

  get onmessage(): EventListener<MessageEvent> | null {
    return attributeOf(this, 'message');
  }

  set onmessage(listener: EventListener<MessageEvent> | null) {
    setAttribute(this, 'message', listener);
  }

  get onclose(): EventListener<CloseEvent> | null {
    return attributeOf(this, 'close');
  }

  set onclose(listener: EventListener<CloseEvent> | null) {
    setAttribute(this, 'close', listener);
  }

  get onerror(): EventListener<ErrorEvent> | null {
    return attributeOf(this, 'error');
  }

  set onerror(listener: EventListener<ErrorEvent> | null) {
    setAttribute(this, 'error', listener);
  }

  // ------------------------------------------------------------------------

  #openLink(): SocketLink {
    if (this.#link === undefined) {
      throw new Error('The WebSocket is not open: its readyState is 0 (CONNECTING)');
    }
    return this.#link;
  }

  /** Something is sent after the end: it counts as buffered, for ever, as in a browser. */
  #refuse(payload: Payload, callback: SendCallback | undefined): void {
    this.#lateBytes += sizeOf(payload);
    if (callback === undefined) return;
    const state = this.readyState as 2 | 3;
    const text = `The WebSocket is not open: its readyState is ${state} (${READY_STATE_NAMES[state]})`;
    process.nextTick(callback, new Error(text));
  }
}

/** The names of types under the class, as programs in TypeScript write them: `WebSocket.RawData`. */
export declare namespace WebSocket {
  export type RawData = MessageData;
  export type Data = MessageData | string;
  export type { CloseEvent, ErrorEvent, Event, MessageEvent };
}

function sizeOf(payload: Payload): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Blob ? payload.size : payload.byteLength;
}

/** @throws TypeError when it is nothing that Buffer.from() takes */
function toPayload(data: SendData): Payload {
  if (typeof data === 'string') return data;
  if (data instanceof Uint8Array) return data;
  if (data === undefined || data === null) return NO_BYTES;
  if (typeof data === 'number') return String(data);
  if (data instanceof Blob) return data;
  if (ArrayBuffer.isView(data))
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : Buffer.from(data as number[]);
}

function checkedClosePayload(code: unknown, reason: unknown): Buffer {
  if (code === undefined) return NO_BYTES;
  if (typeof code !== 'number' || !isReceivableCloseCode(code)) {
    throw new TypeError('The code must be one that a close frame may carry');
  }
  if (reason === undefined || (reason as string).length === 0) return closePayload(code);
  if (typeof reason !== 'string' && !(reason instanceof Uint8Array)) {
    throw new TypeError('The reason must be a string or a Uint8Array');
  }
  const payload = closePayload(code, reason);
  if (payload.length > CONTROL_PAYLOAD_BYTES_MAX) {
    throw new RangeError(`The reason must not exceed ${CLOSE_REASON_BYTES_MAX} bytes`);
  }
  return payload;
}
