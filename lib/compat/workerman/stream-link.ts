// Carries packages over plain bytes: as they come, or as a stream protocol cuts them. Owns what was
// received and is not a whole package yet, at most maxPackageSize of it.

import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { MessageData } from './callbacks.ts';
import { PACKAGE_BYTES_MAX } from './constants.ts';
import type { Link } from './link.ts';
import { bytesOf, type StreamProtocol } from './protocols.ts';
import type { TcpConnection } from './tcp-connection.ts';

const EMPTY = Buffer.alloc(0);

export class StreamLink implements Link, ConnectionOwner {
  readonly #connection: Connection;
  readonly #tcp: TcpConnection;
  readonly #protocol: StreamProtocol | undefined;
  #received: Buffer = EMPTY;
  /** Of the package that `#received` begins with; 0 while it is not known. */
  #packageLength = 0;
  #hasPeerEnded = false;
  #isRunning = false;

  constructor(connection: Connection, tcp: TcpConnection, protocol: StreamProtocol | undefined) {
    this.#connection = connection;
    this.#tcp = tcp;
    this.#protocol = protocol;
  }

  // ---- Link --------------------------------------------------------------

  get topicMember(): undefined {
    return undefined;
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  get receivedBytes(): number {
    return this.#received.length;
  }

  send(data: unknown): boolean {
    const encoded = this.#protocol === undefined ? data : this.#protocol.encode(data, this.#tcp);
    if (typeof encoded === 'string') return this.#connection.writeUtf8(encoded) >= 0;
    return this.#connection.write(bytesOf(encoded)) >= 0;
  }

  flushSends(): void {
    // Nothing is collected here.
  }

  consume(length: number): void {
    this.#received = this.#received.subarray(length);
    this.#packageLength = 0;
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
    if (this.#received.length === 0 && !this.#hasPeerEnded) return;
    setImmediate(() => {
      this.#run();
      if (this.#hasPeerEnded) this.onEnd();
    });
  }

  leave(): void {
    this.#tcp.close();
  }

  close(): void {
    this.#received = EMPTY;
    this.#connection.close();
  }

  stop(): void {
    this.#received = EMPTY;
  }

  fail(): void {
    this.#received = EMPTY;
    this.#connection.reset();
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(_connection: Connection, slab: Buffer, start: number, end: number): void {
    if (!this.#tcp.isReceiving) return;
    const came = Buffer.from(slab.subarray(start, end));
    this.#received = this.#received.length === 0 ? came : Buffer.concat([this.#received, came]);
    this.#run();
  }

  /** The peer's FIN closes, as in Workerman; while nothing is read it waits behind what came before. */
  onEnd(): void {
    this.#hasPeerEnded = true;
    if (!this.#tcp.isPaused) this.#tcp.close();
  }

  onDrain(): void {
    if (this.#connection.pendingBytes === 0) this.#tcp.drained();
  }

  onDeadline(): void {
    // None is set.
  }

  onClose(): void {
    this.#received = EMPTY;
    this.#tcp.closed();
  }

  onFailure(_connection: Connection, error: unknown): void {
    this.#tcp.failed(error);
  }

  // ------------------------------------------------------------------------

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#received.length > 0 && this.#tcp.isReceiving && !this.#tcp.isPaused) {
        if (this.#protocol === undefined) this.#handOver(this.#received.length);
        else if (!this.#cut(this.#protocol)) break;
      }
    } catch (error) {
      // Of the protocol: where the next package begins is lost.
      this.#tcp.failed(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** @returns false when the package is not complete, or is none */
  #cut(protocol: StreamProtocol): boolean {
    const { maxPackageSize } = this.#tcp;
    const bytesMax = Math.min(maxPackageSize, PACKAGE_BYTES_MAX);
    if (this.#packageLength === 0) {
      const length = protocol.input(this.#received, this.#tcp);
      const known = length === 0 ? this.#received.length : length;
      if (known < 0 || known > bytesMax) {
        this.#tcp.failed(new Error(`A package of ${this.#tcp.getRemoteAddress()} is no package.`));
        return false;
      }
      if (length === 0) return false;
      this.#packageLength = length;
    }
    if (this.#packageLength > this.#received.length) return false;
    this.#handOver(this.#packageLength);
    return true;
  }

  #handOver(length: number): void {
    const bytes = this.#received.subarray(0, length);
    this.#received = length === this.#received.length ? EMPTY : this.#received.subarray(length);
    this.#packageLength = 0;
    const data = this.#protocol === undefined ? bytes : this.#protocol.decode(bytes, this.#tcp);
    this.#tcp.handOver(data as MessageData);
  }
}
