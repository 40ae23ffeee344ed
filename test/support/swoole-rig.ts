// A server of sluice/swoole in this process, with its clients; everything is closed after each test.

import { afterEach } from 'vitest';
import {
  type Frame,
  Server,
  type ServerEvents,
  type Settings,
} from '../../lib/compat/swoole/index.ts';
import { HttpClient } from './http-client.ts';
import { RawClient, TestClient } from './websocket-client.ts';

const running: SwooleRig[] = [];

afterEach(async () => {
  for (const rig of running.splice(0)) await rig.stop();
});

type Callbacks = Partial<ServerEvents>;

export class SwooleRig {
  readonly server: Server;
  readonly errors: unknown[] = [];
  readonly #clients: { destroy(): void }[] = [];
  #ended: Promise<void> | undefined;

  private constructor(server: Server) {
    this.server = server;
    running.push(this);
  }

  /** A server that listens. */
  static async start(
    callbacks: Callbacks,
    settings: Settings = {},
    server = new Server('127.0.0.1', 0),
  ): Promise<SwooleRig> {
    const rig = new SwooleRig(server);
    server.set(settings);
    server.on('error', (_server, error) => rig.errors.push(error));
    for (const [name, callback] of Object.entries(callbacks)) {
      if (name !== 'start' && name !== 'shutdown') server.on(name, callback as never);
    }
    rig.#ended = new Promise((resolve) => {
      server.on('shutdown', (each) => {
        callbacks.shutdown?.(each);
        resolve();
      });
    });
    await new Promise<void>((resolve) => {
      server.on('start', (each) => {
        callbacks.start?.(each);
        resolve();
      });
      server.start();
    });
    return rig;
  }

  get origin(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  async open(path = '/', ...rest: [(readonly string[])?, object?]): Promise<TestClient> {
    const client = new TestClient(`ws://${this.origin}${path}`, ...rest);
    this.#clients.push({ destroy: () => client.ws.terminate() });
    return client.opened();
  }

  raw(port = this.server.port): RawClient {
    const client = new RawClient(port);
    this.#clients.push(client.socket);
    return client;
  }

  http(): HttpClient {
    const client = new HttpClient(this.server.port);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.destroy();
    this.server.shutdown();
    await this.#ended;
  }
}

/** A server that says what it gets, and knows its clients by number in their order. */
export async function talkers(
  settings: Settings = {},
  more: Partial<ServerEvents> = {},
): Promise<{ rig: SwooleRig; fds: number[]; frames: Frame[]; closed: unknown[][] }> {
  const fds: number[] = [];
  const frames: Frame[] = [];
  const closed: unknown[][] = [];
  const rig = await SwooleRig.start(
    {
      open: (_server, request) => fds.push(request.fd),
      message: (_server, frame) => frames.push(frame),
      close: (_server, ...rest) => closed.push(rest),
      ...more,
    },
    settings,
  );
  return { rig, fds, frames, closed };
}
