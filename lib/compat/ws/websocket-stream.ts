// createWebSocketStream(): a WebSocket as a Duplex of Node's, with backpressure both ways.

import { Duplex, type DuplexOptions } from 'node:stream';
import type { MessageData } from './receiver.ts';
import { kFinish, type WebSocket } from './websocket.ts';

/** How the stream's end and that of the socket bring each other about. */
class SocketStream extends Duplex {
  readonly #socket: WebSocket;
  #terminates = true;

  constructor(socket: WebSocket, options: DuplexOptions | undefined) {
    super({
      ...options,
      autoDestroy: false,
      emitClose: false,
      objectMode: false,
      writableObjectMode: false,
    });
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#received(data, isBinary));
    socket.once('error', (error) => this.#socketFailed(error));
    socket.once('close', () => {
      if (!this.destroyed) this.push(null);
    });
    this.on('end', () => {
      if (!this.destroyed && this.writableFinished) this.destroy();
    });
    this.once('error', (error) => {
      this.destroy();
      // Nobody listens: it must not pass unnoticed.
      if (this.listenerCount('error') === 0) this.emit('error', error);
    });
  }

  #received(data: MessageData, isBinary: boolean): void {
    const chunk: unknown = !isBinary && this.readableObjectMode ? String(data) : data;
    if (!this.push(chunk)) this.#socket.pause();
  }

  #socketFailed(error: Error): void {
    if (this.destroyed) return;
    // The socket closes with a code; ending it here would keep that from the peer.
    this.#terminates = false;
    this.destroy(error);
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this.#socket.send(chunk, callback);
  }

  override _final(callback: () => void): void {
    if (!this.#socket[kFinish](callback)) return;
    callback();
    if (this.readableEnded) this.destroy();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const socket = this.#socket;
    const finish = (): void => {
      callback(error);
      process.nextTick(() => this.emit('close'));
    };
    if (socket.readyState === socket.CLOSED) {
      finish();
      return;
    }
    socket.once('close', finish);
    if (this.#terminates) socket.terminate();
  }
}

/**
 * Messages become chunks and chunks become messages; end() closes the socket, destroy() terminates it.
 * @param options of the Duplex; only the readable side may be in object mode
 */
export function createWebSocketStream(socket: WebSocket, options?: DuplexOptions): Duplex {
  return new SocketStream(socket, options);
}
