// A server with TLS, a certificate of its own and clients of several kinds. When it stops, no TLS
// object of the process may be left.

import { once } from 'node:events';
import { connect as connectPlain, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type WebSocket from 'ws';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { createLoop, type EventLoop } from '../../lib/net/event-loop.ts';
import { createServerOn } from '../../lib/server/server.ts';
import type { Server, ServerOptions, TlsOptions } from '../../lib/server/types.ts';
import { makeCertificate, type TestIdentity } from './certificates.ts';
import { until } from './until.ts';
import { TestClient } from './websocket-client.ts';

export type TlsRigOptions = Omit<ServerOptions, 'tls'> & { readonly tls?: Partial<TlsOptions> };

/** One for all tests of a file: making it takes longer than most of them. */
export const LOCALHOST: TestIdentity = makeCertificate({ name: 'localhost' });

export class TlsRig {
  readonly loop: EventLoop = createLoop();
  readonly server: Server;
  readonly identity: TestIdentity;
  readonly #tls: TlsOptions;
  readonly #sockets: Socket[] = [];
  readonly #clients: TestClient[] = [];
  port = 0;

  constructor(options: TlsRigOptions = {}, identity: TestIdentity = LOCALHOST) {
    this.identity = identity;
    this.#tls = { ...identity, ...options.tls };
    this.server = createServerOn(this.loop, { host: '127.0.0.1', ...options, tls: this.#tls });
    this.server.get('/', (_request, response) => response.end('hello'));
    this.server.get('/tls', (request, response) =>
      response.end(JSON.stringify({ secure: request.secure, tls: request.tls })),
    );
    this.server.websocket('/echo', {
      message: (socket, data, isBinary) => socket.send(data, { binary: isBinary }),
    });
  }

  async start(): Promise<this> {
    this.port = (await this.server.listen()).port;
    return this;
  }

  get trust(): ConnectionOptions {
    return { ca: this.identity.cert, servername: 'localhost', host: '127.0.0.1', port: this.port };
  }

  /** An open TLS connection; errors are left to the test, by `closed`. */
  async connect(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = this.begin(options);
    await once(socket, 'secureConnect');
    return socket;
  }

  /** A TLS connection whose handshake may fail. */
  begin(options: ConnectionOptions = {}): TLSSocket {
    const socket = connect({ ...this.trust, ...options });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
    return socket;
  }

  /** A socket without TLS on the same port. */
  async raw(localAddress = '127.0.0.1'): Promise<Socket> {
    const socket = connectPlain({ port: this.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  client(options: WebSocket.ClientOptions = {}, path = '/echo'): TestClient {
    const url = `wss://localhost:${this.port}${path}`;
    const client = new TestClient(url, [], {
      ca: this.identity.cert,
      // 'localhost' may be ::1, where nobody listens.
      lookup: toLoopback,
      ...options,
    } as WebSocket.ClientOptions);
    this.#clients.push(client);
    return client;
  }

  /** One request on a connection of its own. @returns the body */
  async get(path: string, options: ConnectionOptions = {}): Promise<string> {
    const socket = await this.connect(options);
    const answer = await exchange(
      socket,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    return answer.slice(answer.indexOf('\r\n\r\n') + 4);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const client of this.#clients) client.ws.terminate();
    await this.server.close({ deadlineMs: 100 });
    await this.loop.close();
    await until('the last channel to go', () => loadCodec().tlsLiveCounts().channels === 0);
  }
}

const toLoopback: LookupFunction = (_host, _options, found) =>
  found(null, [{ address: '127.0.0.1', family: 4 }]);

/** Sends and collects until the server closes. */
export async function exchange(socket: Socket, text: string): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  socket.write(text);
  await closed(socket);
  return answer;
}

/** How a socket ended: undefined in order, else its error's code. */
export async function closed(socket: Socket): Promise<string | undefined> {
  let code: string | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code ??= error.code ?? error.message;
  });
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return code;
}
