// The callbacks of workers and connections. A connection begins with those of its worker, and may have
// its own from then on.

import type { Request } from './request.ts';
import type { TcpConnection } from './tcp-connection.ts';

/** What handlers return is looked at for one thing: a promise that rejects is like a throw. */
type Handler<Arguments extends readonly unknown[]> = ((...values: Arguments) => unknown) | null;

/** A text of websocket:// and text://, bytes, or a request of http://. */
export type MessageData = string | Buffer | Request;

/** Written as a method: a handler may name the one type that its protocol decodes to. */
type MessageHandler = {
  handle(connection: TcpConnection, data: MessageData): unknown;
}['handle'];

/** Those of a connection. What `data` is says its protocol; see docs/workerman.md. */
export interface ConnectionCallbacks {
  onConnect: Handler<[connection: TcpConnection]>;
  onMessage: MessageHandler | null;
  onClose: Handler<[connection: TcpConnection]>;
  onError: Handler<[connection: TcpConnection, code: number, message: string]>;
  onBufferFull: Handler<[connection: TcpConnection]>;
  onBufferDrain: Handler<[connection: TcpConnection]>;
  /** Before the 101 is sent; close() in it refuses the handshake. */
  onWebSocketConnect: Handler<[connection: TcpConnection, request: Request]>;
  /** After the 101 was sent. */
  onWebSocketConnected: Handler<[connection: TcpConnection, request: Request]>;
  /** The peer has sent a close frame; it is answered already. Before onClose. */
  onWebSocketClose: Handler<[connection: TcpConnection, code: number, reason: string]>;
  onWebSocketPing: Handler<[connection: TcpConnection, payload: Buffer]>;
  onWebSocketPong: Handler<[connection: TcpConnection, payload: Buffer]>;
}
