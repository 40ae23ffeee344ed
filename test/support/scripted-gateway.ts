// A gateway for tests of the page alone: speaks sluice.v1 from a list of events in memory, serves the built
// console with the policy of the real one, and does on command what a network or Meta would do.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  emptyConversation,
  foldConversation,
  UnreadMarks,
} from '../../lib/client/conversation-fold.ts';
import type { ClientMessage, ConversationView, EventMessage } from '../../lib/client/protocol.ts';

type Data = Record<string, unknown>;

const AGENT = { id: 'agent-1', name: 'Eve Martin', role: 'agent' };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'";
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** A token that looks like one; the scripted gateway accepts those of `tokens`. */
export function fakeToken(subject = AGENT.id): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub: subject })}.c2lnbmF0dXJl`;
}

export interface ScriptedOptions {
  readonly consoleFolder: string;
  /** What becomes of a send by itself; `held` leaves it without an answer. */
  readonly onSend?: 'delivered' | 'queued' | 'held' | 'stale';
  readonly snapshotMax?: number;
}

export class ScriptedGateway {
  readonly token = fakeToken();
  readonly tokens = new Set([this.token]);
  readonly requests: ClientMessage[] = [];
  onSend: NonNullable<ScriptedOptions['onSend']>;
  /** False: connections are refused with 503. */
  isUp = true;
  now: () => number = Date.now;
  readonly #options: ScriptedOptions;
  readonly #server: Server;
  readonly #sockets = new Set<WebSocket>();
  readonly #events: EventMessage[] = [];
  readonly #views = new Map<string, ConversationView>();
  readonly #marks = new Map<string, UnreadMarks>();
  readonly #sends = new Map<string, Data>();
  #seq = 1_000;

  constructor(options: ScriptedOptions) {
    this.#options = options;
    this.onSend = options.onSend ?? 'delivered';
    this.#server = createServer((request, response) => void this.#serve(request, response));
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'sluice.v1' });
    this.#server.on('upgrade', (request, socket, head) => {
      const bearer = /bearer\.(\S+)$/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1];
      if (!this.isUp || bearer === undefined || !this.tokens.has(bearer)) {
        socket.end('HTTP/1.1 503 Unavailable\r\nConnection: close\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get loginLink(): string {
    return `${this.origin}/console/#token=${this.token}`;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Ends all connections as a network would, or with a close code. */
  drop(code?: number): void {
    for (const socket of this.#sockets) {
      if (code === undefined) socket.terminate();
      else socket.close(code);
    }
  }

  say(message: object): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  /** A customer's message. */
  receive(conversation: string, text: string, more: Data = {}): EventMessage {
    const data = { mid: `m_${this.#seq + 1}`, at: this.now(), text, ...more };
    return this.append(conversation, 'message.received', data);
  }

  /** Stores an event and tells everybody. */
  append(conversation: string, kind: string, data: Data, at = this.now()): EventMessage {
    const known = this.#views.get(conversation);
    const seq = ++this.#seq;
    const prev = known?.seq ?? 0;
    const event: EventMessage = { type: 'event', seq, prev, at, conversation, kind, data };
    this.#events.push(event);
    const marks = this.#marks.get(conversation) ?? new UnreadMarks(0, 0);
    this.#marks.set(conversation, marks);
    const view = foldConversation(known ?? emptyConversation(event), event, marks);
    this.#views.set(conversation, view);
    this.say(event);
    return event;
  }

  #accept(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => this.#sockets.delete(socket));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as ClientMessage;
      this.requests.push(message);
      this.#answer(socket, message);
    });
  }

  #answer(socket: WebSocket, message: ClientMessage): void {
    const reply = (data: object): void =>
      socket.send(JSON.stringify({ type: 'reply', id: (message as Data)['id'], ok: true, data }));
    switch (message.type) {
      case 'hello':
        this.#welcome(socket, message);
        break;
      case 'send':
        this.#takeSend(socket, message, reply);
        break;
      case 'seen':
        reply({});
        this.append(message.conversation, 'conversation.seen', { seq: message.seq, by: AGENT });
        break;
      case 'list':
        reply(this.#list(message));
        break;
      case 'history':
        reply(this.#history(message));
        break;
      case 'resolve':
        reply({});
        break;
      default:
        if (message.type !== 'typing') reply({});
    }
  }

  #welcome(socket: WebSocket, hello: Extract<ClientMessage, { type: 'hello' }>): void {
    const send = (message: object): void => socket.send(JSON.stringify(message));
    const since = hello.since?.epoch === 'e1' ? hello.since.seq : undefined;
    send({
      type: 'welcome',
      id: hello.id,
      agent: AGENT,
      pages: ['1'],
      scope: 's1',
      epoch: 'e1',
      seq: this.#seq,
      recovered: since !== undefined,
      heartbeatSeconds: 25,
      expiresAt: this.now() + 3_600_000,
    });
    if (since === undefined) {
      const conversations = this.#sorted('open').slice(0, this.#options.snapshotMax ?? 500);
      send({ type: 'snapshot', part: 1, last: true, conversations, agents: [], seq: this.#seq });
      return;
    }
    for (const event of this.#events) if (event.seq > since) send(event);
    send({ type: 'position', seq: this.#seq });
  }

  #takeSend(
    socket: WebSocket,
    message: Extract<ClientMessage, { type: 'send' }>,
    reply: (data: object) => void,
  ): void {
    const { id, conversation } = message;
    const known = this.#sends.get(id);
    if (known !== undefined) {
      reply({ ...known, duplicate: true });
      return;
    }
    if (this.onSend === 'held') return;
    if (this.onSend === 'stale') {
      const error = { code: 'stale', message: 'newer', retryable: false };
      socket.send(JSON.stringify({ type: 'reply', id, ok: false, error }));
      return;
    }
    const outbox = `out_${this.#seq + 1}`;
    const { replyTo, text } = message.message;
    const queued = this.append(conversation, 'message.queued', {
      message: outbox,
      request: id,
      by: AGENT,
      text,
      ...(replyTo === undefined ? {} : { replyTo: { mid: replyTo } }),
    });
    const data = { message: outbox, seq: queued.seq };
    this.#sends.set(id, data);
    reply(data);
    if (this.onSend === 'queued') return;
    this.append(conversation, 'message.sent', { message: outbox, mid: `mid_${outbox}` });
    this.append(conversation, 'message.delivered', { watermark: this.now() });
  }

  #sorted(state: string): ConversationView[] {
    return [...this.#views.values()]
      .filter((view) => state === 'all' || view.state === state)
      .sort((a, b) => b.last.at - a.last.at);
  }

  #list(message: Extract<ClientMessage, { type: 'list' }>): object {
    const { cursor = '0', limit = 50 } = message;
    const all = this.#sorted(message.state);
    const end = Number(cursor) + limit;
    const conversations = all.slice(Number(cursor), end);
    return { conversations, ...(end < all.length ? { cursor: String(end) } : {}) };
  }

  #history(message: Extract<ClientMessage, { type: 'history' }>): object {
    const { conversation, before = Infinity, limit = 50 } = message;
    const all = this.#events.filter(
      (event) => event.conversation === conversation && event.seq < before,
    );
    return { events: all.slice(-limit), complete: all.length <= limit };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    if (path === '/api/v1/session') {
      const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
      response.writeHead(!this.isUp ? 503 : this.tokens.has(token) ? 200 : 401).end('{}');
      return;
    }
    const name = path === '/console/' ? 'index.html' : path.replace(/^\/console\//, '');
    try {
      const bytes = await readFile(join(this.#options.consoleFolder, name));
      response.writeHead(200, {
        'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
        'content-security-policy': POLICY,
        'cache-control': 'no-store',
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
}
