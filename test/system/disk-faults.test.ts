// The disk of a running gateway fills up, turns read-only, or breaks; its folder cannot be written at all.
// What was answered 200 stays, what was refused is taken later, once, and only a broken disk ends the process.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Agent, type Json } from '../integration/gateway-rig.ts';
import { GatewayProcess, PAGE, SECRETS, sign, textBody } from '../support/gateway-process.ts';
import { ERRNO, type Fault, FaultyDisk } from '../support/preload.ts';

const CONVERSATION = `messenger/${PAGE}/7`;
const RECOVERY_MS_MAX = 15_000;
const REFUSED = 20;

let folder: string;
let disk: FaultyDisk;
let gateway: GatewayProcess;
let agents: Agent[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
  disk = new FaultyDisk(folder);
  gateway = await GatewayProcess.create({ env: disk.env });
  agents = [];
});

afterEach(async () => {
  for (const agent of agents) agent.socket.terminate();
  await gateway.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function joinAs(id: string): Promise<Agent> {
  const agent = new Agent(gateway.url, gateway.token(id));
  agents.push(agent);
  await agent.opened;
  agent.say({ type: 'hello', id: 'h', session: `tab-${id}` });
  await agent.next((message) => message['type'] === 'position');
  return agent;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: unknown;
  readonly body: string;
}

async function postFully(body: string): Promise<Answer> {
  const answer = await request(gateway.webhookUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': sign(body) },
    body,
  });
  const retryAfter = answer.headers['retry-after'];
  return { status: answer.statusCode, retryAfter, body: await answer.body.text() };
}

/** Posts again and again as Meta does. @returns how often it was refused before it was taken */
async function postUntilTaken(body: string): Promise<number> {
  const latest = Date.now() + RECOVERY_MS_MAX;
  for (let refused = 0; ; refused++) {
    const status = await gateway.post(body);
    if (status === 200) return refused;
    expect(status).toBe(503);
    if (Date.now() > latest) throw new Error('It is not taken again.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function readyStatus(): Promise<number> {
  return (await gateway.admin('/readyz')).status;
}

async function untilReadyIs(status: number): Promise<void> {
  const latest = Date.now() + RECOVERY_MS_MAX;
  while ((await readyStatus()) !== status) {
    if (Date.now() > latest) throw new Error(`/readyz is not ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const received = (): unknown[] =>
  gateway
    .records()
    .filter((record) => record.kind === 'message.received')
    .map((record) => record.data['mid']);

/** A redelivery keeps the event's own time. */
const at = Date.now();
const bodyOf = (mid: string): string => textBody(mid, '7', `text of ${mid}`, at);

describe.each<[string, Fault]>([
  ['full (ENOSPC)', { errno: ERRNO.ENOSPC, path: '/data/' }],
  ['full for the log alone (ENOSPC)', { errno: ERRNO.ENOSPC, path: '/data/log.db' }],
  ['read-only (EROFS)', { errno: ERRNO.EROFS, path: '/data/' }],
])('a disk that becomes %s', (_name, fault) => {
  test('means 503, unavailable and not ready; then everything is stored once, by the same process', async () => {
    await gateway.start();
    const { pid } = gateway;
    const ann = await joinAs('ann');
    expect(await gateway.post(bodyOf('m_before'))).toBe(200);
    await ann.event('message.received');

    disk.set({ write: fault });
    for (let count = 0; count < REFUSED; count++) {
      const answer = await postFully(bodyOf(`m_refused-${count}`));
      expect(answer.status).toBe(503);
      expect(Number(answer.retryAfter)).toBeGreaterThan(0);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'unavailable', retryable: true });
    }
    const send: Json = {
      type: 'send',
      id: '4f0c1f6e-0000-4000-8000-000000000001',
      conversation: CONVERSATION,
      message: { text: 'answer' },
    };
    expect(await ann.ask(send)).toMatchObject({
      ok: false,
      error: { code: 'unavailable', retryable: true },
    });
    // What only reads goes on, and so do the sessions.
    expect(await ann.ask({ type: 'list', state: 'open' })).toMatchObject({ ok: true });
    expect(await readyStatus()).toBe(503);
    expect((await gateway.admin('/healthz')).status).toBe(200);

    disk.set({});
    for (let count = 0; count < REFUSED; count++) {
      await postUntilTaken(bodyOf(`m_refused-${count}`));
      expect(await gateway.post(bodyOf(`m_refused-${count}`))).toBe(200);
    }
    await untilReadyIs(200);
    // A refused send leaves no trace: the same id is a new message.
    const reply = await ann.ask(send);
    expect(reply).toMatchObject({ ok: true });
    expect(reply['data']).not.toHaveProperty('duplicate');
    expect(gateway.pid).toBe(pid);
    const expected = [
      'm_before',
      ...Array.from({ length: REFUSED }, (_, index) => `m_refused-${index}`),
    ];
    expect(received()).toEqual(expected);
    await ann.next((message) => (message['data'] as Json)?.['mid'] === expected.at(-1));
    const seqs = ann.events.map((event) => event['seq']);
    expect(new Set(seqs).size).toBe(seqs.length);
  });
});

test('a disk that stays full for many commits costs nothing that was answered 200', async () => {
  await gateway.start();
  const taken: string[] = [];
  for (let round = 0; round < 6; round++) {
    disk.set(round % 2 === 0 ? {} : { write: { errno: ERRNO.ENOSPC, path: 'log.db' } });
    await Promise.all(
      Array.from({ length: 15 }, async (_, index) => {
        const mid = `m_${round}-${index}`;
        if ((await gateway.post(bodyOf(mid))) === 200) taken.push(mid);
      }),
    );
  }
  disk.set({});
  await postUntilTaken(bodyOf('m_last'));
  await gateway.kill('SIGKILL');
  const stored = received();
  expect(new Set(stored).size).toBe(stored.length);
  expect([...taken, 'm_last'].filter((mid) => !stored.includes(mid))).toEqual([]);
  expect(taken.length).toBeGreaterThanOrEqual(15);
});

describe('a flush that fails (EIO)', () => {
  test('ends the process; the next one replays and has the message once', async () => {
    await gateway.start();
    const ann = await joinAs('ann');
    expect(await gateway.post(bodyOf('m_1'))).toBe(200);
    await ann.event('message.received');
    disk.set({ fsync: { errno: ERRNO.EIO, path: 'log.db' } });
    const exited = gateway.exited();
    expect(await gateway.post(bodyOf('m_2'))).not.toBe(200);
    expect(await exited).toBe(1);
    await ann.closed;
    expect(gateway.output).toContain('The gateway cannot go on');

    disk.set({});
    await gateway.start();
    expect(await gateway.post(bodyOf('m_2'))).toBe(200);
    expect(await gateway.post(bodyOf('m_1'))).toBe(200);
    expect(received()).toEqual(['m_1', 'm_2']);
    const again = await joinAs('bob');
    const { conversations } = again.ofType('snapshot')[0] as { conversations: Json[] };
    expect(conversations[0]).toMatchObject({ unread: 2, last: { text: 'text of m_2' } });
  });

  test('never ended in a 200 for any of the posts that were under way', async () => {
    await gateway.start();
    const taken = new Set<string>();
    const exited = gateway.exited();
    const lanes = Array.from({ length: 16 }, async (_, lane) => {
      for (let n = 0; n < 40; n++) {
        if (lane === 0 && n === 10) disk.set({ fsync: { errno: ERRNO.EIO, path: 'log.db' } });
        const mid = `m_${lane}-${n}`;
        if ((await gateway.post(bodyOf(mid))) === 200) taken.add(mid);
      }
    });
    await Promise.all(lanes);
    expect(await exited).toBe(1);
    expect(taken.size).toBeGreaterThan(16);
    expect(taken.size).toBeLessThan(16 * 40);
    disk.set({});
    await gateway.start();
    const stored = received();
    expect(new Set(stored).size).toBe(stored.length);
    expect([...taken].filter((mid) => !stored.includes(mid))).toEqual([]);
  });
});

describe('a data folder that cannot be written', () => {
  const refusedStart = async (): Promise<string> => {
    const failure = await gateway.start().then(
      () => new Error('It started.'),
      (error: Error) => error,
    );
    expect(failure.message).toContain('ended with 1');
    return gateway.output;
  };

  test('is a clear error and exit 1: a file stands in its place', async () => {
    writeFileSync(gateway.data, '');
    expect(await refusedStart()).toContain(gateway.data);
    expect(gateway.output).not.toContain('    at ');
  });

  test('is a clear error and exit 1: the file system refuses writes', async () => {
    disk.set({ write: { errno: ERRNO.EROFS, path: '/data/' } });
    const output = await refusedStart();
    expect(output).toContain(gateway.data);
    expect(output).toMatch(/cannot be (written|opened)/);
    expect(output).not.toContain('    at ');
    disk.set({});
    await gateway.start();
    expect(await gateway.post(bodyOf('m_1'))).toBe(200);
  });

  test('is a clear error and exit 1 for a user without the right', async () => {
    // A user who may not write; root may everything, so the process is started as nobody.
    if (process.getuid?.() !== 0) return;
    execFileSync('mkdir', [gateway.data]);
    execFileSync('chmod', ['755', gateway.folder, gateway.data]);
    const script = `process.setgid(65534);process.setuid(65534);
      import('${new URL('../../dist/cli/main.js', import.meta.url).href}')
        .then(({ main }) => main(['start', '-c', '${gateway.configFile}']))
        .then((code) => { process.exitCode = code; });`;
    let failure: { status?: number; stderr?: string } = {};
    try {
      execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      failure = error as typeof failure;
    }
    expect(failure.status).toBe(1);
    expect(failure.stderr).toContain(gateway.data);
    expect(failure.stderr).toMatch(/cannot be opened: EACCES/);
    expect(failure.stderr).not.toContain(SECRETS.appSecret);
  });
});
