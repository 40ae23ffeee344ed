// The line to one peer: a Unix stream socket on the bus's loop. The first record of each side says who it
// is and which versions of the protocol it speaks.

import type { Connection, ConnectionOwner } from '../net/types.ts';
import {
  BUS_KINDS,
  BUS_RECORD_BYTES_MAX,
  busRecordBytes,
  readBusRecord,
  writeBusRecord,
} from './bus-record.ts';
import { BusRequests } from './bus-requests.ts';
import type { BusData, BusPeer } from './bus-types.ts';
import { RECORD_VERSION, RecordReader } from './record.ts';

/** What a peer may owe to its signals, before further ones are dropped. */
export const SIGNAL_QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** Who has not said hello by then is no peer. */
const HELLO_TIMEOUT_MS = 5_000;
/** Below it a record is written into the loop's slab at once. */
const SLAB_RECORD_BYTES_MAX = 65_536;

interface Hello extends BusPeer {
  /** Versions of the protocol, both included. */
  readonly least: number;
  readonly most: number;
}

export interface LineHandler {
  readonly identity: BusPeer;
  readonly sendSlab: Buffer;
  /** @returns false when it is known already: this line is one too many */
  joined(line: BusLine): boolean;
  signalled(name: string, data: string | Buffer, from: BusPeer): void;
  /** The answer goes by answer() or fail(). */
  requested(line: BusLine, id: number, name: string, data: string | Buffer): void;
  gone(line: BusLine): void;
  failed(error: unknown): void;
}

export class BusLine implements ConnectionOwner {
  readonly requests = new BusRequests((id, request) =>
    this.#write(BUS_KINDS.request, id, request.name, request.data, request.bytes),
  );
  readonly expected: number | undefined;
  readonly #connection: Connection;
  readonly #handler: LineHandler;
  readonly #reader = new RecordReader(BUS_RECORD_BYTES_MAX);
  #peer: BusPeer | undefined;

  /** @param expected whose socket we have connected to */
  constructor(connection: Connection, handler: LineHandler, expected?: number) {
    this.expected = expected;
    this.#connection = connection;
    this.#handler = handler;
    connection.setDeadline(HELLO_TIMEOUT_MS);
    const hello: Hello = { ...handler.identity, least: RECORD_VERSION, most: RECORD_VERSION };
    this.#say(BUS_KINDS.hello, 0, '', JSON.stringify(hello));
  }

  /** Undefined until it has said hello. */
  get peer(): BusPeer | undefined {
    return this.#peer;
  }

  get queuedBytes(): number {
    return this.#connection.pendingBytes;
  }

  /** @param bytes from busRecordBytes @returns false when it was dropped */
  signal(name: string, data: BusData, bytes: number): boolean {
    if (this.#connection.pendingBytes + bytes > SIGNAL_QUEUE_BYTES_MAX) return false;
    this.#write(BUS_KINDS.signal, 0, name, data, bytes);
    return true;
  }

  answer(id: number, data: BusData): void {
    this.#say(BUS_KINDS.answer, id, '', data);
  }

  fail(id: number, reason: string): void {
    this.#say(BUS_KINDS.failure, id, '', reason);
  }

  /** Sends what is owed, and ends. */
  close(): void {
    this.#connection.close();
  }

  // ---- ConnectionOwner ---------------------------------------------------

  onData(connection: Connection, slab: Buffer, start: number, end: number): void {
    const isOurs = this.#reader.push(slab, start, end, this.#take);
    if (!isOurs) connection.reset();
  }

  onEnd(connection: Connection): void {
    connection.close();
  }

  onDrain(): void {
    // Credit and the bound of signals are judged at each write.
  }

  onDeadline(connection: Connection): void {
    connection.reset();
  }

  onClose(): void {
    this.requests.close();
    this.#handler.gone(this);
  }

  onFailure(connection: Connection, error: unknown): void {
    connection.reset();
    this.#handler.failed(error);
  }

  // ------------------------------------------------------------------------

  readonly #take = (kind: number, bytes: Buffer, start: number, end: number): boolean => {
    const message = readBusRecord(bytes, start, end);
    if (message === undefined || !this.#connection.isOpen) return false;
    const { id, name, data } = message;
    const peer = this.#peer;
    if (peer === undefined) return kind === BUS_KINDS.hello && this.#greet(data);
    if (kind === BUS_KINDS.signal) this.#handler.signalled(name, data, peer);
    else if (kind === BUS_KINDS.request) this.#handler.requested(this, id, name, data);
    else if (kind === BUS_KINDS.answer) this.requests.answered(id, data);
    else if (kind === BUS_KINDS.failure) this.requests.failed(id, String(data));
    return true;
  };

  #greet(data: string | Buffer): boolean {
    const hello = parseHello(String(data));
    if (hello === undefined) return false;
    if (hello.least > RECORD_VERSION || hello.most < RECORD_VERSION) return false;
    this.#connection.setDeadline(0);
    this.#peer = { serial: hello.serial, slot: hello.slot };
    return this.#handler.joined(this);
  }

  #say(kind: number, id: number, name: string, data: BusData): void {
    this.#write(kind, id, name, data, busRecordBytes(name, data));
  }

  #write(kind: number, id: number, name: string, data: BusData, bytes: number): void {
    const connection = this.#connection;
    if (bytes > SLAB_RECORD_BYTES_MAX) {
      const record = Buffer.allocUnsafe(bytes);
      writeBusRecord(record, 0, kind, id, name, data, bytes);
      // A refusal means that the peer is gone or owes 256 MiB: either way the line ends here.
      if (connection.write(record) < 0) connection.reset();
      return;
    }
    const at = connection.reserve(bytes);
    if (at < 0) {
      connection.reset();
      return;
    }
    writeBusRecord(this.#handler.sendSlab, at, kind, id, name, data, bytes);
    connection.commit(bytes);
  }
}

/** Undefined for what no peer would say. */
function parseHello(text: string): Hello | undefined {
  try {
    const { serial, slot, least, most } = JSON.parse(text) as Partial<Record<keyof Hello, unknown>>;
    const numbers = [serial, slot, least, most];
    if (!numbers.every(Number.isSafeInteger)) return undefined;
    return { serial, slot, least, most } as Hello;
  } catch {
    return undefined;
  }
}
