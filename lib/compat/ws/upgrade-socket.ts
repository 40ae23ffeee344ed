// The socket of an upgrade request on a port of our own, for hooks and listeners that expect Node's: it
// says where the request comes from, takes an answer as bytes, and gives its connection to a WebSocket.
//
//   pending --handOver()--> taken: bytes are the WebSocket's, only addresses and destroy() are left
//      '--write(), end()--> raw: whoever refuses the request writes the answer

import { Duplex } from 'node:stream';
import type { SocketConnection } from '../../net/connection.ts';
import type { Connection, ConnectionOwner } from '../../net/types.ts';
import type { UpgradeExchange } from '../../server/http/http-upgrade.ts';

type Callback = (error?: Error | null) => void;

export class UpgradeSocket extends Duplex implements ConnectionOwner {
  readonly connection: SocketConnection;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Until it is decided: it keeps the HTTP layer's state of the connection. */
  #exchange: UpgradeExchange | undefined;
  #isTaken = false;
  #isRaw = false;
  #waiting: Callback | undefined;

  /** @param connection of the exchange, on the loop that WebSockets are on */
  constructor(exchange: UpgradeExchange, connection: SocketConnection) {
    super({ allowHalfOpen: true, emitClose: true });
    this.#exchange = exchange;
    this.connection = connection;
    this.remoteAddress = connection.remoteAddress;
    this.remotePort = connection.remotePort;
    exchange.onGone(() => this.destroy());
  }

  get remoteFamily(): 'IPv4' | 'IPv6' {
    return this.remoteAddress.includes(':') ? 'IPv6' : 'IPv4';
  }

  get localAddress(): string | undefined {
    return this.connection.info()?.localAddress;
  }

  get localPort(): number | undefined {
    return this.connection.info()?.localPort;
  }

  /** The connection becomes `owner`'s, behind this answer. */
  handOver(answer: string, owner: ConnectionOwner): void {
    this.#isTaken = true;
    this.#accept(Buffer.from(answer), owner);
  }

  // What Node's sockets have and programs call without looking.

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  // ---- Duplex ------------------------------------------------------------

  override _read(): void {
    if (this.#isRaw) this.connection.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    if (this.#isTaken) {
      callback(new Error('The socket belongs to a WebSocket'));
      return;
    }
    if (this.#isRaw) this.connection.write(chunk);
    else {
      this.#isRaw = true;
      this.#accept(chunk, this);
    }
    if (this.connection.pendingBytes < this.writableHighWaterMark) callback();
    else {
      this.#waiting = callback;
      this.connection.noticeDrain();
    }
  }

  override _final(callback: Callback): void {
    this.connection.end();
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.connection.drop();
    callback(error);
  }

  #accept(answer: Buffer, owner: ConnectionOwner): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    // Each byte as a character: how the HTTP layer takes bytes that are a text already.
    exchange?.accept(answer.toString('latin1'), owner);
  }

  // ---- ConnectionOwner, while an answer is written -----------------------

  onData(connection: Connection, slab: Buffer, start: number, end: number): void {
    if (!this.push(Buffer.from(slab.subarray(start, end)))) connection.pause();
  }

  onEnd(): void {
    this.push(null);
  }

  onDrain(): void {
    const callback = this.#waiting;
    this.#waiting = undefined;
    callback?.();
  }

  onDeadline(): void {
    this.destroy();
  }

  onClose(): void {
    this.destroy();
  }

  onFailure(_connection: Connection, error: Error): void {
    this.destroy(error);
  }
}
