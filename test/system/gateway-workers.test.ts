// Two workers and a clerk as agents, customers and operators see them: it is one gateway.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { Agent, FakeGraph, type Json } from '../integration/gateway-rig.ts';
import { GatewayProcess, PAGE, SECRETS, textBody } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const USER = '7000000001';
const CONVERSATION = `messenger/${PAGE}/${USER}`;
const AGENTS = 8;
const CLERK = 2;
const WORKERS = [0, 1];
const run = promisify(execFile);

let graph: FakeGraph;
let gateway: GatewayProcess;
let agents: Agent[];

async function start(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  gateway = await GatewayProcess.create({
    graphUrl: graph.url,
    config: { workers: 2, ...config },
  });
  await gateway.start();
}

beforeEach(async () => {
  graph = new FakeGraph();
  await graph.start();
  agents = [];
});

afterEach(async () => {
  for (const agent of agents) agent.socket.terminate();
  await gateway.kill('SIGTERM');
  await gateway.dispose();
  await graph.stop();
});

/** Descriptors of a worker: one more for every connection. */
function socketsOf(slot: number): number {
  const folder = `/proc/${gateway.pidOf(slot)}/fd`;
  return readdirSync(folder).length;
}

async function open(id: string, tab: string): Promise<Agent> {
  const claims = { id, name: `Agent ${id}`, role: 'agent', pages: [PAGE] } as const;
  const token = await mintToken(SECRETS.jwtSecret, { ...claims, ttlSeconds: 600 });
  const agent = new Agent(gateway.url, token);
  agents.push(agent);
  await agent.opened;
  agent.say({ type: 'hello', id: 'h', session: tab });
  await agent.next((message) => message['type'] === 'position');
  return agent;
}

/** So many that both workers have some: otherwise the kernel's choice would be the test. */
async function openOnBoth(): Promise<Agent[]> {
  const before = WORKERS.map(socketsOf);
  const opened: Agent[] = [];
  while (opened.length < AGENTS || WORKERS.some((slot) => socketsOf(slot) === before[slot])) {
    opened.push(await open(`agent-${opened.length}`, `tab-${opened.length}`));
  }
  return opened;
}

const isKind = (kind: string) => (message: Json) => message['kind'] === kind;

describe('one gateway', () => {
  test('a message reaches the agents of all workers, a reply leaves once and all see it', async () => {
    await start();
    const all = await openOnBoth();
    expect(await gateway.post(textBody('m_1', USER, 'hello'))).toBe(200);
    const received = await Promise.all(all.map((agent) => agent.next(isKind('message.received'))));
    expect(new Set(received.map((message) => message['seq'])).size).toBe(1);
    const id = 'a7a4f2a0-0000-4000-8000-000000000001';
    all[0]?.say({ type: 'send', id, conversation: CONVERSATION, message: { text: 'hi' } });
    const reply = await all[0]?.next((message) => message['type'] === 'reply');
    expect(reply).toMatchObject({ id, ok: true });
    const sent = await Promise.all(all.map((agent) => agent.next(isKind('message.sent'))));
    expect(new Set(sent.map((message) => message['seq'])).size).toBe(1);
    expect(graph.messages).toHaveLength(1);
    // The same once more, from another session of the agent, wherever it hangs.
    const other = await open('agent-0', 'other');
    other.say({ type: 'send', id, conversation: CONVERSATION, message: { text: 'hi' } });
    const again = await other.next((message) => message['type'] === 'reply');
    expect(again).toMatchObject({ id, ok: true, data: { duplicate: true } });
    expect(graph.messages).toHaveLength(1);
  });

  test('lists, histories and read marks are those of all workers', async () => {
    await start();
    for (let n = 0; n < 5; n++) await gateway.post(textBody(`m_${n}`, USER, `text ${n}`));
    const all = await openOnBoth();
    for (const agent of all) {
      agent.say({ type: 'list', id: 'l', state: 'open' });
      const list = await agent.next((message) => message['id'] === 'l');
      const { conversations } = list['data'] as { conversations: Json[] };
      expect(conversations).toMatchObject([{ conversation: CONVERSATION, unread: 5 }]);
      agent.say({ type: 'history', id: 'y', conversation: CONVERSATION });
      const history = await agent.next((message) => message['id'] === 'y');
      expect((history['data'] as { events: Json[] }).events).toHaveLength(5);
    }
    const seq = 5;
    all[0]?.say({ type: 'seen', id: 's', conversation: CONVERSATION, seq });
    const marks = await Promise.all(all.map((agent) => agent.next(isKind('conversation.seen'))));
    expect(marks.every((mark) => (mark['data'] as Json)['seq'] === seq)).toBe(true);
    await until('Meta is told', () => graph.actions.includes('mark_seen'), 5_000);
  });

  test('typing is shown to the agents of all workers, and to the customer once', async () => {
    await start();
    await gateway.post(textBody('m_1', USER, 'hello'));
    const all = await openOnBoth();
    all[0]?.say({ type: 'typing', conversation: CONVERSATION, on: true });
    const others = all.slice(1);
    const shown = await Promise.all(
      others.map((agent) => agent.next((message) => message['type'] === 'signal')),
    );
    expect(shown.every((signal) => signal['conversation'] === CONVERSATION)).toBe(true);
    await until('Meta is told', () => graph.actions.length > 0, 5_000);
    expect(graph.actions).toEqual(['typing_on']);
  });

  test('a tab that joins again replaces itself, wherever it was', async () => {
    await start();
    await openOnBoth();
    const tabs: Agent[] = [];
    for (let n = 0; n < AGENTS; n++) tabs.push(await open('ann', 'one-tab'));
    const closed = await Promise.all(tabs.slice(0, -1).map((agent) => agent.closed));
    expect(closed.map((close) => close.code)).toEqual(Array(AGENTS - 1).fill(4409));
    tabs.at(-1)?.say({ type: 'list', id: 'l', state: 'open' });
    expect(await tabs.at(-1)?.next((message) => message['id'] === 'l')).toMatchObject({ ok: true });
  });

  test('the sessions of an agent are counted over all workers', async () => {
    const sessionsPerAgent = 3;
    await start({ agents: { jwt: { secret: SECRETS.jwtSecret }, sessionsPerAgent } });
    const results: string[] = [];
    for (let n = 0; n < 12; n++) {
      const joined = open('bob', `tab-${n}`).then(
        () => 'joined',
        () => 'refused',
      );
      results.push(await joined);
    }
    // A count may still be on its way to the other worker when the next handshake is judged.
    const joined = results.filter((result) => result === 'joined').length;
    expect(joined).toBeGreaterThanOrEqual(sessionsPerAgent);
    expect(joined).toBeLessThanOrEqual(sessionsPerAgent + 1);
    expect(results.at(-1)).toBe('refused');
  });

  test('its address for operators tells of all processes', async () => {
    await start();
    await openOnBoth();
    for (let n = 0; n < 10; n++) await gateway.post(textBody(`m_${n}`, USER, 'text'));
    const status = async () => JSON.parse((await gateway.admin('/status')).text) as Json;
    for (;;) {
      const { events, sessions } = await status();
      if (events === 10 && sessions === agents.length) break;
    }
    expect(await status()).toMatchObject({ ready: true, head: 10, webhooksAccepted: 10 });
    const { text } = await gateway.admin('/metrics');
    expect(text).toMatch(/^sluice_events_total 10$/m);
    expect(text).toMatch(/^sluice_journal_commit_seconds_count 10$/m);
  });
});

describe('its life', () => {
  test('a certificate that is none is told with its path, before anything is started', async () => {
    const listen = [{ host: '127.0.0.1', port: 0, tls: { cert: 'none.pem', key: 'none.pem' } }];
    const config = { workers: 2, listen };
    gateway = await GatewayProcess.create({ graphUrl: graph.url, config });
    await expect(gateway.start()).rejects.toThrow(/listen\.0\.tls: tls\.cert names a file/);
    expect(gateway.output).not.toContain('worker started');
  });

  test('while the clerk stands still webhooks wait, and then are told to come again', async () => {
    await start();
    const body = textBody('m_1', USER, 'hello');
    const clerk = gateway.pidOf(CLERK);
    process.kill(clerk, 'SIGSTOP');
    const startedAt = performance.now();
    expect(await gateway.post(body)).toBe(503);
    const waited = performance.now() - startedAt;
    expect(waited).toBeGreaterThan(2_900);
    expect(waited).toBeLessThan(4_500);
    process.kill(clerk, 'SIGCONT');
    // Meta's next try; the first may be stored by now, or not.
    expect(await gateway.post(body)).toBe(200);
    const mids = gateway.records().map((record) => record.data['mid']);
    expect(mids).toEqual(['m_1']);
  });

  test('what waited for a clerk that was killed is stored by the next one, once', async () => {
    await start();
    const clerk = gateway.pidOf(CLERK);
    process.kill(clerk, 'SIGSTOP');
    const posts = Array.from({ length: 20 }, (_, n) =>
      gateway.post(textBody(`m_${n}`, USER, 'hello')),
    );
    process.kill(clerk, 'SIGKILL');
    expect(await Promise.all(posts)).toEqual(Array(20).fill(200));
    const mids = gateway.records().map((record) => String(record.data['mid']));
    expect(mids.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `m_${n}`).toSorted());
  });

  test('a clerk is replaced in a fraction of a second, and nothing is refused meanwhile', async () => {
    await start();
    gateway.signal('SIGHUP');
    let longest = 0;
    for (let n = 0; gateway.countOf('The clerk has opened the journal') < 2; n++) {
      const startedAt = performance.now();
      expect(await gateway.post(textBody(`m_${n}`, USER, 'hello'))).toBe(200);
      longest = Math.max(longest, performance.now() - startedAt);
    }
    console.log(`a webhook waited at most ${longest.toFixed(0)} ms for the change of clerks`);
    expect(longest).toBeLessThan(2_000);
  });

  test('without its supervisor all of it leaves, and the next start works', async () => {
    await start();
    const body = textBody('m_1', USER, 'hello');
    const pids = [...WORKERS, CLERK].map((slot) => gateway.pidOf(slot));
    expect(await gateway.post(body)).toBe(200);
    await gateway.kill('SIGKILL');
    await until('all have left', () => !pids.some(isThere), 6_000);
    await gateway.start();
    expect(await gateway.post(body)).toBe(200);
    expect(gateway.records()).toHaveLength(1);
  });

  test('a second start says what is in its way, and exits with 1', async () => {
    await start();
    const bin = join(import.meta.dirname, '../../bin/sluice.mjs');
    const again = (file: string) =>
      run(process.execPath, [bin, 'start', '-c', file]).then(
        () => ({ code: 0, stderr: '' }),
        (error: { code: number; stderr: string }) => error,
      );
    const sameFolder = await again(gateway.configFile);
    expect(sameFolder.code).toBe(1);
    expect(sameFolder.stderr).toMatch(/pid file|runs/i);
    const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as object;
    const other = join(gateway.folder, 'other.json');
    writeFileSync(other, JSON.stringify({ ...config, data: join(gateway.folder, 'other') }));
    const samePort = await again(other);
    expect(samePort.code).toBe(1);
    expect(samePort.stderr).toMatch(/EADDRINUSE/);
    expect(await gateway.post(textBody('m_1', USER, 'hello'))).toBe(200);
  });

  test('SIGTERM stores what was asked and ends with 0; the next start binds at once', async () => {
    await start();
    const posts = Array.from({ length: 50 }, (_, n) =>
      gateway.post(textBody(`m_${n}`, USER, 'hello')),
    );
    await Promise.race(posts);
    const exited = gateway.exited();
    gateway.signal('SIGTERM');
    const accepted = (await Promise.all(posts)).filter((status) => status === 200).length;
    expect(await exited).toBe(0);
    expect(gateway.records().length).toBeGreaterThanOrEqual(accepted);
    await gateway.start();
    expect(await gateway.post(textBody('m_0', USER, 'hello'))).toBe(200);
  });
});

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
