// Who is connected, by number. An `fd` is a serial number with the worker's index above it, given once in the
// life of a process: one that is kept too long names nobody, never somebody else.

import type { Connection } from '../../net/types.ts';
import type { HttpConnection } from '../../server/http/http-connection.ts';
import type { OutgoingStream, ServerSocket, UpgradeDecision } from '../../server/types.ts';
import { FDS_PER_WORKER } from './bounds.ts';
import { WEBSOCKET_STATUS_CONNECTION } from './constants.ts';
import type { Port } from './port.ts';
import type { RawConnection } from './raw-connection.ts';
import type { Request } from './request.ts';

export class Client {
  readonly fd: number;
  readonly connection: Connection;
  readonly port: Port;
  /** All times are milliseconds since 1970. */
  readonly connectedAt = Date.now();
  lastReceivedAt = this.connectedAt;
  lastSentAt = 0;
  /** On the wire, when somebody last looked. */
  receivedSeen = 0;
  uid: number | undefined;
  isProtected = false;
  /** bufferFull was told, and bufferEmpty was not. */
  isFull = false;
  /** The program has asked for the end. */
  isClosedByUs = false;
  /** One of WEBSOCKET_STATUS_…. */
  status: number = WEBSOCKET_STATUS_CONNECTION;
  /** Exactly one of these three, by what it speaks now. */
  http: HttpConnection | undefined;
  socket: ServerSocket<Client> | undefined;
  raw: RawConnection | undefined;
  /** A message that push() sends in pieces. */
  stream: OutgoingStream | undefined;
  /** The request of its handshake. */
  request: Request | undefined;
  /** Of a handshake that the program has made itself. */
  decision: UpgradeDecision<Client> | undefined;

  constructor(fd: number, connection: Connection, port: Port) {
    this.fd = fd;
    this.connection = connection;
    this.port = port;
  }
}

export class ClientTable {
  readonly #byFd = new Map<number, Client>();
  readonly #byConnection = new Map<Connection, Client>();
  /** Every number that was given, in order, those that are gone among them until there are too many. */
  #order: number[] = [];
  #last: number;

  /** @param worker 0 to WORKERS_MAX - 1 */
  constructor(worker = 0) {
    this.#last = worker * FDS_PER_WORKER;
  }

  get size(): number {
    return this.#byFd.size;
  }

  add(connection: Connection, port: Port): Client {
    const client = new Client(++this.#last, connection, port);
    this.#byFd.set(client.fd, client);
    this.#byConnection.set(connection, client);
    this.#order.push(client.fd);
    return client;
  }

  get(fd: number): Client | undefined {
    return this.#byFd.get(fd);
  }

  of(connection: Connection | undefined): Client | undefined {
    return connection === undefined ? undefined : this.#byConnection.get(connection);
  }

  remove(client: Client): void {
    this.#byFd.delete(client.fd);
    this.#byConnection.delete(client.connection);
    // Compacted when half is gone, so that it costs a constant per connection.
    if (this.#order.length >= 2 * (this.#byFd.size + 32)) this.#order = [...this.#byFd.keys()];
  }

  /** Up to `count` numbers above `after`, in order. */
  page(after: number, count: number): number[] {
    const found: number[] = [];
    for (let i = this.#firstAbove(after); i < this.#order.length && found.length < count; i++) {
      const fd = this.#order[i] as number;
      if (this.#byFd.has(fd)) found.push(fd);
    }
    return found;
  }

  /** Safe to iterate while handlers close some; who comes meanwhile may be among them. */
  *fds(): Generator<number, void> {
    yield* this.#byFd.keys();
  }

  *clients(): Generator<Client, void> {
    yield* this.#byFd.values();
  }

  #firstAbove(fd: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] as number) <= fd) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `server.connections`: the numbers of all connections, iterable and countable. */
export class ConnectionList implements Iterable<number> {
  readonly #clients: ClientTable;

  constructor(clients: ClientTable) {
    this.#clients = clients;
  }

  get length(): number {
    return this.#clients.size;
  }

  count(): number {
    return this.#clients.size;
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#clients.fds();
  }
}
