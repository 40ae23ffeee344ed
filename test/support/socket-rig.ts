// A server on a loop in memory, and peers of one of its routes.

import { LoopServer } from '../../lib/server/server.ts';
import type { ServerOptions, ServerSocket, WebSocketRoute } from '../../lib/server/types.ts';
import { type MemoryConnection, MemoryLoop } from './memory-transport.ts';
import { handshakeHead } from './websocket-client.ts';
import { describeServerFrames } from './websocket-frames.ts';

/** The high mark of routes that name none. */
export const RIG_HIGH_WATER = 500;

export interface RigPeer {
  readonly socket: ServerSocket;
  readonly connection: MemoryConnection;
  /** Frames since the last call, in words. */
  frames(): string[];
}

export class SocketRig {
  readonly loop = new MemoryLoop();
  readonly server: LoopServer;
  readonly errors: unknown[] = [];
  #routes = 0;

  constructor(options: ServerOptions = {}) {
    this.server = new LoopServer(
      { loop: this.loop, highWaterBytes: RIG_HIGH_WATER },
      { port: 1, onError: (error) => this.errors.push(error), ...options },
    );
  }

  async listen(): Promise<this> {
    await this.server.listen();
    return this;
  }

  /** A route of its own; connect to it as often as needed. */
  route(route: WebSocketRoute = {}): () => RigPeer {
    const path = `/${this.#routes++}`;
    const opened: ServerSocket[] = [];
    const open = (socket: ServerSocket): unknown => {
      opened.push(socket);
      return route.open?.(socket);
    };
    this.server.websocket(path, { ...route, open });
    return () => {
      const connection = this.loop.connect();
      connection.feed(handshakeHead(path));
      const output = connection.takeOutput();
      if (output.toString('latin1', 0, 12) !== 'HTTP/1.1 101') throw new Error(output.toString());
      const socket = opened.at(-1);
      if (socket === undefined) throw new Error('not opened');
      connection.writeCount = 0;
      const frames = (): string[] => describeServerFrames(connection.takeOutput());
      return { socket, connection, frames };
    };
  }

  peer(route: WebSocketRoute = {}): RigPeer {
    return this.route(route)();
  }
}
