// Whatever an agent's socket says: the process goes on, every request with an id gets one answer or the
// session ends with a code of the contract, and nothing of a foreign Page ever leaves. Real journal, real
// handlers, no network. SLUICE_FUZZ_SEED and SLUICE_FUZZ_CASES repeat or lengthen a run.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../lib/base/clock.ts';
import { silentLog } from '../../lib/base/log.ts';
import { OneProcess } from '../../lib/gateway/one-process.ts';
import { Scope } from '../../lib/gateway/scope.ts';
import { Session } from '../../lib/gateway/session.ts';
import { createCounters } from '../../lib/gateway/stats.ts';
import { toRecord } from '../../lib/gateway/to-record.ts';
import { mintToken } from '../../lib/gateway/tokens.ts';
import { type OpenedJournal, openJournal } from '../../lib/journal/open.ts';
import type { GraphClient } from '../../lib/messenger/types.ts';
import { JWT_SECRET, Rig } from '../integration/gateway-rig.ts';
import { seededRandom } from '../support/chunkings.ts';
import { FakeSocket } from '../unit/gateway/fakes.ts';
import { fuzzCases } from './cases.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Date.now() % 0x7fffffff);
const CASES = fuzzCases('agentProtocol');
const BATCH = 200;
const SESSIONS = 10;
const SECRET_TEXT = 'only-for-page-200';
const CLOSE_CODES = [1013, 4001, 4400];

const random = seededRandom(SEED);
const below = (bound: number): number => Math.floor(random() * bound);
const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;

const graph: GraphClient = {
  send: () => Promise.resolve({ outcome: 'sent', mid: `m_${below(1e9)}` }),
  action: () => Promise.resolve(true),
  profile: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
};

let rig: Rig;
let directory: string;
let opened: OpenedJournal;
let house: OneProcess;
let token: string;

beforeAll(async () => {
  rig = new Rig({ limits: { requestsPerSecond: 1_000_000 } });
  rig.graph.url = 'http://127.0.0.1:1';
  directory = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
  opened = await openJournal({ directory });
  house = new OneProcess({
    settings: rig.settings,
    opened,
    graph,
    publish: () => undefined,
    clock: systemClock,
    log: silentLog,
    counters: createCounters(),
    outboxLimits: { threadPerSecond: 1e6, pagePerSecond: 1e6, pageBurst: 1e6, threadBurst: 1e6 },
  });
  await house.start();
  token = await mintToken(JWT_SECRET, {
    id: 'agent-0',
    name: 'A',
    role: 'agent',
    pages: ['100'],
    ttlSeconds: 600,
  });
  for (const [asset, text] of [
    ['100', 'hello'],
    ['200', SECRET_TEXT],
  ] as const) {
    const data = { mid: `m-${asset}`, at: Date.now(), text };
    const flags = { standby: false, opensWindow: true };
    const event = { asset, user: '7', kind: 'message.received', at: Date.now(), data, ...flags };
    await opened.journal.append([toRecord(event, Date.now())]);
  }
});

afterAll(async () => {
  await house.clerk.stop(1_000);
  await house.stop();
  await opened.journal.close();
  await opened.views.close();
  rmSync(directory, { recursive: true, force: true });
  rmSync(rig.directory, { recursive: true, force: true });
});

const TEMPLATES: readonly (() => Record<string, unknown>)[] = [
  () => ({ type: 'send', conversation: 'messenger/100/7', message: { text: 'hi' }, seen: 1 }),
  () => ({
    type: 'send',
    conversation: 'messenger/100/7',
    message: {
      attachment: { type: 'image', url: 'https://x.example/a.png' },
      quickReplies: [{ title: 'a', payload: 'b' }],
      replyTo: 'm-100',
    },
    claim: 3,
  }),
  () => ({ type: 'resolve', message: pick(['x', '01J']), action: pick(['resend', 'discard']) }),
  () => ({ type: 'typing', conversation: 'messenger/100/7', on: random() < 0.5 }),
  () => ({ type: 'seen', conversation: 'messenger/100/7', seq: below(10) }),
  () => ({ type: 'list', state: pick(['open', 'mine', 'all']), limit: below(200) }),
  () => ({ type: 'list', state: 'open', cursor: pick(['', 'x', 'WzEsImEiXQ', 'WzEsMV0']) }),
  () => ({ type: 'history', conversation: 'messenger/100/7', before: below(20), limit: below(60) }),
  () => ({ type: 'token', token: pick([token, 'a.b.c', '']) }),
  () => ({ type: 'hello', session: 's', since: { epoch: 'x', seq: 1 } }),
  () => ({ type: pick(['claim', 'agents', 'thread', 'react', 'dance', '', '__proto__']) }),
];

const JUNK: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => 0.5,
  () => '',
  () => 'x'.repeat(below(30_000)),
  () => '\u0000\u2028\ud800"\\',
  () => [],
  () => [[[[]]]],
  () => ({}),
  () => ({ toString: 1, constructor: { prototype: null } }),
  () => 'messenger/200/7',
  () => 'messenger/200',
  () => 'messenger/100/../200/7',
  () => `messenger/100/${'9'.repeat(200)}`,
];

/** A message and whether a reply with its id must come. */
function nextText(id: string): string {
  const message: Record<string, unknown> = { ...pick(TEMPLATES)(), id };
  for (let changes = below(3); changes > 0; changes--) {
    const key = pick([...Object.keys(message), 'extra', 'conversation']);
    if (key === 'id' && random() < 0.7) continue;
    if (random() < 0.2) delete message[key];
    else message[key] = pick(JUNK)();
  }
  const nested = message['message'];
  if (typeof nested === 'object' && nested !== null && random() < 0.3) {
    message['message'] = {
      ...nested,
      [pick(['text', 'attachment', 'quickReplies'])]: pick(JUNK)(),
    };
  }
  const text = JSON.stringify(message);
  return random() < 0.02 ? damage(text) : text;
}

function damage(text: string): string {
  const at = below(text.length);
  switch (below(4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return `${text.slice(0, at)}${String.fromCharCode(below(0x80))}${text.slice(at + 1)}`;
    case 2:
      return '['.repeat(below(5_000));
    default:
      return `${text}${text}`;
  }
}

interface Open {
  readonly session: Session;
  readonly socket: FakeSocket;
  /** The requests by id: an id may be used again. */
  readonly expected: Map<string, string[]>;
}

/** How often each answer was given: a fuzz that is only refused tests little. */
const outcomes = new Map<string, number>();
let opens = 0;
function openSession(): Open {
  opens += 1;
  const socket = new FakeSocket({ queueBytes: 1e9 });
  const session = new Session(house.core.world, socket, {
    person: { id: `agent-${opens % 3}`, name: 'A', role: 'agent' },
    scope: new Scope(['100'], 'agent'),
    issuedAt: 0,
    expiresAt: Date.now() + 3_600_000,
  });
  session.receive(JSON.stringify({ type: 'hello', id: 'h', session: `s${opens}` }));
  return { session, socket, expected: new Map() };
}

function say(open: Open, text: string): void {
  let id: unknown;
  try {
    const message = JSON.parse(text) as Record<string, unknown>;
    if (message['type'] !== 'typing') id = message['id'];
  } catch {
    id = undefined;
  }
  if (typeof id === 'string' && id.length >= 1 && id.length <= 128) {
    open.expected.set(id, [...(open.expected.get(id) ?? []), text]);
  }
  open.session.receive(text);
}

function check({ socket, expected }: Open): void {
  if (socket.closed !== undefined) expect(CLOSE_CODES).toContain(socket.closed.code);
  const answered = new Map<unknown, number>();
  for (const text of socket.sent) {
    expect(text).not.toContain(SECRET_TEXT);
    const message = JSON.parse(text) as Record<string, unknown>;
    if (message['type'] !== 'reply') continue;
    answered.set(message['id'], (answered.get(message['id']) ?? 0) + 1);
    const code = (message['error'] as { code?: string } | undefined)?.code ?? 'ok';
    expect(code).not.toBe('internal');
    outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  }
  for (const [id, texts] of expected) {
    const count = answered.get(id) ?? 0;
    const isCut = socket.closed !== undefined && count < texts.length;
    if (!isCut && count !== texts.length) {
      throw new Error(`${count} answers to ${texts.join('\n').slice(0, 500)}`);
    }
  }
}

const isIdle = (open: Open): boolean => open.session.isEnded || open.session.requestsWaiting === 0;

test(`survives ${CASES} messages (seed ${SEED})`, async () => {
  console.log(`agent protocol fuzz: SLUICE_FUZZ_SEED=${SEED}`);
  for (let done = 0; done < CASES; done += BATCH) {
    const batch = Array.from({ length: SESSIONS }, openSession);
    for (let index = 0; index < BATCH; index++) {
      say(pick(batch), nextText(`${done + index}`));
    }
    const latest = Date.now() + 10_000;
    while (!batch.every(isIdle)) {
      if (Date.now() > latest) throw new Error(`requests hang after ${done} cases`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const open of batch) check(open);
    for (const open of batch) open.session.closed();
  }
  for (const code of ['ok', 'bad_request', 'forbidden', 'stale', 'unsupported']) {
    expect(outcomes.get(code) ?? 0, code).toBeGreaterThan(CASES / 1_000);
  }
  expect(house.core.sessions.size).toBe(0);
  expect(opened.journal.isAvailable).toBe(true);
});
