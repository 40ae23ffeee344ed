// A TCP client on a line of a set width: it takes so many bytes at a time, all the time, and keeps only
// how many there were, what came last, and how the connection ended.

import { connect, type Socket } from 'node:net';

const READ_EVERY_MS = 5;

export class PacedClient {
  readonly socket: Socket;
  receivedBytes = 0;
  last: Buffer = Buffer.alloc(0);
  errorCode: string | undefined;
  hasEnded = false;
  isClosed = false;
  readonly #reading: NodeJS.Timeout;

  /** @param bytesPerSecond how much it takes while there is something to take */
  constructor(port: number, bytesPerSecond: number, first: string) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode ??= error.code ?? error.message;
    });
    this.socket.on('end', () => {
      this.hasEnded = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.write(first);
    this.socket.pause();
    const started = performance.now();
    this.#reading = setInterval(() => {
      const due = ((performance.now() - started) / 1000) * bytesPerSecond;
      while (this.receivedBytes < due && this.#take(due - this.receivedBytes));
    }, READ_EVERY_MS);
  }

  /** Whether the server has ended it or cut it off. */
  get isOver(): boolean {
    return this.hasEnded || this.isClosed;
  }

  destroy(): void {
    clearInterval(this.#reading);
    this.socket.destroy();
  }

  /** @returns whether there was something */
  #take(bytesMax: number): boolean {
    const ready = Math.min(Math.ceil(bytesMax), this.socket.readableLength);
    // Reading nothing asks for more.
    const chunk = this.socket.read(ready) as Buffer | null;
    if (chunk === null) return false;
    this.receivedBytes += chunk.length;
    this.last = chunk;
    return true;
  }
}
