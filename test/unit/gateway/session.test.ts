import { beforeEach, describe, expect, test } from 'vitest';
import { SluiceError } from '../../../lib/base/errors.ts';
import { silentLog } from '../../../lib/base/log.ts';
import { Hub } from '../../../lib/gateway/hub.ts';
import {
  HELLO_TIMEOUT_MS,
  REQUESTS_WAITING_LOW,
  REQUESTS_WAITING_MAX,
  STALL_MAX_MS,
} from '../../../lib/gateway/limits.ts';
import { RequestError } from '../../../lib/gateway/request-error.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import {
  type Message,
  parseMessage,
  type RequestHandler,
  Session,
  type SessionWorld,
} from '../../../lib/gateway/session.ts';
import { Sessions } from '../../../lib/gateway/sessions.ts';
import { createCounters } from '../../../lib/gateway/stats.ts';
import type { AgentIdentity } from '../../../lib/gateway/tokens.ts';
import type { Journal } from '../../../lib/journal/types.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeSocket } from './fakes.ts';

const HEARTBEAT_SECONDS = 25;

let clock: ManualClock;
let handled: Message[];
let handle: RequestHandler;
let sessions: Sessions;
beforeEach(() => {
  clock = new ManualClock();
  handled = [];
  sessions = new Sessions();
  handle = (_session, message) => {
    handled.push(message);
    return '{"done":true}';
  };
});

function worldAt(position: number, change: Partial<SessionWorld> = {}): SessionWorld {
  return {
    hub: new Hub(
      () => undefined,
      position,
      () => clock.monotonicMs(),
    ),
    sessions,
    journal: { epoch: 'e1', head: position, tailSeq: 1, read: () => [] } as unknown as Journal,
    handle: (session, message) => handle(session, message),
    snapshot: () => ({ seq: position, conversations: [] }),
    viewText: () => undefined,
    later: (task) => void setImmediate(task),
    clock,
    log: silentLog,
    counters: createCounters(),
    heartbeatSeconds: HEARTBEAT_SECONDS,
    replayMax: 100,
    requestsPerSecond: 50,
    ...change,
  };
}

function identity(change: { id?: string; pages?: string[]; lifeMs?: number } = {}): AgentIdentity {
  return {
    person: { id: change.id ?? 'ann', name: 'Ann', role: 'agent' },
    scope: new Scope(change.pages ?? ['100'], 'agent'),
    issuedAt: clock.now(),
    expiresAt: clock.now() + (change.lifeMs ?? 3_600_000),
  };
}

function open(world = worldAt(0), who = identity(), socket = new FakeSocket({ queueBytes: 1e6 })) {
  const session = new Session(world, socket, who);
  const say = (message: object): void => session.receive(JSON.stringify(message));
  const hello = (since?: object): void => say({ type: 'hello', id: 'h', session: 's', since });
  const replies = (): Record<string, unknown>[] =>
    socket.messages.filter((message) => message['type'] === 'reply');
  return { session, socket, world, say, hello, replies };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('before hello', () => {
  test.each(['', 'x', '{', '[]', '[{"type":"hello"}]', 'null', '7', '{}', '{"type":7}', '"hello"'])(
    'closes 4400 on %s',
    (text) => {
      const { session, socket } = open();
      session.receive(text);
      expect(socket.closed?.code).toBe(4400);
      expect(sessions.size).toBe(0);
    },
  );

  test('closes 4400 on a binary frame and on a request', () => {
    const first = open();
    first.session.receive(Buffer.from('{"type":"hello"}'));
    expect(first.socket.closed?.code).toBe(4400);
    const second = open();
    second.say({ type: 'list', id: '1' });
    expect(second.socket.closed?.code).toBe(4400);
    expect(handled).toEqual([]);
  });

  test('closes 4008 when no hello comes in time', async () => {
    const { session, socket } = open();
    await clock.advance(HELLO_TIMEOUT_MS - 1);
    session.sweep();
    expect(socket.closed).toBeUndefined();
    await clock.advance(1);
    session.sweep();
    expect(socket.closed?.code).toBe(4008);
  });
});

describe('joining', () => {
  test('welcomes, shows the snapshot and says the position', () => {
    const { socket, hello } = open(worldAt(7));
    hello();
    const [welcome, snapshot, position] = socket.messages;
    expect(welcome).toMatchObject({
      type: 'welcome',
      id: 'h',
      agent: { id: 'ann', name: 'Ann', role: 'agent' },
      pages: ['100'],
      epoch: 'e1',
      seq: 7,
      recovered: false,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      expiresAt: clock.now() + 3_600_000,
    });
    expect(snapshot).toMatchObject({ type: 'snapshot', part: 1, last: true, seq: 7 });
    expect(position).toEqual({ type: 'position', seq: 7 });
  });

  const scope = new Scope(['100'], 'agent').id;
  test.each([
    [{ epoch: 'e1', seq: 500 }, true],
    [{ epoch: 'e1', seq: 500, scope }, true],
    [{ epoch: 'e1', seq: 400 }, true],
    [{ epoch: 'e1', seq: 399 }, false],
    [{ epoch: 'e1', seq: 501 }, false],
    [{ epoch: 'e2', seq: 500 }, false],
    [{ epoch: 'e1', seq: 500, scope: 'other' }, false],
    [{ epoch: 'e1', seq: -1 }, false],
    [{ epoch: 'e1', seq: 4.5 }, false],
    [{ epoch: 'e1', seq: '500' }, false],
    [{ epoch: 'e1' }, false],
    [[], false],
    ['e1', false],
    [null, false],
  ])('with since %j recovers: %s', (since, recovered) => {
    const { socket, hello } = open(worldAt(500));
    hello(since as object);
    expect(socket.messages[0]?.['recovered']).toBe(recovered);
    expect(socket.messages[1]?.['type']).toBe(recovered ? 'position' : 'snapshot');
  });

  test('does not recover what retention took', () => {
    const journal = { epoch: 'e1', tailSeq: 450, read: () => [] } as unknown as Journal;
    const { socket, hello } = open(worldAt(500, { journal }));
    hello({ epoch: 'e1', seq: 448 });
    expect(socket.messages[0]?.['recovered']).toBe(false);
    const other = open(worldAt(500, { journal }), identity({ id: 'bob' }));
    other.hello({ epoch: 'e1', seq: 449 });
    expect(other.socket.messages[0]?.['recovered']).toBe(true);
  });

  test('replaces the older session of the same tab, and only that', () => {
    const world = worldAt(0);
    const first = open(world);
    first.hello();
    const otherTab = open(world);
    otherTab.say({ type: 'hello', id: 'h', session: 'other' });
    const otherAgent = open(world, identity({ id: 'bob' }));
    otherAgent.hello();
    const second = open(world);
    second.hello();
    expect(first.socket.closed?.code).toBe(4409);
    expect([otherTab, otherAgent, second].map((one) => one.socket.closed)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(sessions.size).toBe(3);
  });

  test('takes sessions without a name for different ones', () => {
    const world = worldAt(0);
    const first = open(world);
    first.say({ type: 'hello', id: 'h' });
    const second = open(world);
    second.say({ type: 'hello', id: 'h' });
    expect(first.socket.closed).toBeUndefined();
  });
});

describe('requests', () => {
  test('are handled in order, one at a time', async () => {
    const waiting: ((data: string) => void)[] = [];
    handle = (_session, message) => {
      handled.push(message);
      return new Promise((resolve) => waiting.push(resolve));
    };
    const { hello, say, replies } = open();
    hello();
    say({ type: 'list', id: '1' });
    say({ type: 'list', id: '2' });
    await settle();
    expect(handled.map((message) => message['id'])).toEqual(['1']);
    waiting[0]?.('{}');
    await settle();
    waiting[1]?.('{"a":1}');
    await settle();
    expect(replies()).toEqual([
      { type: 'reply', id: '1', ok: true, data: {} },
      { type: 'reply', id: '2', ok: true, data: { a: 1 } },
    ]);
  });

  test.each([
    [
      new RequestError('taken', 'No.', '{"claim":7}'),
      { code: 'taken', retryable: false, data: { claim: 7 } },
    ],
    [new SluiceError('ERR_JOURNAL_UNAVAILABLE'), { code: 'unavailable', retryable: true }],
    [new SluiceError('ERR_CLOSED'), { code: 'unavailable', retryable: true }],
    [new Error('secret detail'), { code: 'internal', message: 'The request failed.' }],
  ])('that fail with %s are answered with an error', async (failure, error) => {
    handle = () => Promise.reject(failure);
    const { hello, say, replies, socket } = open();
    hello();
    say({ type: 'send', id: '1' });
    await settle();
    expect(replies()).toMatchObject([{ id: '1', ok: false, error }]);
    expect(socket.closed).toBeUndefined();
  });

  test('beyond the bound stop the reading until few are left', async () => {
    let release: (() => void) | undefined;
    handle = (_session, message) => {
      handled.push(message);
      if (message['id'] !== '0') return '{}';
      return new Promise((resolve) => {
        release = () => resolve('{}');
      });
    };
    const { hello, say, socket } = open(worldAt(0, { requestsPerSecond: 1_000 }));
    hello();
    for (let id = 0; id < REQUESTS_WAITING_MAX; id++) say({ type: 'list', id: String(id) });
    expect(socket.isPaused).toBe(false);
    say({ type: 'list', id: String(REQUESTS_WAITING_MAX) });
    expect(socket.isPaused).toBe(true);
    release?.();
    await settle();
    expect(socket.isPaused).toBe(false);
    expect(handled.length).toBe(REQUESTS_WAITING_MAX + 1);
    expect(REQUESTS_WAITING_LOW).toBeLessThan(REQUESTS_WAITING_MAX);
  });

  test('beyond the rate are refused and say how long to wait', async () => {
    const { hello, say, replies } = open(worldAt(0, { requestsPerSecond: 2 }));
    hello();
    for (const id of ['1', '2', '3']) say({ type: 'list', id });
    await settle();
    expect(replies().map((reply) => reply['ok'])).toEqual([true, true, false]);
    expect(replies()[2]?.['error']).toMatchObject({
      code: 'rate_limited',
      retryable: true,
      data: { retryAfterMs: 500 },
    });
    await clock.advance(500);
    say({ type: 'list', id: '4' });
    await settle();
    expect(replies()[3]?.['ok']).toBe(true);
  });

  test('wait while the line is slow', async () => {
    const socket = new FakeSocket({ isSlow: true, queueBytes: 1_000 });
    const { session, say, hello } = open(worldAt(0), identity(), socket);
    hello();
    say({ type: 'list', id: 'x'.repeat(128) });
    await settle();
    for (let id = 0; id < 20; id++) say({ type: 'list', id: `${id}${'x'.repeat(100)}` });
    await settle();
    const before = handled.length;
    expect(before).toBeLessThan(21);
    for (let turns = 0; turns < 30; turns++) {
      socket.pendingBytes = 0;
      session.drained();
      await settle();
    }
    expect(handled.length).toBe(21);
    expect(socket.messages.filter((message) => message['type'] === 'reply').length).toBe(21);
  });
});

describe('the clock', () => {
  test('tells of the end of the token, then ends the session with 4401', async () => {
    const { session, socket, hello } = open(worldAt(0), identity({ lifeMs: 120_000 }));
    hello();
    await clock.advance(59_999);
    session.sweep();
    expect(socket.messages.some((message) => message['type'] === 'expiring')).toBe(false);
    await clock.advance(1);
    session.sweep();
    session.sweep();
    const expiring = socket.messages.filter((message) => message['type'] === 'expiring');
    expect(expiring).toEqual([{ type: 'expiring', inMs: 60_000 }]);
    await clock.advance(60_000);
    session.sweep();
    expect(socket.closed?.code).toBe(4401);
  });

  test('does not end a session whose token was renewed', async () => {
    const { session, socket, hello } = open(worldAt(0), identity({ lifeMs: 30_000 }));
    hello();
    expect(socket.messages.at(1)).toMatchObject({ type: 'expiring', inMs: 30_000 });
    session.renew(identity({ lifeMs: 600_000 }));
    await clock.advance(100_000);
    session.sweep();
    expect(socket.closed).toBeUndefined();
  });

  test('brings a position after a silence, and only then', async () => {
    const { session, socket, hello } = open(worldAt(3));
    hello();
    const count = socket.sent.length;
    await clock.advance(HEARTBEAT_SECONDS * 1000 - 1);
    session.sweep();
    expect(socket.sent.length).toBe(count);
    await clock.advance(1);
    session.sweep();
    session.sweep();
    expect(socket.sent.length).toBe(count + 1);
    expect(socket.messages.at(-1)).toEqual({ type: 'position', seq: 3 });
  });

  test('ends a session that takes nothing with 1013', async () => {
    const socket = new FakeSocket({ isSlow: true, queueBytes: 100_000 });
    const { session, world, hello } = open(worldAt(0), identity(), socket);
    hello();
    socket.pendingBytes = 90_000;
    session.drain(5);
    await settle();
    await clock.advance(STALL_MAX_MS - 1);
    session.sweep();
    expect(socket.closed).toBeUndefined();
    await clock.advance(1);
    session.sweep();
    expect(socket.closed?.code).toBe(1013);
    expect(world.counters.sessionsStalled).toBe(1);
  });
});

test('a farewell comes after the reply', async () => {
  handle = (session) => {
    session.disconnectSoon({ code: 4001, reason: 'scope changed' });
    return '{}';
  };
  const { hello, say, socket, replies } = open();
  hello();
  say({ type: 'token', id: '1' });
  say({ type: 'list', id: '2' });
  await settle();
  expect(replies().map((reply) => reply['id'])).toEqual(['1']);
  expect(socket.closed?.code).toBe(4001);
});

test('an ended session does nothing more', async () => {
  const { session, hello, say, socket } = open();
  hello();
  session.closed();
  const count = socket.sent.length;
  say({ type: 'list', id: '1' });
  session.hint('{}');
  session.drain(1);
  session.disconnect({ code: 4400, reason: '' });
  await settle();
  expect(socket.sent.length).toBe(count);
  expect(socket.closed).toBeUndefined();
  expect(sessions.countOfAgent('ann')).toBe(0);
});

test.each([
  ['{"type":"x"}', true],
  ['{"type":"x","__proto__":{"a":1}}', true],
  ['{"type":null}', false],
  ['', false],
])('parseMessage takes %s: %s', (text, isTaken) => {
  expect(parseMessage(text) !== undefined).toBe(isTaken);
});
