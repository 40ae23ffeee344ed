// The stack of the scenarios (messenger.md section 9): a gateway with a journal of its own, Meta played by the
// simulator or by a Graph that the test scripts, and people at their desks through sluice/client. All of it over
// real sockets, in this process.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent as HttpAgent, request } from 'undici';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import type { Log } from '../../lib/base/log.ts';
import {
  type ChatItem,
  type ChatMessage,
  type ConversationView,
  connect,
  type Desk,
  type EventMessage,
  Store,
  Thread,
  type WebSocketConstructor,
} from '../../lib/client/index.ts';
import type { OutboxLimits } from '../../lib/desk/outbox-limits.ts';
import { createGateway, type Gateway } from '../../lib/gateway/gateway.ts';
import type { GatewaySettings } from '../../lib/gateway/settings.ts';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { LogExport } from '../../lib/journal/log-export.ts';
import { createGraphClient } from '../../lib/messenger/graph-client.ts';
import type { GraphClient } from '../../lib/messenger/types.ts';
import { createSimulator, type Simulator } from '../../lib/simulator/simulator.ts';
import { signatureOf, writeLikeMeta } from '../../lib/simulator/wire.ts';
import { EXAMPLES } from './messenger-bodies.ts';
import { until } from './until.ts';

/** The Pages of the fixture, its Instagram account, and the Page of the signature's vector. */
export const PAGE = '112233445566778';
export const OTHER_PAGE = '998877665544332';
export const INSTAGRAM = '17841400123456789';
export const VECTOR_PAGE = '100200300400500';
export const APP_ID = '1122334455667788';
/** The key of the vector in messenger.md 2.1. */
export const APP_SECRET = 'test_app_secret_0123456789abcdef';
const VERIFY_TOKEN = 'verify-token-of-the-scenarios';
const JWT_SECRET = 'jwt-secret-of-the-scenarios-0123456789';
const PAGE_IDS = [PAGE, OTHER_PAGE, INSTAGRAM, VECTOR_PAGE];
export type Json = Readonly<Record<string, unknown>>;

export const conversationOf = (user: string, page = PAGE): string => `messenger/${page}/${user}`;

/** One event of a customer, as an element of `messaging`. */
export function fromCustomer(user: string, content: Json, at?: number, page = PAGE): Json {
  const time = at === undefined ? {} : { timestamp: at };
  return { sender: { id: user }, recipient: { id: page }, ...time, ...content };
}

/** An echo: sender and recipient change places. */
export function echoTo(user: string, message: Json, at: number, page = PAGE): Json {
  const ends = { sender: { id: page }, recipient: { id: user } };
  return { ...ends, timestamp: at, message: { is_echo: true, ...message } };
}

export function textOf(mid: string, text: string): Json {
  return { message: { mid, text } };
}

export function entryOf(arrays: Json, page = PAGE, time = Date.now()): Json {
  return { id: page, time, ...arrays };
}

/** A body of the fixture. */
export function exampleBody(name: string): unknown {
  const found = EXAMPLES.find((example) => example.name === name);
  if (found === undefined) throw new Error(`There is no example ${name}.`);
  return found.body;
}

export interface Posted {
  readonly status: number;
  readonly text: string;
  readonly tookMs: number;
}

export interface StoredRecord {
  readonly seq: number;
  readonly conversation: string;
  readonly kind: string;
  readonly data: Json;
}

export interface ScenarioOptions {
  /** A Graph API that the test scripts; without it there is the simulator. */
  readonly graphUrl?: string;
  readonly outbox?: Partial<OutboxLimits>;
  readonly limits?: Partial<GatewaySettings['limits']>;
  /** Whether the simulator reports messages as delivered; default true. */
  readonly delivers?: boolean;
}

export class ScenarioRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'sluice-scenario-'));
  readonly logged: string[] = [];
  readonly #options: ScenarioOptions;
  readonly #http = new HttpAgent({ connections: 64 });
  readonly #people: Person[] = [];
  #graph: GraphClient | undefined;
  #gateway: Gateway | undefined;
  #simulator: Simulator | undefined;
  #port = 0;

  private constructor(options: ScenarioOptions) {
    this.#options = options;
  }

  static async start(options: ScenarioOptions = {}): Promise<ScenarioRig> {
    const rig = new ScenarioRig(options);
    await rig.#startGateway();
    if (options.graphUrl === undefined) await rig.#startSimulator();
    rig.#openGraph();
    return rig;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('The gateway is not started.');
    return this.#gateway;
  }

  get simulator(): Simulator {
    if (this.#simulator === undefined) throw new Error('This rig has no simulator.');
    return this.#simulator;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends the gateway at once, as a crash would as far as others can see, and starts it again. */
  async restart(): Promise<void> {
    await this.gateway.stop({ graceful: false });
    await this.revive();
  }

  /** Starts it again on the same folder and port, after the test has stopped it. */
  async revive(): Promise<void> {
    await this.#startGateway();
    this.#openGraph();
  }

  async dispose(): Promise<void> {
    for (const person of this.#people) person.leave();
    await this.#gateway?.stop({ graceful: false });
    await this.#simulator?.stop();
    await this.#http.destroy();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Posts these bytes, signed unless `headers` say otherwise. */
  async post(body: string, headers?: Readonly<Record<string, string>>): Promise<Posted> {
    const signed = { 'x-hub-signature-256': signatureOf(body, APP_SECRET) };
    const startedAt = performance.now();
    const answer = await request(`${this.url}/webhook/messenger`, {
      method: 'POST',
      dispatcher: this.#http,
      headers: { 'content-type': 'application/json', ...(headers ?? signed) },
      body,
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, text, tookMs: performance.now() - startedAt };
  }

  /** Posts a body as Meta writes it and expects the 200. */
  async deliver(body: unknown): Promise<Posted> {
    const posted = await this.post(writeLikeMeta(body));
    expect(posted).toMatchObject({ status: 200, text: 'EVENT_RECEIVED' });
    return posted;
  }

  deliverEntries(...entries: readonly Json[]): Promise<Posted> {
    return this.deliver({ object: 'page', entry: entries });
  }

  /** One entry of the Page with these events in `messaging`. */
  deliverEvents(...messaging: readonly Json[]): Promise<Posted> {
    return this.deliverEntries(entryOf({ messaging }));
  }

  /** Everything in the journal, internal records too. */
  records(): StoredRecord[] {
    const log = new LogExport(this.directory);
    try {
      return Array.from(log.records(), ({ seq, conversation, kind, data }) => {
        return { seq, conversation, kind, data: JSON.parse(data) as Json };
      });
    } finally {
      log.close();
    }
  }

  recordsOf(kind: string): StoredRecord[] {
    return this.records().filter((record) => record.kind === kind);
  }

  token(agent: string): Promise<string> {
    const claims = { id: agent, name: agent, role: 'agent', pages: ['*'] } as const;
    return mintToken(JWT_SECRET, { ...claims, ttlSeconds: 3_600 });
  }

  /** Somebody sits down at a desk that sees all Pages. */
  async join(agent = 'ann'): Promise<Person> {
    const person = new Person(this.url, () => this.token(agent));
    this.#people.push(person);
    await until(`${agent} at the desk`, () => person.isReady);
    return person;
  }

  async #startGateway(): Promise<void> {
    const note = (fields: object, message: string): void => {
      this.logged.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: note, info: note, warn: note, error: note };
    const { outbox } = this.#options;
    // The simulator needs the gateway's address and the other way round: the client is opened last.
    const client = (): GraphClient => {
      if (this.#graph === undefined) throw new Error('Meta was asked before there is one.');
      return this.#graph;
    };
    this.#gateway = createGateway(this.#settings(), {
      log,
      graph: {
        send: (call, signal) => client().send(call, signal),
        action: (page, user, action) => client().action(page, user, action),
        profile: (page, user) => client().profile(page, user),
        close: async () => this.#graph?.close(),
      },
      ...(outbox === undefined ? {} : { outboxLimits: outbox }),
    });
    const { urls } = await this.#gateway.start();
    this.#port = Number(new URL(urls[0] ?? '').port);
  }

  async #startSimulator(): Promise<void> {
    const { delivers = true } = this.#options;
    this.#simulator = createSimulator({
      gatewayUrl: this.url,
      verifyToken: VERIFY_TOKEN,
      appId: APP_ID,
      appSecret: APP_SECRET,
      pages: PAGE_IDS.map((id) => ({ id, name: `Page ${id}`, accessToken: `EAA${id}` })),
      customers: [],
      delivers,
      seed: 1,
    });
    await this.#simulator.start();
  }

  #openGraph(): void {
    this.#graph = createGraphClient({
      graphUrl: this.#options.graphUrl ?? this.simulator.url,
      graphVersion: 'v25.0',
      tokenOf: (page) => `EAA${page}`,
      appSecret: APP_SECRET,
    });
  }

  #settings(): GatewaySettings {
    return {
      listen: [{ host: '127.0.0.1', port: this.#port }],
      messenger: {
        webhookPath: '/webhook/messenger',
        verifyToken: VERIFY_TOKEN,
        appId: APP_ID,
        appSecrets: [APP_SECRET],
        graphUrl: 'http://127.0.0.1:9',
        graphVersion: 'v25.0',
        humanAgent: false,
        pages: PAGE_IDS.map((id) => ({ id, name: `Page ${id}`, accessToken: `EAA${id}` })),
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
      },
      console: { enabled: false, path: '/console/' },
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
    };
  }
}

/** What the list shows of a conversation, besides what depends on the time of looking. */
function lineOf({ window: _window, thread: _thread, ...line }: ConversationView): object {
  return line;
}

/** Somebody at a desk: what the client's store would draw, and every event that led to it. */
export class Person {
  readonly desk: Desk;
  readonly store = new Store();
  readonly events: EventMessage[] = [];
  isReady = false;
  gaps = 0;

  constructor(url: string, token: () => Promise<string>) {
    this.desk = connect({
      url: `${url}/agent`,
      token,
      webSocket: WebSocket as unknown as WebSocketConstructor,
      storage: null,
      random: () => 0.01,
    });
    this.desk.on('event', (event) => {
      this.events.push(event);
      this.store.thread(event.conversation);
    });
    this.desk.on('snapshot', (part) => {
      if (part.last) this.isReady = true;
    });
    this.desk.on('gap', () => {
      this.gaps += 1;
    });
    this.store.attach(this.desk);
  }

  leave(): void {
    this.desk.close();
  }

  /** Messages and notes of a conversation as they stand on the screen, top to bottom. */
  items(conversation: string): readonly ChatItem[] {
    return this.store.thread(conversation).items;
  }

  messages(conversation: string): ChatMessage[] {
    return this.items(conversation).filter((item) => item.type === 'message');
  }

  texts(conversation: string): string[] {
    return this.messages(conversation).map((message) => message.text);
  }

  eventsOf(kind: string): EventMessage[] {
    return this.events.filter((event) => event.kind === kind);
  }

  /** The event that comes, or came, with this kind. */
  event(kind: string, matches: (event: EventMessage) => boolean = () => true) {
    return until(`an event ${kind}`, () => this.eventsOf(kind).find(matches));
  }

  /** Everything that was durable before the call is on the screen: an answer comes behind it. */
  async caughtUp(): Promise<void> {
    await this.desk.list({ state: 'all', limit: 1 });
  }

  /** Waits until everything is there, and compares it with what a reload (F5) would show. */
  async shown(conversation: string): Promise<readonly ChatItem[]> {
    await this.caughtUp();
    const thread = new Thread(conversation);
    let before: number | undefined;
    do {
      const page = await this.desk.history(conversation, before === undefined ? {} : { before });
      thread.addHistory(page, before === undefined);
      before = thread.before;
    } while (!thread.isComplete);
    expect(this.items(conversation)).toEqual(thread.items);
    await this.#compareLine(conversation);
    return thread.items;
  }

  /** The line in the list, folded event by event, is the one that a reload would bring. */
  async #compareLine(conversation: string): Promise<void> {
    const { conversations } = await this.desk.list({ state: 'all', limit: 100 });
    const listed = conversations.find((view) => view.conversation === conversation);
    const live = this.store.conversation(conversation);
    if (listed?.seq !== live?.seq) return;
    expect(live && lineOf(live)).toEqual(listed && lineOf(listed));
  }

  /** Only the messages of `shown`. */
  async bubbles(conversation: string): Promise<ChatMessage[]> {
    return (await this.shown(conversation)).filter((item) => item.type === 'message');
  }

  async send(conversation: string, text: string): Promise<string> {
    return (await this.desk.send(conversation, { text })).message;
  }

  /** Waits until the message that `send` returned stands there with this status. */
  status(conversation: string, outbox: string, status: ChatMessage['status']) {
    return until(`${outbox} as ${status}`, () =>
      this.messages(conversation).find((item) => item.outbox === outbox && item.status === status),
    );
  }
}
