// A loop with one listener whose owner keeps a log, and a plain node:net client. Waits have deadlines.

import { connect, type Socket } from 'node:net';
import { createLoop, type EventLoop } from '../../lib/net/event-loop.ts';
import type { Connection, ConnectionOwner, Listener } from '../../lib/net/types.ts';

const WAIT_MS_MAX = 10_000;

export type Handlers = {
  [Name in keyof ConnectionOwner]?: (...args: Parameters<ConnectionOwner[Name]>) => unknown;
};

export class NetHarness {
  readonly loop: EventLoop;
  readonly listener: Listener;
  readonly log: string[] = [];
  readonly failures: unknown[] = [];
  readonly connections: Connection[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #clients: Socket[] = [];

  constructor(handlers: Handlers = {}, host = '127.0.0.1') {
    this.loop = createLoop();
    this.listener = this.loop.listen({ host, port: 0 }, (connection) => {
      this.connections.push(connection);
      this.note('open');
      return this.#owner(handlers);
    });
  }

  #owner(handlers: Handlers): ConnectionOwner {
    return {
      onData: (connection, slab, start, end) => {
        const result = handlers.onData?.(connection, slab, start, end);
        this.note(`data ${end - start}`);
        return result as undefined;
      },
      onEnd: (connection) => {
        this.note('end');
        if (handlers.onEnd === undefined) connection.close();
        return handlers.onEnd?.(connection) as undefined;
      },
      onDrain: (connection) => {
        this.note('drain');
        handlers.onDrain?.(connection);
      },
      onDeadline: (connection) => {
        this.note('deadline');
        handlers.onDeadline?.(connection);
      },
      onClose: (connection, errno) => {
        this.note(`close ${errno}`);
        return handlers.onClose?.(connection, errno) as undefined;
      },
      onFailure: (connection, error) => {
        this.failures.push(error);
        this.note('failure');
        if (handlers.onFailure === undefined) connection.reset();
        else handlers.onFailure(connection, error);
      },
    };
  }

  note(text: string): void {
    this.log.push(text);
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Resolves when the condition holds; it is looked at after every event. */
  until(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(check);
        reject(new Error(`timed out waiting for ${what}; log: ${this.log.join(', ')}`));
      }, WAIT_MS_MAX);
      const check = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#watchers.delete(check);
        resolve();
      };
      this.#watchers.add(check);
      check();
    });
  }

  untilLogged(entry: string, count = 1): Promise<void> {
    return this.until(entry, () => this.log.filter((text) => text === entry).length >= count);
  }

  /** A connected client; what it receives is in `received`. */
  async client(options: { allowHalfOpen?: boolean; host?: string } = {}): Promise<TestClient> {
    const open = this.log.filter((text) => text === 'open').length;
    const socket = connect({ host: this.listener.host, port: this.listener.port, ...options });
    this.#clients.push(socket);
    const client = new TestClient(socket, (text) => this.note(text));
    await this.untilLogged('open', open + 1);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.loop.close();
  }
}

export class TestClient {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  receivedBytes = 0;
  error: NodeJS.ErrnoException | undefined;

  constructor(socket: Socket, note: (text: string) => void) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.receivedBytes += chunk.length;
      note('client data');
    });
    socket.on('end', () => note('client end'));
    socket.on('error', (error) => {
      this.error = error;
      note('client error');
    });
    socket.on('close', () => note('client close'));
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.received.toString('utf8');
  }
}
