// The loop on the native engine: batches become calls of connection owners. One crossing brings up
// to 64 events; the cursor stays outside the `try`, so that a handler that throws costs its own
// connection and never its neighbours'.

import { markAsUntransferable } from 'node:worker_threads';
import { SluiceError } from '../base/errors.ts';
import { isThenable } from '../base/thenable.ts';
import type { NativeLoop } from '../native/binding.ts';
import { errorName } from '../native/error-names.ts';
import {
  CALL_BEFORE_FLUSH,
  CALL_CLOSED,
  CALL_COMMIT,
  CALL_DELIVER,
  EVENT_CLOSE,
  EVENT_DATA,
  EVENT_DEADLINE,
  EVENT_DRAIN,
  EVENT_END,
  EVENT_LISTENER_FAILED,
  EVENT_OPEN,
  HEADER_RECEIVE_COUNT,
  HEADER_WANTS,
  ID_GENERATION,
  RECEIVE_RECORDS_MAX,
  RECEIVE_SLAB_BYTES,
  RECEIVE_STRIDE,
  WANT_BEFORE_FLUSH,
  WANT_COMMIT,
} from '../native/layout.ts';
import { loadNative } from '../native/load.ts';
import { type RawBuffer, rawBuffer } from '../native/raw-buffer.ts';
import { AddressTexts } from './address-texts.ts';
import { adoptNative } from './adoption.ts';
import { SocketAudience } from './audience.ts';
import { ConnectionState, SocketConnection } from './connection.ts';
import { addExitListener, removeExitListener } from './exit-listeners.ts';
import { type AcceptCallback, ListenerTable } from './listener-table.ts';
import { LoopCounters } from './loop-counters.ts';
import { SendBuffer, WRITABLE } from './send-buffer.ts';
import { TaskQueue } from './task-queue.ts';
import type {
  AdoptOptions,
  Audience,
  ConnectionOwner,
  Listener,
  Loop,
  LoopListenOptions,
  LoopStats,
  RefusalCounters,
  TickTask,
  TlsCounts,
} from './types.ts';

/** Raised outside of the batch: an exception must not end the batch of the other connections. */
function reportUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

const ignore = (): void => undefined;

/** Owns a connection until the listener's callback has named its owner. */
const UNOWNED: ConnectionOwner = {
  onData: ignore,
  onEnd: ignore,
  onDrain: ignore,
  onDeadline: ignore,
  onClose: ignore,
  onFailure(connection, error) {
    connection.reset();
    reportUncaught(error);
  },
};

export class EventLoop implements Loop {
  readonly #native: NativeLoop;
  readonly #buffer = new SendBuffer();
  readonly #header = this.#buffer.header;
  readonly #receiveSlab: RawBuffer = rawBuffer(Buffer.from(new ArrayBuffer(RECEIVE_SLAB_BYTES)));
  readonly #records = new Int32Array(RECEIVE_RECORDS_MAX * RECEIVE_STRIDE);
  readonly #connections: (SocketConnection | undefined)[] = [];
  readonly #listeners: ListenerTable;
  readonly #addresses = new AddressTexts();
  readonly #counters = new LoopCounters(this.#buffer);
  readonly #flushTasks = new TaskQueue(reportUncaught);
  readonly #commitTasks = new TaskQueue(reportUncaught);
  readonly #onExit = (): void => {
    this.#listeners.closeAll();
    this.flush();
  };
  #openConnections = 0;
  #closed: Promise<void> | undefined;
  #resolveClosed: () => void = ignore;

  constructor() {
    const binding = loadNative();
    const buffer = this.#buffer;
    // postMessage with such a buffer in its transfer list would leave the engine writing into freed memory.
    markAsUntransferable(this.#receiveSlab.buffer);
    markAsUntransferable(buffer.slab.buffer);
    this.#native = new binding.NativeLoop(
      this.#receiveSlab,
      buffer.slab,
      buffer.header,
      this.#records,
      buffer.records,
      buffer.fanout,
      buffer.pending,
      {
        dispatch: (kind) => this.#dispatch(kind),
        poison: process.env['NODE_ENV'] === 'test' || process.env['SLUICE_POISON'] === '1',
      },
    );
    buffer.attach(this.#native);
    this.#listeners = new ListenerTable(this.#native);
    addExitListener(this.#onExit);
  }

  get sendSlab(): Buffer {
    return this.#buffer.slab;
  }

  /** Connections whose onClose has not been called. */
  get connectionCount(): number {
    return this.#openConnections;
  }

  /** send(2) and sendmsg(2) calls so far; wraps at 2^32. For tests and metrics. */
  get sendCalls(): number {
    return this.#counters.sendCalls;
  }

  get stats(): LoopStats {
    return this.#counters.stats;
  }

  get queuedBytes(): number {
    return this.#counters.queuedBytes;
  }

  get queuedConnections(): number {
    return this.#counters.queuedConnections;
  }

  tlsCounts(): TlsCounts {
    return this.#native.secureCounts();
  }

  listen(options: LoopListenOptions, accept: AcceptCallback): Listener {
    if (this.#closed !== undefined) throw new SluiceError('ERR_CLOSED', 'The loop is closed.');
    return this.#listeners.open(options, accept);
  }

  adopt(fd: number, options: AdoptOptions, accept: AcceptCallback): SocketConnection {
    if (this.#closed !== undefined) throw new SluiceError('ERR_CLOSED', 'The loop is closed.');
    const id = adoptNative(this.#native, fd, options);
    const slot = id % ID_GENERATION;
    const generation = Math.floor(id / ID_GENERATION);
    const known = this.#buffer.connectionInfo(slot, generation);
    const { remoteAddress = known?.remoteAddress ?? '' } = options;
    const { remotePort = known?.remotePort ?? 0 } = options;
    const connection = this.#begin(slot, generation, remoteAddress, remotePort);
    try {
      connection.owner = accept(connection);
    } catch (error) {
      connection.drop();
      throw error;
    }
    return connection;
  }

  refusalCounters(): RefusalCounters {
    const [denied, untrusted, malformed, late] = this.#native.refusalCounters();
    return { denied, untrusted, malformed, late };
  }

  audience(highWaterBytes?: number): Audience {
    return new SocketAudience(this.#buffer, highWaterBytes);
  }

  beforeFlush(task: TickTask): void {
    this.#flushTasks.add(task);
    this.#header[HEADER_WANTS] = (this.#header[HEADER_WANTS] as number) | WANT_BEFORE_FLUSH;
  }

  commitSoon(task: TickTask): void {
    this.#commitTasks.add(task);
    this.#header[HEADER_WANTS] = (this.#header[HEADER_WANTS] as number) | WANT_COMMIT;
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#resolveClosed = resolve;
      this.#listeners.closeAll();
      this.#runFlushTasks();
      for (const connection of this.#connections) connection?.drop();
      if (this.#openConnections === 0) this.#release();
    });
    return this.#closed;
  }

  #release(): void {
    removeExitListener(this.#onExit);
    this.flush();
    this.#native.close();
  }

  /** Hands everything that was written to the kernel now instead of at the end of the tick. */
  flush(): void {
    this.#runFlushTasks();
    this.#native.flush();
  }

  #dispatch(kind: number): void {
    switch (kind) {
      case CALL_DELIVER:
        this.#deliver();
        this.#runFlushTasks();
        if (this.#closed !== undefined && this.#openConnections === 0) this.#release();
        return;
      case CALL_COMMIT:
        this.#header[HEADER_WANTS] = (this.#header[HEADER_WANTS] as number) & ~WANT_COMMIT;
        this.#commitTasks.run();
        this.#runFlushTasks();
        return;
      case CALL_BEFORE_FLUSH:
        this.#runFlushTasks();
        return;
      case CALL_CLOSED:
        this.#resolveClosed();
        return;
    }
  }

  #runFlushTasks(): void {
    this.#flushTasks.run();
    if (!this.#flushTasks.isEmpty) return;
    this.#header[HEADER_WANTS] = (this.#header[HEADER_WANTS] as number) & ~WANT_BEFORE_FLUSH;
  }

  #deliver(): void {
    const count = this.#header[HEADER_RECEIVE_COUNT] as number;
    this.#buffer.batch++;
    let cursor = 0;
    while (cursor < count) {
      try {
        while (cursor < count) {
          const at = cursor * RECEIVE_STRIDE;
          cursor++;
          this.#deliverRecord(at);
        }
      } catch (error) {
        this.#failed(this.#connectionAt((cursor - 1) * RECEIVE_STRIDE), error);
      }
    }
  }

  /** The connection a record is about; a handler may have closed a neighbour of the same batch. */
  #connectionAt(at: number): SocketConnection | undefined {
    const connection = this.#connections[this.#records[at] as number];
    return connection?.generation === this.#records[at + 1] ? connection : undefined;
  }

  #deliverRecord(at: number): void {
    const records = this.#records;
    const kind = records[at + 2] as number;
    if (kind === EVENT_OPEN) {
      this.#opened(at);
      return;
    }
    if (kind === EVENT_LISTENER_FAILED) {
      this.#listenerFailed(at);
      return;
    }
    const connection = this.#connectionAt(at);
    if (connection === undefined) return;
    if (kind === EVENT_CLOSE) {
      this.#gone(connection, records[at + 5] as number, records[at + 6] as number);
    } else if (connection.state < ConnectionState.CLOSING) {
      this.#callOwner(connection, kind, records[at + 3] as number, records[at + 4] as number);
    }
  }

  #callOwner(connection: SocketConnection, kind: number, start: number, end: number): void {
    const owner = connection.owner;
    let result: unknown;
    if (kind === EVENT_DATA) {
      result = owner.onData(connection, this.#receiveSlab, start, end);
    } else if (kind === EVENT_END) {
      result = owner.onEnd(connection);
    } else if (kind === EVENT_DRAIN) {
      result = owner.onDrain(connection);
    } else if (kind === EVENT_DEADLINE && connection.deadlineBatch !== this.#buffer.batch) {
      result = owner.onDeadline(connection);
    }
    if (result !== undefined) this.#watch(connection, result);
  }

  /** A handler that is an async function fails like one that throws. */
  #watch(connection: SocketConnection, result: unknown): void {
    if (!isThenable(result)) return;
    result.then(undefined, (error: unknown) => this.#failed(connection, error));
  }

  #opened(at: number): void {
    const records = this.#records;
    const text = this.#receiveSlab.latin1Slice(records[at + 3], records[at + 4]);
    const address = this.#addresses.intern(text);
    const slot = records[at] as number;
    const port = records[at + 6] as number;
    const connection = this.#begin(slot, records[at + 1] as number, address, port);
    const listener = records[at + 5] as number;
    if (this.#listeners.isSecure(listener)) this.#buffer.secure[slot] = 1;
    const accept = this.#listeners.acceptor(listener);
    if (accept === undefined) {
      connection.drop();
    } else {
      connection.owner = accept(connection);
    }
  }

  #begin(slot: number, generation: number, address: string, port: number): SocketConnection {
    const connection = new SocketConnection(slot, generation, address, port, UNOWNED, this.#buffer);
    this.#connections[slot] = connection;
    this.#buffer.writable[slot] = WRITABLE;
    this.#buffer.secure[slot] = 0;
    this.#openConnections++;
    return connection;
  }

  #gone(connection: SocketConnection, errno: number, unsentBytes: number): void {
    this.#connections[connection.slot] = undefined;
    this.#openConnections--;
    connection.markClosed(unsentBytes);
    try {
      const result: unknown = connection.owner.onClose(connection, errno);
      if (result !== undefined) this.#watch(connection, result);
    } catch (error) {
      this.#failed(connection, error);
    }
  }

  #listenerFailed(at: number): void {
    const errno = this.#records[at + 5] as number;
    this.#listeners.forget(this.#records[at] as number);
    const text = `accept ${errorName(errno)}`;
    reportUncaught(new SluiceError('ERR_SYSTEM', text, { errno, syscall: 'accept4' }));
  }

  #failed(connection: SocketConnection | undefined, error: unknown): void {
    if (connection === undefined) {
      reportUncaught(error);
      return;
    }
    try {
      connection.owner.onFailure(connection, error);
    } catch (second) {
      connection.reset();
      reportUncaught(second);
    }
  }
}

/**
 * A loop of its own on this thread's Node event loop. It keeps the process alive while it listens or
 * has connections.
 * @throws SluiceError ERR_NATIVE_MISSING when the addon cannot be loaded
 */
export function createLoop(): EventLoop {
  return new EventLoop();
}
