// Runs one program against a server of the `ws` API and writes down what both sides saw, so that two
// implementations can be compared. The client is always npm's ws.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import Client, { createWebSocketStream, WebSocketServer as Theirs, WebSocket } from 'ws';
import * as ours from '../../lib/compat/ws/index.ts';

/** The part of either module that programs use. */
export type Api = Pick<typeof ours, 'WebSocketServer' | 'WebSocket' | 'createWebSocketStream'>;
export type ServerSocket = ours.WebSocket;
export type ServerOptions = ours.ServerOptions;
export type SocketServer = ours.WebSocketServer;

export const SLUICE: Api = ours;
export const WS = { WebSocketServer: Theirs, WebSocket, createWebSocketStream } as unknown as Api;

/** How a connection reaches the server. */
export type Way = 'port' | 'server' | 'noServer' | 'stream';

/** What one side saw, in its order. */
export class Log {
  readonly lines: string[] = [];

  add(event: string, ...values: unknown[]): void {
    this.lines.push([event, ...values.map(describe)].join(' '));
  }
}

export function describe(value: unknown): string {
  if (Buffer.isBuffer(value)) return `Buffer(${shorten(value.toString('hex'))})`;
  if (value instanceof ArrayBuffer) {
    return `ArrayBuffer(${shorten(Buffer.from(value).toString('hex'))})`;
  }
  if (value instanceof Blob) return `Blob(${value.size})`;
  if (value instanceof Error) {
    return `${value.constructor.name}(${(value as Error & { code?: string }).code ?? ''})`;
  }
  if (Array.isArray(value)) return `[${value.map(describe).join(',')}]`;
  return typeof value === 'string' ? shorten(JSON.stringify(value)) : String(value);
}

const shorten = (text: string): string =>
  text.length <= 80 ? text : `${text.slice(0, 40)}…${text.length}`;

export interface Context {
  readonly api: Api;
  readonly wss: SocketServer;
  readonly log: Log;
  readonly request: IncomingMessage;
}

export interface Program {
  readonly name: string;
  readonly options?: ServerOptions;
  /** Server's side, called at `connection`. */
  readonly server?: (socket: ServerSocket, context: Context) => void;
  /** Set up before anything connects. */
  readonly setup?: (wss: SocketServer, log: Log) => void;
  readonly protocols?: string[];
  readonly clientOptions?: Client.ClientOptions;
  readonly path?: string;
  /** Client's side, called at `open`. */
  readonly client?: (client: Client, log: Log) => void;
  /** Ways that are seen otherwise, with the reason beside it. */
  readonly except?: readonly Way[];
  /** Events of the server's socket that are not written down. */
  readonly silent?: boolean;
}

export interface Seen {
  readonly server: string[];
  readonly client: string[];
}

const DEADLINE_MS = 8000;

/** A Duplex that is no socket of Node's: what the engine cannot take over. */
function veiled(socket: Duplex): Duplex {
  const veil = new Duplex({
    allowHalfOpen: true,
    read: () => socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => {
    if (!veil.push(chunk)) socket.pause();
  });
  socket.on('end', () => veil.push(null));
  socket.on('error', () => veil.destroy());
  socket.on('close', () => veil.destroy());
  return veil;
}

interface Listening {
  readonly wss: SocketServer;
  readonly port: number;
  close(): Promise<void>;
}

async function listen(api: Api, way: Way, program: Program, log: Log): Promise<Listening> {
  const options = program.options ?? {};
  if (way === 'port') {
    const wss = new api.WebSocketServer({ ...options, port: 0, host: '127.0.0.1' });
    program.setup?.(wss, log);
    await new Promise<void>((resolve) => wss.once('listening', resolve));
    const { port } = wss.address() as AddressInfo;
    return { wss, port, close: () => new Promise((resolve) => wss.close(() => resolve())) };
  }
  const http: Server = createServer((_request, response) => response.end());
  const wss =
    way === 'server'
      ? new api.WebSocketServer({ ...options, server: http })
      : new api.WebSocketServer({ ...options, noServer: true });
  program.setup?.(wss, log);
  if (way !== 'server') {
    http.on('upgrade', (request, socket, head) => {
      const stream = way === 'stream' ? veiled(socket) : socket;
      wss.handleUpgrade(request, stream, head, (ws) => wss.emit('connection', ws, request));
    });
  }
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => wss.close(() => resolve()));
    await new Promise<void>((resolve) => http.close(() => resolve()));
  };
  return { wss, port, close };
}

function record(socket: ServerSocket, log: Log): void {
  socket.on('message', (data, isBinary) => log.add('message', data, isBinary));
  socket.on('ping', (data) => log.add('ping', data));
  socket.on('pong', (data) => log.add('pong', data));
  socket.on('error', (error) => log.add('error', error));
  socket.on('close', (code, reason) => log.add('close', code, reason, socket.readyState));
}

function recordClient(client: Client, log: Log): void {
  client.on('open', () => log.add('open', client.protocol, client.extensions));
  client.on('message', (data, isBinary) => log.add('message', data, isBinary));
  client.on('ping', (data) => log.add('ping', data));
  client.on('pong', (data) => log.add('pong', data));
  client.on('error', (error) => log.add('error', error.message));
  client.on('close', (code, reason) => log.add('close', code, reason));
}

/** Runs until both sides are closed. */
export async function run(api: Api, way: Way, program: Program): Promise<Seen> {
  const server = new Log();
  const clientLog = new Log();
  const { wss, port, close } = await listen(api, way, program, server);
  const gone: Promise<void>[] = [];
  wss.on('connection', (socket, request) => {
    server.add('connection', socket.protocol, socket.extensions, socket.readyState);
    gone.push(new Promise((resolve) => socket.once('close', () => setImmediate(resolve))));
    if (program.silent !== true) record(socket, server);
    program.server?.(socket, { api, wss, log: server, request });
  });
  const url = `ws://127.0.0.1:${port}${program.path ?? '/'}`;
  const client = new Client(url, program.protocols ?? [], program.clientOptions);
  recordClient(client, clientLog);
  client.on('open', () => program.client?.(client, clientLog));
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
  await within(`${program.name}: the client's end`, ended, () => [server.lines, clientLog.lines]);
  await within(`${program.name}: the server's end`, Promise.all(gone), () => server.lines);
  server.add('clients', wss.clients?.size);
  await within(`${program.name}: the servers' close`, close(), () => server.lines);
  return { server: server.lines, client: clientLog.lines };
}

export async function within<T>(
  what: string,
  promise: Promise<T>,
  state: () => unknown = () => '',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const fail = (): void => reject(new Error(`${what} did not come: ${JSON.stringify(state())}`));
    timer = setTimeout(fail, DEADLINE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
