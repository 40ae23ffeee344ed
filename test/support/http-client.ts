// A plain TCP client that speaks HTTP by hand: it keeps what came, and how the connection ended.

import { connect, type Socket } from 'node:net';
import { until } from './until.ts';

export class HttpClient {
  readonly socket: Socket;
  /** 'ECONNRESET' and the like, when the connection did not end in order. */
  errorCode: string | undefined;
  hasEnded = false;
  isClosed = false;
  receivedBytes = 0;
  #chunks: Buffer[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (bytes) => {
      this.receivedBytes += bytes.length;
      this.#chunks.push(bytes);
    });
    this.socket.on('end', () => {
      this.hasEnded = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode ??= error.code ?? error.message;
    });
  }

  /** Everything that was received, as latin1. */
  get text(): string {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]?.toString('latin1') ?? '';
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map((match) => Number(match[1]));
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  async says(pattern: string): Promise<string> {
    await until(`${pattern} in ${this.text}`, () => this.text.includes(pattern));
    return this.text;
  }

  /** Waits for the server's FIN, or a reset. @returns everything that was received */
  async ended(): Promise<string> {
    await until(`the end of ${this.text}`, () => this.hasEnded || this.isClosed);
    return this.text;
  }

  destroy(): void {
    this.socket.destroy();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }
}
