// `sluice/ws`: what a program that imports `ws` for its server finds under the same names. It is the one
// module with a default export, and with what require() gives, because that is how `ws` is imported.

import { WebSocket } from './websocket.ts';
import { WebSocketServer } from './websocket-server.ts';
import { createWebSocketStream } from './websocket-stream.ts';

WebSocket.Server = WebSocketServer;
WebSocket.WebSocketServer = WebSocketServer;
WebSocket.WebSocket = WebSocket;
WebSocket.createWebSocketStream = createWebSocketStream;

export type { BinaryType } from './constants.ts';
export type { CloseEvent, ErrorEvent, Event, MessageEvent } from './event-target.ts';
export type { MessageData as RawData } from './receiver.ts';
export type {
  ClientInfo,
  PerMessageDeflateOptions,
  ServerOptions,
  VerifyClientAsync,
  VerifyClientSync,
} from './server-options.ts';
export type { SendData, SendOptions } from './websocket.ts';
export {
  createWebSocketStream,
  WebSocket,
  WebSocket as default,
  WebSocket as 'module.exports',
  WebSocketServer,
  WebSocketServer as Server,
};
