// From the server's WebSocket handlers to the events of a port: frames for messages, control frames where
// the settings want them, and how a connection has ended.

import type { CloseInfo, WebSocketRoute } from '../../server/types.ts';
import type { Client } from './clients.ts';
import {
  WEBSOCKET_OPCODE_BINARY,
  WEBSOCKET_OPCODE_PING,
  WEBSOCKET_OPCODE_PONG,
  WEBSOCKET_OPCODE_TEXT,
  WEBSOCKET_STATUS_ACTIVE,
} from './constants.ts';
import { CloseFrame, receivedFrame } from './frame.ts';
import type { Port } from './port.ts';

type Handlers = Pick<
  WebSocketRoute<Client>,
  'open' | 'message' | 'drain' | 'ping' | 'pong' | 'close'
>;

type Control = NonNullable<Handlers['ping']>;

export function socketHandlers(port: Port): Handlers {
  const { callbacks, host, settings } = port;
  const message = (client: Client, data: string | Buffer, opcode: number): unknown => {
    client.lastReceivedAt = Date.now();
    return callbacks.get('message')?.(host.facade, receivedFrame(client.fd, data, opcode));
  };
  const control = (opcode: number, isWanted: boolean | undefined): Control => {
    return ({ data: client }, payload) => {
      client.lastReceivedAt = Date.now();
      return isWanted === true ? message(client, payload, opcode) : undefined;
    };
  };
  return {
    open(socket) {
      const client = socket.data;
      client.socket = socket;
      client.http = undefined;
      client.status = WEBSOCKET_STATUS_ACTIVE;
      host.clients.onChange(client.fd);
      const { request } = client;
      // Whoever shakes hands himself is not told that it is done.
      if (request === undefined || callbacks.get('handshake') !== undefined) return undefined;
      return callbacks.get('open')?.(host.facade, request);
    },
    message: ({ data: client }, data, isBinary) =>
      message(client, data, isBinary ? WEBSOCKET_OPCODE_BINARY : WEBSOCKET_OPCODE_TEXT),
    drain: ({ data: client }) => port.drained(client),
    ping: control(WEBSOCKET_OPCODE_PING, settings.open_websocket_ping_frame),
    pong: control(WEBSOCKET_OPCODE_PONG, settings.open_websocket_pong_frame),
    close(socket, code, reason, info) {
      const client = socket.data;
      if (settings.open_websocket_close_frame === true && info.initiator === 'peer') {
        port.call(() => callbacks.get('message')?.(host.facade, closeFrame(client, code, reason)));
      }
      port.ended(client, { ...withoutSocket(info), code, reason });
    },
  };
}

function withoutSocket({ wasClean, initiator, bytesUnsent }: CloseInfo): CloseInfo {
  return { wasClean, initiator, bytesUnsent };
}

function closeFrame(client: Client, code: number, reason: string): CloseFrame {
  const frame = new CloseFrame();
  frame.fd = client.fd;
  frame.code = code;
  frame.reason = reason;
  frame.finish = true;
  return frame;
}
