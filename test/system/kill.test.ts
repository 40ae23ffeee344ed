// kill -9 of the gateway, ten times and more, while 200 signed webhooks a second come in and agents
// answer. What was acknowledged must be there once; what was posted must have been announced.

import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Desk } from '../../lib/client/index.ts';
import type { EventMessage } from '../../lib/client/protocol.ts';
import type { WebSocketConstructor } from '../../lib/client/socket.ts';
import { createSimulator } from '../../lib/simulator/simulator.ts';
import {
  type ExportedRecord,
  freePort,
  GatewayProcess,
  PAGE,
  SECRETS,
  seededRandom,
  textBody,
} from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const KILLS = Number(process.env['SLUICE_TEST_KILLS'] ?? 10);
const WEBHOOKS_PER_SECOND = 200;
const SENDS_PER_SECOND = 20;
const CUSTOMERS = 40;
const USERS = Array.from({ length: CUSTOMERS }, (_, index) =>
  String(7_000_000_000_000_000 + index),
);
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000);
/** Without one message more that ended: the echo wait of the clerk (30 s), a retry's backoff, and the way back. */
const SETTLE_MS_MAX = 60_000;

function anyUser(random: () => number): string {
  return USERS[Math.floor(random() * CUSTOMERS)] ?? '';
}

/** One agent: what it saw, what it sent, what was confirmed. */
class Agent {
  readonly desk: Desk;
  readonly events: EventMessage[] = [];
  readonly confirmed = new Map<string, string>();
  gaps = 0;
  position = 0;

  constructor(url: string, token: string, random: () => number) {
    this.desk = connect({
      url,
      token: () => token,
      webSocket: WebSocket as unknown as WebSocketConstructor,
      storage: null,
      sessionUrl: null,
      random: () => random() * 0.05,
    });
    this.desk.on('event', (event) => {
      this.events.push(event);
      this.position = event.seq;
    });
    this.desk.on('gap', () => {
      this.gaps += 1;
    });
  }

  async send(conversation: string, text: string): Promise<void> {
    const id = randomUUID();
    const sent = await this.desk.send(conversation, { text }, { id });
    this.confirmed.set(id, sent.message);
  }
}

/** Posts every message until it is answered 200, as Meta does. */
class Customers {
  readonly acknowledged: string[] = [];
  isRunning = true;
  #open = 0;

  readonly #gateway: GatewayProcess;
  readonly #random: () => number;

  constructor(gateway: GatewayProcess, random: () => number) {
    this.#gateway = gateway;
    this.#random = random;
  }

  get open(): number {
    return this.#open;
  }

  async run(): Promise<void> {
    const started = Date.now();
    for (let count = 0; this.isRunning; ) {
      const due = Math.floor(((Date.now() - started) * WEBHOOKS_PER_SECOND) / 1000);
      for (; count < due; count++) void this.#deliver(`m_kill-${SEED}-${count}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #deliver(mid: string): Promise<void> {
    this.#open += 1;
    const body = textBody(mid, anyUser(this.#random), `message ${mid}`);
    for (;;) {
      if ((await this.#gateway.post(body)) === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 50 + this.#random() * 100));
    }
    this.acknowledged.push(mid);
    this.#open -= 1;
  }
}

const ENDS = new Set(['message.sent', 'message.failed', 'message.uncertain']);

function endsByMessage(records: readonly ExportedRecord[]): Map<string, string[]> {
  const ends = new Map<string, string[]>();
  for (const record of records) {
    if (!ENDS.has(record.kind)) continue;
    const message = String(record.data['message']);
    ends.set(message, [...(ends.get(message) ?? []), record.kind]);
  }
  return ends;
}

describe(`kill -9 under load (seed ${SEED}, ${KILLS} kills)`, () => {
  const disposals: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  test('nothing acknowledged is lost, doubled or posted blindly', {
    timeout: 180_000 + KILLS * 6000,
  }, async () => {
    console.log(`seed ${SEED}`);
    const random = seededRandom(SEED);
    const graphPort = await freePort();
    const gateway = await GatewayProcess.create({
      graphUrl: `http://127.0.0.1:${graphPort}`,
      config: { limits: { requestsPerSecond: 1000 } },
    });
    const simulator = createSimulator({
      port: graphPort,
      gatewayUrl: gateway.url,
      verifyToken: SECRETS.verifyToken,
      appId: '1122334455667788',
      appSecret: SECRETS.appSecret,
      pages: [{ id: PAGE, name: 'Page', accessToken: SECRETS.accessToken }],
      order: 'conversation',
    });
    await simulator.start();
    disposals.push(
      () => simulator.stop(),
      () => gateway.dispose(),
    );
    await gateway.start();
    const agents = ['ann', 'bob', 'cyn'].map(
      (id) => new Agent(gateway.agentUrl, gateway.token(id), random),
    );
    disposals.push(async () => {
      for (const agent of agents) agent.desk.close();
    });
    // Meta sends to nobody who has not written first; the load below comes past the simulator.
    for (const user of USERS) simulator.customerSends(PAGE, user, { text: 'hello?' });
    const customers = new Customers(gateway, random);
    const load = customers.run();
    const pending = new Set<Promise<void>>();
    const sending = setInterval(() => {
      const agent = agents[Math.floor(random() * agents.length)];
      const conversation = `messenger/${PAGE}/${anyUser(random)}`;
      const sent = agent?.send(conversation, `answer ${pending.size}`);
      if (sent !== undefined) {
        pending.add(sent);
        void sent.finally(() => pending.delete(sent)).catch(() => undefined);
      }
    }, 1000 / SENDS_PER_SECOND);

    for (let kill = 0; kill < KILLS; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 600 + random() * 900));
      await gateway.kill('SIGKILL');
      await gateway.start();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(sending);
    customers.isRunning = false;
    await load;
    await until('every webhook acknowledged', () => customers.open === 0, 30_000);
    await until('every send answered', () => pending.size === 0, 30_000);
    await simulator.settled();

    const ids = () => agents.flatMap((agent) => [...agent.confirmed.values()]);
    let ends = endsByMessage(gateway.records());
    // What queued up behind a call that was open at a kill goes out at a conversation's pace, one a second.
    let deadline = Date.now() + SETTLE_MS_MAX;
    while (ids().some((id) => !ends.has(id)) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const endedBefore = ends.size;
      ends = endsByMessage(gateway.records());
      if (ends.size > endedBefore) deadline = Date.now() + SETTLE_MS_MAX;
    }
    const records = gateway.records();
    const head = records.at(-1)?.seq ?? 0;
    expect(ids().length).toBeGreaterThan(KILLS);

    // Every event that was answered 200 is in the journal once.
    const received = new Map<string, number>();
    for (const record of records) {
      if (record.kind !== 'message.received') continue;
      const mid = String(record.data['mid']);
      received.set(mid, (received.get(mid) ?? 0) + 1);
    }
    expect(customers.acknowledged.length).toBeGreaterThan(KILLS * 100);
    expect(customers.acknowledged.filter((mid) => received.get(mid) !== 1)).toEqual([]);

    // At most one call per message.sending record.
    const announced = new Map<string, number>();
    for (const record of records) {
      if (record.kind !== 'message.sending') continue;
      const key = `gw:${record.data['message']}:${record.data['part']}`;
      announced.set(key, (announced.get(key) ?? 0) + 1);
    }
    const called = new Map<string, number>();
    for (const sent of simulator.sentMessages) {
      const key = sent.metadata ?? '';
      called.set(key, (called.get(key) ?? 0) + 1);
    }
    for (const [key, calls] of called)
      expect(calls, key).toBeLessThanOrEqual(announced.get(key) ?? 0);

    // Every confirmed send ends once; uncertain only when its call was open at a kill.
    for (const id of ids()) {
      const kinds = ends.get(id) ?? [];
      const final = kinds.filter((kind) => kind !== 'message.uncertain');
      expect(kinds.length, historyOf(id, records)).toBeGreaterThan(0);
      expect(final.length, `${id} ended as ${kinds.join(', ')}`).toBeLessThanOrEqual(1);
      if (kinds.includes('message.sent')) expect(called.get(`gw:${id}:0`), id).toBe(1);
    }
    const sent = ids().filter((id) => ends.get(id)?.includes('message.sent'));
    expect(sent.length).toBeGreaterThan(ids().length / 2);
    const uncertain = [...ends.values()].filter((kinds) => kinds.includes('message.uncertain'));
    expect(uncertain.length).toBeLessThanOrEqual(KILLS * CUSTOMERS);

    // Agents resumed: each record once, in order, none missing.
    const visible = new Set(records.filter((r) => !isInternal(r.kind)).map((record) => record.seq));
    for (const agent of agents) {
      await until('the agent is at the head', () => agent.position >= lastOf(visible), 20_000);
      const seqs = agent.events.map((event) => event.seq);
      expect(new Set(seqs).size).toBe(seqs.length);
      expect(seqs.every((seq, index) => index === 0 || seq > (seqs[index - 1] ?? 0))).toBe(true);
      const first = seqs[0] ?? 0;
      const missing = [...visible].filter((seq) => seq >= first && !seqs.includes(seq));
      expect(missing).toEqual([]);
      expect(agent.gaps).toBe(0);
    }
    console.log(
      `${customers.acknowledged.length} webhooks, ${ids().length} sends, ${sent.length} sent, ${uncertain.length} uncertain, head ${head}`,
    );
  });
});

const INTERNAL = new Set([
  'message.sending',
  'message.part',
  'message.deferred',
  'message.unknown',
  'message.resolved',
  'message.echo',
]);

function isInternal(kind: string): boolean {
  return INTERNAL.has(kind);
}

/** What the journal has of a message and, after it, of its conversation. */
function historyOf(id: string, records: readonly ExportedRecord[]): string {
  const first = records.findIndex((record) => record.data['message'] === id);
  const conversation = records[first]?.conversation;
  const later = records.slice(first).filter((record) => record.conversation === conversation);
  const lines = later.map(
    ({ seq, at, kind, data }) => `${seq} ${at} ${kind} ${data['message'] ?? data['mid']}`,
  );
  return `${id} has no end:\n${lines.join('\n')}`;
}

function lastOf(seqs: ReadonlySet<number>): number {
  return Math.max(0, ...seqs);
}
