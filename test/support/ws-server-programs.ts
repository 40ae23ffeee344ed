// Programs about the handshake and the server itself: hooks, refusals, paths, closing. See ws-programs.ts.

import type { ClientInfo } from '../../lib/compat/ws/index.ts';
import type { Program, SocketServer, Way } from './ws-run.ts';

const closing = (socket: { close(): void }): void => socket.close();

/** Asks for an upgrade with these header lines and writes down the status of the answer. */
export interface RawRequest {
  readonly name: string;
  readonly lines: readonly string[];
  readonly path?: string;
  readonly method?: string;
}

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const VERSION = 'Sec-WebSocket-Version: 13';
const UPGRADE = 'Upgrade: websocket';
const PLAIN = [UPGRADE, KEY, VERSION];

/** Handshakes as bytes: what is asked, and in the name what is right or wrong about it. */
export const HANDSHAKES: readonly RawRequest[] = [
  { name: 'all is well', lines: PLAIN },
  { name: 'a method that is not GET', lines: PLAIN, method: 'POST' },
  { name: 'websocket in capitals', lines: ['Upgrade: WebSocket', KEY, VERSION] },
  { name: 'no key', lines: [UPGRADE, VERSION] },
  { name: 'a short key', lines: [UPGRADE, 'Sec-WebSocket-Key: short==', VERSION] },
  { name: 'no version', lines: [UPGRADE, KEY] },
  { name: 'version 8', lines: [UPGRADE, KEY, 'Sec-WebSocket-Version: 8'] },
  { name: 'version 7', lines: [UPGRADE, KEY, 'Sec-WebSocket-Version: 7'] },
  { name: 'two subprotocols', lines: [...PLAIN, 'Sec-WebSocket-Protocol: a, b'] },
  { name: 'the same subprotocol twice', lines: [...PLAIN, 'Sec-WebSocket-Protocol: a, a'] },
  { name: 'an empty subprotocol', lines: [...PLAIN, 'Sec-WebSocket-Protocol: a,,b'] },
  { name: 'a subprotocol that is no token', lines: [...PLAIN, 'Sec-WebSocket-Protocol: a b'] },
  { name: 'another path', lines: PLAIN, path: '/other' },
  { name: 'the path with a query', lines: PLAIN, path: '/path?a=b' },
];

/** On a port of its own, ws says that the server is closed before its last socket does; we never do. */
const LAST_WORDS: readonly Way[] = ['port'];

export const SERVER_PROGRAMS: readonly Program[] = [
  {
    name: 'handshake: the first subprotocol is taken',
    protocols: ['one', 'two'],
    server: closing,
  },
  {
    name: 'handleProtocols: chooses',
    protocols: ['one', 'two'],
    options: {
      handleProtocols: (offered, request) =>
        offered.has('two') && request.url === '/' ? 'two' : false,
    },
    server: closing,
  },
  {
    name: 'handleProtocols: false is none, and the client gives up',
    protocols: ['one'],
    options: { handleProtocols: () => false },
  },
  {
    name: 'verifyClient: yes',
    options: { verifyClient: (info: ClientInfo) => info.req.url === '/' && info.secure === false },
    server: closing,
  },
  { name: 'verifyClient: no', options: { verifyClient: () => false } },
  {
    name: 'verifyClient: later, yes',
    options: { verifyClient: (_info, decide) => setTimeout(() => decide(true), 5) },
    server: closing,
  },
  {
    name: 'verifyClient: later, no, with everything',
    options: {
      verifyClient: (_info, decide) => decide(false, 403, 'forbidden', { 'X-Why': 'because' }),
    },
  },
  { name: 'verifyClient: later, no', options: { verifyClient: (_info, decide) => decide(false) } },
  {
    name: 'verifyClient: gets the origin',
    options: { verifyClient: ({ origin }: ClientInfo) => origin === 'http://example.org' },
    clientOptions: { origin: 'http://example.org' },
    server: closing,
  },
  {
    name: 'verifyClient: frames that come meanwhile are kept',
    options: { verifyClient: (_info, decide) => setTimeout(() => decide(true), 20) },
    client: (client) => {
      client.send('early');
      client.close();
    },
  },
  { name: 'path: right', options: { path: '/here' }, path: '/here?query', server: closing },
  { name: 'path: wrong', options: { path: '/here' }, path: '/there' },
  {
    name: 'shouldHandle: overridden',
    setup: (wss) => {
      wss.shouldHandle = (request) => request.url === '/yes';
    },
    path: '/yes',
    server: closing,
  },
  {
    name: 'headers: can be added to',
    setup: (wss, log) => {
      wss.on('headers', (headers, request) => {
        log.add('headers', headers.length, headers[0], request.url);
        headers.push('X-Added: yes');
      });
    },
    client: (client, log) => {
      client.on('close', () => log.add('closed'));
      client.close();
    },
  },
  {
    name: 'clientTracking: off',
    options: { clientTracking: false },
    server: closing,
  },
  {
    name: 'clients: has the socket at its connection, and not at its close',
    server: (socket, { wss, log }) => {
      log.add('clients', wss.clients.size, wss.clients.has(socket));
      socket.on('close', () => log.add('clients', wss.clients.size));
      socket.close();
    },
  },
  {
    name: 'close: leaves the clients alone, and comes when they are gone',
    except: LAST_WORDS,
    server: (socket, { wss, log }) => {
      wss.on('close', () => log.add('server closed'));
      wss.close((error) => log.add('callback', error ?? 'none'));
      socket.send('still here');
      socket.on('message', () => socket.close());
    },
    client: (client) => client.on('message', () => client.send('me too')),
  },
  {
    name: 'close: twice',
    except: LAST_WORDS,
    setup: (wss: SocketServer, log) => {
      wss.on('close', () => log.add('server closed'));
    },
    server: (socket, { wss, log }) => {
      wss.close((error) => {
        log.add('first', error ?? 'none');
        wss.close((second) => log.add('second', second ?? 'none'));
      });
      socket.close();
    },
  },
  {
    name: 'request: says who it is from',
    server: (socket, { request, log }) => {
      log.add('request', request.url, request.method, request.headers['x-extra']);
      log.add('address', request.socket.remoteAddress, typeof request.socket.remotePort);
      log.add('connection', request.httpVersion, request.headers.upgrade);
      socket.on('close', () => log.add('address', request.socket.remoteAddress));
      socket.close();
    },
    clientOptions: { headers: { 'X-Extra': 'value' } },
    path: '/a/b?c=d',
  },
  {
    name: 'request: destroying its socket ends the connection',
    server: (socket, { request }) => {
      request.socket.destroy();
      void socket;
    },
  },
  {
    name: 'WebSocket: a class of the program',
    setup: (wss, log) => {
      const { WebSocket } = wss.options;
      wss.options.WebSocket = class Mine extends WebSocket {
        greet(): void {
          log.add('mine', this.readyState);
          this.send('hello');
        }
      };
    },
    server: (socket) => {
      (socket as unknown as { greet(): void }).greet();
      socket.close();
    },
  },
];
