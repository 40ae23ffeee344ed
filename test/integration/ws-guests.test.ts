// What people run on ws, on sluice/ws: Socket.IO, graphql-ws, express beside it, TLS, two paths of one
// server, CommonJS, worker threads.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import { Server as SocketIO } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { afterEach, describe, expect, test } from 'vitest';
import Client from 'ws';
import { engineGround } from '../../lib/compat/ws/ground.ts';
import { WebSocketServer } from '../../lib/compat/ws/index.ts';
import { makeCertificate } from '../support/certificates.ts';
import { within } from '../support/ws-run.ts';

const require = createRequire(import.meta.url);
// Through require(): graphql insists on being one module, and the tests' loader would make it two.
const { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } =
  require('graphql') as typeof import('graphql');
const { useServer } = require('graphql-ws/use/ws') as typeof import('graphql-ws/use/ws');

interface Express {
  (request: unknown, response: unknown): void;
  get(
    path: string,
    handler: (request: unknown, response: { send(text: string): void }) => void,
  ): void;
}
const express = require('express') as () => Express;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const closed = (server: { close(callback: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A string that comes back from a WebSocket as it went. */
async function echoed(client: Client, text: string): Promise<string> {
  if (client.readyState !== client.OPEN) await once(client, 'open');
  client.send(text);
  const [data] = await once(client, 'message');
  return String(data);
}

function echoOn(wss: WebSocketServer): void {
  wss.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
}

describe('Socket.IO', () => {
  async function serve(): Promise<{ server: SocketIO; url: string }> {
    const http = createServer();
    const server = new SocketIO(http, { wsEngine: WebSocketServer as never, pingInterval: 500 });
    const port = await portOf(http);
    cleanups.push(() => server.close());
    return { server, url: `http://127.0.0.1:${port}` };
  }

  function connect(url: string, options: Parameters<typeof io>[1] = {}): Socket {
    const socket = io(url, { forceNew: true, reconnectionDelay: 20, ...options });
    cleanups.push(() => socket.close());
    return socket;
  }

  const connected = (socket: Socket): Promise<unknown> =>
    within('connect', new Promise((resolve) => socket.once('connect', () => resolve(0))));

  test.each([
    ['websocket only', ['websocket']],
    ['polling, then websocket', ['polling', 'websocket']],
  ])('%s: events, acknowledgements, binary, disconnect', async (_name, transports) => {
    const { server, url } = await serve();
    server.on('connection', (socket) => {
      socket.on('sum', (a: number, b: number, answer: (sum: number) => void) => answer(a + b));
      socket.on('bytes', (bytes: Buffer, answer: (back: Buffer) => void) => answer(bytes));
      socket.on('leave', () => socket.disconnect(true));
    });
    const before = engineGround().loop.connectionCount;
    const socket = connect(url, { transports });
    if (transports.length > 1) {
      const upgraded = new Promise((resolve) => {
        socket.io.on('open', () => socket.io.engine.once('upgrade', resolve));
      });
      await within('upgrade', upgraded);
    }
    if (!socket.connected) await connected(socket);
    expect(engineGround().loop.connectionCount).toBe(before + 1);
    expect(await socket.emitWithAck('sum', 2, 3)).toBe(5);
    const bytes = Buffer.alloc(100_000, 7);
    const back = Buffer.from(await socket.emitWithAck('bytes', bytes));
    expect(back.equals(bytes)).toBe(true);
    const left = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.emit('leave');
    expect(await left).toBe('io server disconnect');
  });

  test('rooms and broadcasts reach everybody once, frames made beforehand included', async () => {
    const { server, url } = await serve();
    server.on('connection', (socket) => {
      socket.on('join', (room: string, done: () => void) => {
        void socket.join(room);
        done();
      });
    });
    const sockets = Array.from({ length: 40 }, () => connect(url, { transports: ['websocket'] }));
    await Promise.all(sockets.map(connected));
    await Promise.all(sockets.map((socket, i) => socket.emitWithAck('join', `room-${i % 2}`)));
    const heard: string[][] = sockets.map(() => []);
    for (const [i, socket] of sockets.entries()) {
      socket.on('news', (text: string) => heard[i]?.push(text));
    }
    const all = sockets.map((socket) => new Promise((resolve) => socket.once('end', resolve)));
    server.to('room-0').emit('news', 'zero');
    server.to('room-1').emit('news', 'one');
    server.emit('news', 'grüße');
    server.emit('end');
    await within('the end of the news', Promise.all(all));
    for (const [i, texts] of heard.entries()) {
      expect(texts).toEqual([i % 2 === 0 ? 'zero' : 'one', 'grüße']);
    }
  });

  test('a client whose connection is cut comes back', async () => {
    const { server, url } = await serve();
    const socket = connect(url, { transports: ['websocket'] });
    await connected(socket);
    const ends = ['close', 'terminate'] as const;
    for (const end of ends) {
      const again = connected(socket);
      for (const { conn } of server.sockets.sockets.values()) {
        // What Socket.IO calls the transport's socket is ours.
        (conn.transport as unknown as { socket: Record<'close' | 'terminate', () => void> }).socket[
          end
        ]();
      }
      await again;
    }
    expect(server.engine.clientsCount).toBe(1);
  });
});

describe('graphql-ws', () => {
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: { hello: { type: GraphQLString, resolve: () => 'world' } },
    }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        count: {
          type: GraphQLInt,
          args: { to: { type: GraphQLInt } },
          async *subscribe(_root, { to }: { to: number }) {
            for (let i = 1; i <= to; i++) yield { count: i };
          },
        },
      },
    }),
  });

  test('queries and subscriptions of several clients', async () => {
    const http = createServer();
    const wss = new WebSocketServer({ server: http, path: '/graphql' });
    const service = useServer({ schema }, wss as never);
    const port = await portOf(http);
    cleanups.push(
      () => closed(http),
      () => service.dispose(),
    );
    const counts = async (): Promise<unknown[]> => {
      const client = createClient({
        url: `ws://127.0.0.1:${port}/graphql`,
        webSocketImpl: Client,
        lazy: true,
      });
      cleanups.push(() => client.dispose());
      const seen: unknown[] = [];
      for await (const { data } of client.iterate({ query: '{ hello }' }))
        seen.push(data?.['hello']);
      const query = 'subscription { count(to: 50) }';
      for await (const { data } of client.iterate({ query })) seen.push(data?.['count']);
      return seen;
    };
    const expected = ['world', ...Array.from({ length: 50 }, (_, i) => i + 1)];
    for (const seen of await within('counts', Promise.all([counts(), counts(), counts()]))) {
      expect(seen).toEqual(expected);
    }
  });
});

describe('beside a server of Node', () => {
  test('express answers requests on the port on which sluice/ws has its sockets', async () => {
    const app = express();
    app.get('/hello', (_request, response) => response.send('hello'));
    const http = createServer(app);
    const wss = new WebSocketServer({ server: http });
    echoOn(wss);
    const port = await portOf(http);
    cleanups.push(() => closed(http));
    const client = new Client(`ws://127.0.0.1:${port}`);
    expect(await echoed(client, 'to and fro')).toBe('to and fro');
    expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).toBe('hello');
    expect(await echoed(client, 'again')).toBe('again');
    client.terminate();
  });

  test('the HTTP server closes when its last socket has closed, and not before', async () => {
    const http = createServer();
    const wss = new WebSocketServer({ server: http });
    const port = await portOf(http);
    const client = new Client(`ws://127.0.0.1:${port}`);
    const [socket, request] = await once(wss, 'connection');
    let isClosed = false;
    const end = new Promise<void>((resolve) => {
      http.close(() => {
        isClosed = true;
        resolve();
      });
    });
    http.closeAllConnections();
    socket.send('still here');
    const [data] = await once(client, 'message');
    expect([String(data), isClosed]).toEqual(['still here', false]);
    client.close();
    await within('the close of the HTTP server', end);
    expect(request.socket.remoteAddress).toBe('127.0.0.1');
    expect(request.socket.destroyed).toBe(true);
  });

  test('wss through https.Server: a stream that the engine cannot have', async () => {
    const https = createSecureServer({ ...makeCertificate({ name: 'localhost' }) });
    const wss = new WebSocketServer({ server: https });
    echoOn(wss);
    const before = engineGround().loop.connectionCount;
    let isSecure = false;
    wss.on('connection', (_socket, request) => {
      isSecure = (request.socket as { encrypted?: boolean }).encrypted === true;
    });
    const port = await portOf(https as unknown as Server);
    cleanups.push(() => closed(https));
    const client = new Client(`wss://127.0.0.1:${port}`, { rejectUnauthorized: false });
    expect(await echoed(client, 'secret')).toBe('secret');
    expect(await echoed(client, 'x'.repeat(1_000_000))).toHaveLength(1_000_000);
    expect(isSecure).toBe(true);
    expect(engineGround().loop.connectionCount).toBe(before);
    client.close();
    expect((await once(client, 'close'))[0]).toBe(1005);
  });

  test('noServer: two servers share a port by path', async () => {
    const http = createServer();
    const servers = ['/one', '/two'].map((path) => {
      const wss = new WebSocketServer({ noServer: true });
      wss.on('connection', (socket) => socket.send(path));
      return { path, wss };
    });
    http.on('upgrade', (request, socket, head) => {
      const found = servers.find(({ path }) => path === request.url);
      if (found === undefined) socket.destroy();
      else {
        found.wss.handleUpgrade(request, socket, head, (ws) => {
          found.wss.emit('connection', ws, request);
        });
      }
    });
    const port = await portOf(http);
    cleanups.push(() => closed(http));
    for (const { path, wss } of servers) {
      const client = new Client(`ws://127.0.0.1:${port}${path}`);
      expect(String((await once(client, 'message'))[0])).toBe(path);
      expect(wss.clients.size).toBe(1);
      client.terminate();
    }
    const stray = new Client(`ws://127.0.0.1:${port}/three`);
    await once(stray, 'error');
  });
});

test('CommonJS: require() gives the class with everything on it', () => {
  const code = `
    const WebSocket = require('sluice/ws');
    const { WebSocketServer, Server, createWebSocketStream } = WebSocket;
    const facts = [
      typeof WebSocket, WebSocket.OPEN, WebSocket.Server === WebSocketServer, Server === WebSocketServer,
      WebSocket.WebSocket === WebSocket, typeof createWebSocketStream,
    ];
    try { new WebSocket('ws://localhost'); } catch (error) { facts.push(error.code); }
    console.log(JSON.stringify(facts));
  `;
  const output = execFileSync(process.execPath, ['--no-warnings', '-e', code], {
    encoding: 'utf8',
  });
  const facts = ['function', 1, true, true, true, 'function', 'ERR_UNSUPPORTED'];
  expect(JSON.parse(output)).toEqual(facts);
});
