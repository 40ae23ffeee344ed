// A TCP connection of a port without a protocol: bytes go to `receive` as they come, and send() and sendfile()
// write them. What is sent behind a file waits for it, so that the order is kept.

import { createReadStream } from 'node:fs';
import type { Connection, ConnectionOwner } from '../../net/types.ts';
import { FILE_CHUNK_BYTES } from './bounds.ts';
import type { Client } from './clients.ts';

export interface RawHost {
  readonly queueBytes: number;
  received(client: Client, data: Buffer): void;
  drained(client: Client): void;
  gone(client: Client, bytesUnsent: number, errno: number): void;
  report(error: unknown): void;
}

export class RawConnection implements ConnectionOwner {
  readonly #client: Client;
  readonly #host: RawHost;
  /** Behind a file that is on its way; undefined while there is none. */
  #waiting: Buffer[] | undefined;
  #waitingBytes = 0;
  #drained: (() => void) | undefined;

  constructor(client: Client, host: RawHost) {
    this.#client = client;
    this.#host = host;
  }

  /** @returns false when its queue is full, or the connection is not open */
  send(data: Buffer): boolean {
    const { connection } = this.#client;
    if (connection.pendingBytes + this.#waitingBytes >= this.#host.queueBytes) return false;
    if (this.#waiting === undefined) return connection.write(data) >= 0;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    return connection.isOpen;
  }

  /** @returns false while another file is on its way; the descriptor is then the caller's */
  sendFile(fd: number, offset: number, length: number): boolean {
    if (this.#waiting !== undefined || !this.#client.connection.isOpen) return false;
    this.#waiting = [];
    this.#copy(fd, offset, length).catch((error: unknown) => {
      this.#host.report(error);
      // Whoever reads must not take a part for the whole.
      this.#client.connection.reset();
    });
    return true;
  }

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    this.#host.received(this.#client, Buffer.from(slab.subarray(start, end)));
  }

  onEnd(connection: Connection): void {
    connection.close();
  }

  onDrain(): void {
    this.#wake();
    this.#host.drained(this.#client);
  }

  onDeadline(): void {
    // None is ever set.
  }

  onClose(connection: Connection, errno: number): void {
    this.#wake();
    this.#host.gone(this.#client, connection.unsentBytes + this.#waitingBytes, errno);
  }

  onFailure(connection: Connection, error: unknown): void {
    this.#host.report(error);
    connection.reset();
  }

  async #copy(fd: number, start: number, length: number): Promise<void> {
    const { connection } = this.#client;
    const end = start + length - 1;
    const options = { fd, start, end, highWaterMark: FILE_CHUNK_BYTES };
    for await (const chunk of createReadStream('', options)) {
      if (connection.write(chunk as Buffer) < 0) return;
      if (connection.pendingBytes >= FILE_CHUNK_BYTES) await this.#drain(connection);
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#waitingBytes = 0;
    for (const data of waiting) connection.write(data);
  }

  #drain(connection: Connection): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve;
      connection.noticeDrain();
    });
  }

  #wake(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }
}

/** Owner of a connection that was refused. */
export const SILENT: ConnectionOwner = {
  onData: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onDeadline: () => undefined,
  onClose: () => undefined,
  onFailure: () => undefined,
};
