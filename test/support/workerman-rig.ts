// Runs workers of sluice/workerman in this process, with what they log kept, and peers for them.

import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Worker, type WorkerContext } from '../../lib/compat/workerman/index.ts';
import { until } from './until.ts';
import { TestClient } from './websocket-client.ts';

/** What Worker.log() and safeEcho() have said since the last stop. */
export const logged: string[] = [];
const peers: { destroy(): void }[] = [];

Worker.outputStream = { write: (text: string) => logged.push(text) };

export function worker(name: string, context?: WorkerContext): Worker {
  const made = new Worker(`${name}://127.0.0.1:0`, context);
  made.name = name;
  return made;
}

/** A plain socket that collects what it hears as text. */
export class Peer {
  readonly socket: Socket;
  text = '';
  hasEnded = false;
  isClosed = false;

  constructor(options: NetConnectOpts) {
    this.socket = connect({ ...options, allowHalfOpen: true });
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    this.socket.on('end', () => {
      this.hasEnded = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    // Resets are what some tests are about; they look at isClosed.
    this.socket.on('error', () => undefined);
    peers.push(this.socket);
  }

  static to({ port }: Worker): Peer {
    return new Peer({ port, host: '127.0.0.1' });
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  async hears(text: string): Promise<void> {
    await until(`${JSON.stringify(text)} in ${this.text}`, () => this.text.includes(text));
  }

  async ended(): Promise<void> {
    await until('the end', () => this.hasEnded || this.isClosed);
  }
}

export async function webSocket(
  { port }: Worker,
  path = '/',
  protocols: readonly string[] = [],
  options: ConstructorParameters<typeof TestClient>[2] = {},
): Promise<TestClient> {
  const client = new TestClient(`ws://127.0.0.1:${port}${path}`, protocols, options);
  peers.push({ destroy: () => client.ws.terminate() });
  return client.opened();
}

/** For afterEach. */
export async function stopEverything(): Promise<void> {
  for (const peer of peers.splice(0)) peer.destroy();
  await Worker.stopAll();
  logged.length = 0;
}
