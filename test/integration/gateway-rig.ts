// A gateway for tests: real journal, server and Graph client, a small Graph of our own, agents on `ws`.

import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { Log } from '../../lib/base/log.ts';
import { createGateway, type Gateway, type GatewayDeps } from '../../lib/gateway/gateway.ts';
import type { GatewaySettings } from '../../lib/gateway/settings.ts';
import { type MintClaims, mintToken } from '../../lib/gateway/tokens.ts';
import { until } from '../support/until.ts';

export const APP_SECRET = 'app-secret-for-tests';
export const JWT_SECRET = 'jwt-secret-for-tests-of-32-bytes-or-more';
export const PAGE_TOKEN = 'EAApagetokenfortests';
export const VERIFY_TOKEN = 'verify-token-for-tests';

export type Json = Record<string, unknown>;

export interface GraphCall {
  readonly method: string;
  readonly path: string;
  readonly body: Json;
}

export type GraphAnswer = { readonly status: number; readonly body: object } | 'never';

/** Meta's side: remembers calls, answers what `answer` says. */
export class FakeGraph {
  readonly calls: GraphCall[] = [];
  readonly server: Server;
  url = '';
  #mids = 0;
  answer: (call: GraphCall) => GraphAnswer | Promise<GraphAnswer> = (call) => this.accept(call);

  constructor() {
    this.server = createServer((request, response) => void this.#handle(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  get messages(): GraphCall[] {
    return this.calls.filter((call) => call.body['message'] !== undefined);
  }

  get actions(): unknown[] {
    return this.calls.map((call) => call.body['sender_action']).filter((action) => action);
  }

  accept(call: GraphCall): GraphAnswer {
    if (call.method === 'GET') return { status: 200, body: {} };
    this.#mids += 1;
    return { status: 200, body: { recipient_id: '7', message_id: `m_sent-${this.#mids}` } };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const call: GraphCall = {
      method: request.method ?? '',
      path: (request.url ?? '').replace(/\?.*/, ''),
      body: text === '' ? {} : (JSON.parse(text) as Json),
    };
    this.calls.push(call);
    const answer = await this.answer(call);
    if (answer === 'never') return;
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }
}

export interface RigOptions {
  readonly settings?: Partial<GatewaySettings>;
  readonly listen?: GatewaySettings['listen'];
  readonly agents?: Partial<GatewaySettings['agents']>;
  readonly limits?: Partial<GatewaySettings['limits']>;
  readonly deps?: GatewayDeps;
}

export class Rig {
  readonly graph = new FakeGraph();
  readonly directory = mkdtempSync(join(tmpdir(), 'sluice-gateway-'));
  readonly logged: string[] = [];
  readonly #options: RigOptions;
  readonly #agents = new Set<Agent>();
  gateway: Gateway | undefined;
  url = '';
  /** One per listening address. */
  urls: readonly string[] = [];
  #mids = 0;

  constructor(options: RigOptions = {}) {
    this.#options = options;
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    await rig.graph.start();
    await rig.startGateway();
    return rig;
  }

  get settings(): GatewaySettings {
    return {
      listen: this.#options.listen ?? [{ host: '127.0.0.1', port: 0 }],
      messenger: {
        webhookPath: '/webhook/messenger',
        verifyToken: VERIFY_TOKEN,
        appId: '1',
        appSecrets: [APP_SECRET, 'older-secret'],
        graphUrl: this.graph.url,
        graphVersion: 'v25.0',
        humanAgent: false,
        pages: ['100', '200'].map((id) => ({ id, name: `Page ${id}`, accessToken: PAGE_TOKEN })),
      },
      agents: {
        path: '/agent',
        jwt: { secret: JWT_SECRET },
        origins: [],
        heartbeatSeconds: 25,
        graceSeconds: 30,
        replayMax: 10_000,
        snapshotMax: 500,
        sessionsPerAgent: 8,
        ...this.#options.agents,
      },
      console: { enabled: true, path: '/console/' },
      limits: {
        connectionsPerIp: 0,
        bodyBytes: 16_777_216,
        bodyBytesTotal: 268_435_456,
        messageBytes: 65_536,
        queueBytes: 1_048_576,
        requestsPerSecond: 1_000,
        ...this.#options.limits,
      },
      data: this.directory,
      trustedProxies: [],
      ...this.#options.settings,
    };
  }

  async startGateway(): Promise<Gateway> {
    const note = (fields: object, message: string): void => {
      this.logged.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: note, info: note, warn: note, error: note };
    this.gateway = createGateway(this.settings, { log, ...this.#options.deps });
    const { urls } = await this.gateway.start();
    this.urls = urls;
    this.url = urls[0] ?? '';
    return this.gateway;
  }

  async restart(graceful = false): Promise<void> {
    await this.gateway?.stop({ graceful });
    await this.startGateway();
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.socket.terminate();
    await this.gateway?.stop({ graceful: false });
    await this.graph.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  token(claims: Partial<MintClaims> = {}): Promise<string> {
    const base = {
      id: 'ann',
      name: 'Ann',
      role: 'agent',
      pages: ['100'],
      ttlSeconds: 3_600,
    } as const;
    return mintToken(JWT_SECRET, { ...base, ...claims });
  }

  /** Opens a socket; hello is the caller's. */
  async connect(claims: Partial<MintClaims> = {}): Promise<Agent> {
    const agent = new Agent(this.url, await this.token(claims));
    this.#agents.add(agent);
    await agent.opened;
    return agent;
  }

  /** Opens a socket and joins. */
  async join(claims: Partial<MintClaims> = {}, hello: Json = {}): Promise<Agent> {
    const agent = await this.connect(claims);
    agent.say({ type: 'hello', id: 'h', session: `tab-${Math.random()}`, ...hello });
    await agent.next((message) => message['type'] === 'position');
    return agent;
  }

  post(body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
    const digest = createHmac('sha256', APP_SECRET).update(body).digest('hex');
    return fetch(`${this.url}/webhook/messenger`, {
      method: 'POST',
      body,
      headers: { 'x-hub-signature-256': `sha256=${digest}`, ...headers },
    });
  }

  /** Posts a customer's messages in one body; returns their mids when they are durable. */
  async receive(
    texts: readonly string[],
    from: { page?: string; user?: string } = {},
  ): Promise<string[]> {
    const { page = '100', user = '7' } = from;
    const mids = texts.map(() => `m_${++this.#mids}`);
    const messaging = texts.map((text, index) => messageOf(page, user, mids[index] ?? '', text));
    await this.postEvents(page, messaging);
    return mids;
  }

  async postEvents(page: string, messaging: readonly object[]): Promise<void> {
    const body = { object: 'page', entry: [{ id: page, time: Date.now(), messaging }] };
    const response = await this.post(JSON.stringify(body));
    if (response.status !== 200) throw new Error(`the webhook was answered ${response.status}`);
  }
}

export function messageOf(page: string, user: string, mid: string, text: string): object {
  const ends = { sender: { id: user }, recipient: { id: page } };
  return { ...ends, timestamp: Date.now(), message: { mid, text } };
}

/** An agent's socket: everything that came, and waits for what will come. */
export class Agent {
  readonly socket: WebSocket;
  readonly messages: Json[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  #read = 0;
  #ids = 0;

  constructor(url: string, token: string, options: { readonly origin?: string } = {}) {
    const address = `${url.replace('http', 'ws')}/agent`;
    this.socket = new WebSocket(address, ['sluice.v1', `bearer.${token}`], options);
    this.socket.on('message', (data) => {
      this.messages.push(JSON.parse(String(data)) as Json);
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve());
      this.socket.on('error', reject);
    });
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The next message, after the ones that were returned before, that `matches`. */
  next(matches: (message: Json) => boolean): Promise<Json> {
    return until(`a message, after ${JSON.stringify(this.messages.slice(-3))}`, () => {
      while (this.#read < this.messages.length) {
        const message = this.messages[this.#read++];
        if (message !== undefined && matches(message)) return message;
      }
      return undefined;
    });
  }

  /** Asks and returns the reply, whatever came before it. */
  ask(request: Json): Promise<Json> {
    const id = (request['id'] as string | undefined) ?? `r${++this.#ids}`;
    const from = this.messages.length;
    this.say({ ...request, id });
    return until(`the reply to ${JSON.stringify(request)}`, () =>
      this.messages
        .slice(from)
        .find((message) => message['type'] === 'reply' && message['id'] === id),
    );
  }

  event(kind: string): Promise<Json> {
    return this.next((message) => message['type'] === 'event' && message['kind'] === kind);
  }

  ofType(type: string): Json[] {
    return this.messages.filter((message) => message['type'] === type);
  }

  get events(): Json[] {
    return this.ofType('event');
  }

  get texts(): unknown[] {
    return this.events
      .filter((event) => event['kind'] === 'message.received')
      .map((event) => (event['data'] as Json)['text']);
  }
}
