// What each way of losing a connection makes the client do: the rows of the table of close codes.

import { describe, expect, test } from 'vitest';
import { delayOf, RETRY_MAX_MS, verdictOf } from '../../../lib/client/backoff.ts';
import { openDesk } from './desk-fixture.ts';

describe('the table of close codes', () => {
  const jitter = { kind: 'retry', delay: 'jitter', repeats: true };
  const fault = { kind: 'retry', delay: 'fault', repeats: false };
  const rows: [number, object][] = [
    [1000, { kind: 'stop', reason: 'closed' }],
    [1001, jitter],
    [1002, fault],
    [1003, fault],
    [1005, jitter],
    [1006, jitter],
    [1007, fault],
    [1008, fault],
    [1009, fault],
    [1011, jitter],
    [1012, { kind: 'retry', delay: 'drain', repeats: true }],
    [1013, { kind: 'retry', delay: 'overload', repeats: true }],
    [1015, jitter],
    [3000, jitter],
    [4000, jitter],
    [4008, jitter],
    [4399, jitter],
    [4400, { kind: 'stop', reason: 'protocol' }],
    [4401, { kind: 'renew' }],
    [4403, { kind: 'stop', reason: 'forbidden' }],
    [4409, { kind: 'stop', reason: 'replaced' }],
    [4500, { kind: 'stop', reason: 'protocol' }],
  ];
  test.each(rows)('%i', (code, verdict) => expect(verdictOf(code)).toEqual(verdict));
});

describe('the wait before an attempt', () => {
  test.each([
    ['jitter', 0, 0, undefined, 0],
    ['jitter', 0, 1, undefined, 1_000],
    ['jitter', 3, 1, undefined, 8_000],
    ['jitter', 4, 1, undefined, 16_000],
    ['jitter', 5, 1, undefined, RETRY_MAX_MS],
    ['jitter', 5_000, 1, undefined, RETRY_MAX_MS],
    ['drain', 4, 1, 12_345, 12_345],
    ['drain', 0, 1, -5, 0],
    ['drain', 0, 1, 9_000_000, 120_000],
    ['drain', 1, 1, undefined, 2_000],
    ['overload', 0, 0, undefined, 1_000],
    ['overload', 0, 1, undefined, 2_000],
    ['fault', 0, 0, undefined, 5_000],
    ['fault', 1, 0, undefined, 10_000],
    ['fault', 9, 0, undefined, RETRY_MAX_MS],
  ] as const)('%s, attempt %i, random %i, drain %s: %i ms', (delay, attempt, random, drain, ms) => {
    expect(delayOf(delay, attempt, () => random, drain)).toBe(ms);
  });
});

describe('a desk whose connection closes', () => {
  test.each([
    [1000, 'closed'],
    [4400, 'protocol'],
    [4403, 'forbidden'],
    [4409, 'replaced'],
  ] as const)('with %i stays away', async (code, reason) => {
    const { desk, clock, network, welcome } = await openDesk();
    (await welcome()).drop(code);
    expect(desk.state).toEqual({ state: 'stopped', attempt: 0, reason });
    await clock.advance(600_000);
    expect(network.sockets).toHaveLength(1);
    expect(clock.timerCount).toBe(0);
  });

  test.each([
    [1001, 500],
    [1006, 500],
    [1011, 500],
    [1013, 1_500],
    [1002, 5_500],
    [1009, 5_500],
    [4008, 500],
  ])('with %i comes back after %i ms', async (code, ms) => {
    const { desk, clock, network, welcome } = await openDesk();
    (await welcome()).drop(code);
    expect(desk.state).toEqual({ state: 'waiting', attempt: 1, retryAt: clock.now() + ms });
    await clock.advance(ms - 1);
    expect(network.sockets).toHaveLength(1);
    await clock.advance(1);
    expect(network.sockets).toHaveLength(2);
  });

  test('with 1012 comes back when the drain said', async () => {
    const { desk, clock, welcome } = await openDesk();
    const socket = await welcome();
    socket.say({ type: 'drain', retryInMs: 4_321 });
    socket.drop(1012);
    expect(desk.state.retryAt).toBe(clock.now() + 4_321);
  });

  test('is offline while the system has no network, and tries at once when told', async () => {
    const { desk, network, settle, welcome } = await openDesk({ hasNetwork: () => false });
    (await welcome()).drop(1006);
    expect(desk.state.state).toBe('offline');
    desk.reconnect();
    await settle();
    expect(network.sockets).toHaveLength(2);
    desk.reconnect();
    await settle();
    expect(network.sockets).toHaveLength(2);
  });

  test('waits longer each time until a connection has lasted', async () => {
    const { desk, clock, network, welcome } = await openDesk({ random: () => 1 });
    const waits: number[] = [];
    for (let round = 0; round < 4; round++) {
      await welcome();
      if (round === 3) await clock.advance(10_000);
      network.last.drop(1006);
      waits.push((desk.state.retryAt ?? 0) - clock.now());
      await clock.advance(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 1_000]);
  });

  test('ignores what an abandoned connection still says', async () => {
    const { desk, clock, network, seen, welcome } = await openDesk();
    const old = await welcome();
    old.drop(1006);
    await clock.advance(1_000);
    await welcome();
    old.say({ type: 'event', seq: 500, prev: 0, at: 1, conversation: 'messenger/1/x', kind: 'k' });
    old.drop(4403);
    expect(seen).toEqual([]);
    expect(desk.state.state).toBe('online');
    expect(network.sockets).toHaveLength(2);
  });
});

describe('a token', () => {
  test('that was refused with 4401 is not used twice', async () => {
    const { desk, clock, network, welcome } = await openDesk();
    (await welcome()).drop(4401);
    await clock.advance(1_000);
    expect(desk.state).toMatchObject({ state: 'stopped', reason: 'unauthorized' });
    expect(network.sockets).toHaveLength(1);
  });

  test('of its own is asked for after 4401', async () => {
    const { clock, network, tokens, welcome } = await openDesk();
    const socket = await welcome();
    tokens.current = 'token-2';
    socket.drop(4401);
    await clock.advance(1_000);
    expect(network.last.protocols).toEqual(['sluice.v1', 'bearer.token-2']);
  });

  test('is renewed in the session when it is about to expire', async () => {
    const { desk, settle, tokens, welcome } = await openDesk();
    const notes: object[] = [];
    desk.on('expiring', (note) => notes.push(note));
    const socket = await welcome();
    tokens.current = 'token-2';
    socket.say({ type: 'expiring', inMs: 60_000 });
    await settle();
    const [request] = socket.requests;
    expect(request).toMatchObject({ type: 'token', token: 'token-2' });
    socket.say({ type: 'reply', id: request?.['id'], ok: true, data: {} });
    await settle();
    expect(notes).toEqual([{ inMs: 60_000, renewed: true }]);
  });

  test('without a successor is only reported', async () => {
    const { desk, settle, welcome } = await openDesk();
    const notes: object[] = [];
    desk.on('expiring', (note) => notes.push(note));
    const socket = await welcome();
    socket.say({ type: 'expiring', inMs: 60_000 });
    await settle();
    expect(socket.requests).toEqual([]);
    expect(notes).toEqual([{ inMs: 60_000, renewed: false }]);
  });

  test('that cannot be fetched is a reason to wait, not to stop', async () => {
    const { desk } = await openDesk({ token: () => Promise.reject(new Error('no network')) });
    expect(desk.state.state).toBe('waiting');
  });

  test('that cannot stand in a header is none', async () => {
    const { desk, network } = await openDesk({ token: () => 'not a token' });
    expect(desk.state).toMatchObject({ state: 'stopped', reason: 'unauthorized' });
    expect(network.sockets).toHaveLength(0);
  });
});

describe('a handshake that failed', () => {
  test.each([
    [200, 'connecting', undefined, 2],
    [401, 'stopped', 'unauthorized', 1],
    [403, 'stopped', 'forbidden', 1],
    [429, 'waiting', undefined, 1],
    [503, 'waiting', undefined, 1],
    [404, 'connecting', undefined, 2],
  ] as const)('is asked about; %i leads to %s', async (status, state, reason, attempts) => {
    const { desk, clock, network, probes } = await openDesk();
    probes.status = status;
    network.last.drop(1006);
    await clock.advance(500);
    expect(probes.urls).toEqual(['https://desk.example/api/v1/session']);
    await clock.advance(1_000);
    expect(desk.state.state).toBe(state);
    expect(desk.state.reason).toBe(reason);
    expect(network.sockets).toHaveLength(attempts);
  });

  test('is not asked about when there is nowhere to ask', async () => {
    const { clock, network, probes } = await openDesk({ sessionUrl: null });
    network.last.drop(1006);
    await clock.advance(1_000);
    expect(probes.urls).toEqual([]);
    expect(network.sockets).toHaveLength(2);
  });

  test('without a welcome in time is given up', async () => {
    const { desk, clock, network } = await openDesk();
    network.last.open();
    await clock.advance(15_000);
    expect(desk.state.state).toBe('waiting');
    expect(network.last.closedWith).toBe(4000);
  });
});
