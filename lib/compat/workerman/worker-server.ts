// A Worker in the form in which a worker process serves: it listens at descriptors that were handed down,
// says how much it has done, and leaves over a window.

import type { ConnectionRow } from '../../process/connection-list.ts';
import type { Servable, ServedSocket } from '../../process/types.ts';
import type { ServerListener } from '../../server/types.ts';
import { processLog } from './process-log.ts';
import type { TcpConnection } from './tcp-connection.ts';
import type { Worker } from './worker.ts';

type ListenOptions = Parameters<Servable['listen']>[0];
type CloseOptions = Parameters<Servable['close']>[0];

/** A connection in the list of `connections`. */
export function describeConnection(socket: ServedSocket): ConnectionRow {
  const { connection, worker } = socket.data as { connection: TcpConnection; worker: Worker };
  return {
    pid: process.pid,
    worker: worker.name,
    id: connection.id,
    ip: connection.getRemoteIp(),
    port: connection.getRemotePort(),
    bytes: connection.bytesRead + connection.bytesWritten,
    queueBytes: connection.getSendBufferQueueSize(),
  };
}

export class WorkerServer implements Servable {
  readonly #worker: Worker;

  constructor(worker: Worker) {
    this.#worker = worker;
  }

  async listen(options: ListenOptions): Promise<ServerListener> {
    return this.#worker.listenAt(options);
  }

  get sockets(): Iterable<ServedSocket> {
    return [...this.#worker.connections.values()].map((connection) => ({
      close: (code: number, reason: string) => connection.leave(code, reason),
      data: { connection, worker: this.#worker },
    }));
  }

  stats(): ReturnType<Servable['stats']> {
    return {
      connections: { open: this.#worker.connections.size },
      requests: { total: this.#worker.requestCount },
      messages: { received: 0 },
    };
  }

  /** onWorkerStop at once; connections leave over the window, and are dropped after the deadline. */
  async close({ code, reason, windowMs, deadlineMs }: CloseOptions): Promise<void> {
    const { connections } = this.#worker;
    const timers = new Set<NodeJS.Timeout>();
    const leaveSoon = (connection: TcpConnection): void => {
      const ms = Math.random() * windowMs;
      timers.add(setTimeout(() => connection.leave(code, reason), ms));
    };
    this.#worker.stop(false);
    for (const connection of connections.values()) leaveSoon(connection);
    const gone = new Promise<void>((resolve) => {
      this.#worker.whenEmpty = resolve;
      timers.add(setTimeout(resolve, windowMs + deadlineMs));
    });
    this.#worker.connectionGone();
    await gone;
    for (const timer of timers) clearTimeout(timer);
    if (connections.size > 0) processLog.write(`${connections.size} connections are dropped`);
    for (const connection of [...connections.values()]) connection.destroy();
  }
}
