// Who is connected, by number. An `fd` is a count with the serial of its worker process above it, and neither is
// given twice: one that is kept too long names nobody, never somebody else.

import type { Connection } from '../../net/types.ts';
import type { HttpConnection } from '../../server/http/http-connection.ts';
import type { OutgoingStream, ServerSocket, UpgradeDecision } from '../../server/types.ts';
import { FDS_PER_WORKER } from './bounds.ts';
import { WEBSOCKET_STATUS_CONNECTION } from './constants.ts';
import { FdIndex } from './fd-index.ts';
import type { OtherClients } from './other-clients.ts';
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
  readonly #index = new FdIndex<Client>();
  readonly #byConnection = new Map<Connection, Client>();
  #last: number;
  #end: number;
  /** Called with whoever comes, goes, or has become something else. */
  onChange: (fd: number) => void = () => undefined;

  /** @param serial of this process among all that have served; 0: there are no others */
  constructor(serial = 0) {
    this.#last = serial * FDS_PER_WORKER;
    this.#end = serial === 0 ? Number.MAX_SAFE_INTEGER : this.#last + FDS_PER_WORKER - 1;
  }

  /** Numbers are those of this worker process from now on. */
  startAt(serial: number): void {
    this.#last = serial * FDS_PER_WORKER;
    this.#end = this.#last + FDS_PER_WORKER - 1;
  }

  get size(): number {
    return this.#index.size;
  }

  /** All numbers are given. */
  get isSpent(): boolean {
    return this.#last >= this.#end;
  }

  add(connection: Connection, port: Port): Client {
    const client = new Client(++this.#last, connection, port);
    this.#index.set(client.fd, client);
    this.#byConnection.set(connection, client);
    this.onChange(client.fd);
    return client;
  }

  get(fd: number): Client | undefined {
    return this.#index.get(fd);
  }

  of(connection: Connection | undefined): Client | undefined {
    return connection === undefined ? undefined : this.#byConnection.get(connection);
  }

  remove(client: Client): void {
    this.#index.delete(client.fd);
    this.#byConnection.delete(client.connection);
    this.onChange(client.fd);
  }

  /** Up to `count` numbers above `after`, in order. */
  page(after: number, count: number): number[] {
    return this.#index.page(after, count);
  }

  /** Safe to iterate while handlers close some; who comes meanwhile may be among them. */
  fds(): IterableIterator<number> {
    return this.#index.keys();
  }

  clients(): IterableIterator<Client> {
    return this.#index.values();
  }
}

/** `server.connections`: the numbers of all connections, iterable and countable. */
export class ConnectionList implements Iterable<number> {
  readonly #clients: ClientTable;
  readonly #others: OtherClients;

  constructor(clients: ClientTable, others: OtherClients) {
    this.#clients = clients;
    this.#others = others;
  }

  get length(): number {
    return this.#clients.size + this.#others.size;
  }

  count(): number {
    return this.length;
  }

  *[Symbol.iterator](): Iterator<number> {
    yield* this.#clients.fds();
    yield* this.#others.fds();
  }
}
