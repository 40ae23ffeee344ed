// Clients for tests of a listening server: `ws`, and a bare socket that says whatever it is told to.

import { connect, type Socket } from 'node:net';
import WebSocket from 'ws';
import { until } from './until.ts';

/** A `ws` client that keeps what it hears. */
export class TestClient {
  readonly ws: WebSocket;
  readonly received: (string | Buffer)[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  #hasOpened = false;
  /** Status of the answer, when the upgrade was refused. */
  refusedWith: number | undefined;
  refusedHeaders: Readonly<Record<string, unknown>> = {};

  constructor(
    url: string,
    protocols: readonly string[] = [],
    options: WebSocket.ClientOptions = {},
  ) {
    this.ws = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
    this.ws.on('open', () => {
      this.#hasOpened = true;
    });
    this.ws.on('message', (data: Buffer, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
    this.ws.on('unexpected-response', (request, response) => {
      this.refusedWith = response.statusCode;
      this.refusedHeaders = response.headers;
      request.destroy();
    });
    // A refused or cut connection is what many tests are about; they look at `closed`.
    this.ws.on('error', () => undefined);
  }

  /** Resolves when the connection is open, or was refused. */
  async opened(): Promise<this> {
    await until('open', () => this.#hasOpened || this.refusedWith !== undefined);
    return this;
  }

  async hears(count: number): Promise<readonly (string | Buffer)[]> {
    await until(`${count} messages`, () => this.received.length >= count);
    return this.received;
  }

  async ended(): Promise<{ readonly code: number; readonly reason: string }> {
    await until('close', () => this.closed !== undefined);
    return this.closed ?? { code: 0, reason: '' };
  }
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** The head of a correct handshake, with changes; undefined takes a field away. */
export function handshakeHead(
  path: string,
  changes: Readonly<Record<string, string | undefined>> = {},
  firstLine = `GET ${path} HTTP/1.1`,
): string {
  const fields: Record<string, string | undefined> = {
    Host: 'test',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...changes,
  };
  let head = `${firstLine}\r\n`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}

/** A socket without a protocol. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  hasEnded = false;
  isClosed = false;

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, allowHalfOpen: true });
    this.socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    this.socket.on('end', () => {
      this.hasEnded = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    this.socket.on('error', () => undefined);
  }

  get received(): Buffer {
    return this.#received;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Does the handshake and forgets its answer. */
  async upgrade(
    path: string,
    changes: Readonly<Record<string, string | undefined>> = {},
  ): Promise<string> {
    this.send(handshakeHead(path, changes));
    return this.head();
  }

  /** The next response head, taken off what was received. */
  async head(): Promise<string> {
    await until('a response head', () => this.#received.includes('\r\n\r\n'));
    const end = this.#received.indexOf('\r\n\r\n') + 4;
    const head = this.#received.toString('latin1', 0, end);
    this.#received = this.#received.subarray(end);
    return head;
  }

  async hears(bytes: number): Promise<Buffer> {
    await until(`${bytes} bytes`, () => this.#received.length >= bytes);
    return this.#received;
  }

  /** Everything that was received until the server's FIN. */
  async untilEnd(): Promise<Buffer> {
    await until('the end', () => this.hasEnded || this.isClosed);
    return this.#received;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
