// The client over real sockets in Node, with ws's WebSocket: what a bot or a desk of somebody else's does.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Desk, Store, type WebSocketConstructor } from '../../lib/client/index.ts';
import { ScriptedGateway } from '../support/scripted-gateway.ts';

const ANN = 'messenger/1/ann-0001';

let gateway: ScriptedGateway;
let desk: Desk | undefined;

beforeEach(async () => {
  gateway = new ScriptedGateway({ consoleFolder: '/nonexistent' });
  await gateway.start();
});

afterEach(async () => {
  desk?.close();
  await gateway.stop();
});

function open(token = gateway.token): Desk {
  desk = connect({
    url: `${gateway.origin}/agent`,
    token: async () => token,
    webSocket: WebSocket as unknown as WebSocketConstructor,
    random: () => 0.05,
  });
  return desk;
}

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8_000 });

test('joins, answers, and holds what a person would see', async () => {
  gateway.receive(ANN, 'hello');
  const store = new Store();
  const mine = open();
  store.attach(mine);
  await until(() => expect(store.conversation(ANN)?.unread).toBe(1));
  store.addHistory(ANN, await mine.history(ANN), true);
  const sent = await mine.send(ANN, { text: 'hi' });
  await until(() =>
    expect(store.thread(ANN).items).toMatchObject([
      { from: 'customer', text: 'hello' },
      { from: 'agent', text: 'hi', outbox: sent.message, status: 'delivered' },
    ]),
  );
});

test('sees every event once and in order while the connection is cut again and again', async () => {
  const mine = open();
  const seen: number[] = [];
  mine.on('event', (event) => seen.push(event.seq));
  await until(() => expect(mine.state.state).toBe('online'));
  const told: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 20; i++) told.push(gateway.receive(`messenger/1/c${i % 3}`, 'x').seq);
    gateway.drop();
    told.push(gateway.receive(ANN, 'in the gap').seq);
    await until(() => expect(gateway.connectionCount).toBe(0));
    mine.reconnect();
    await until(() => expect(mine.state.state).toBe('online'));
  }
  await until(() => expect(seen).toEqual(told));
});

test('sends once what was written while nobody listened', async () => {
  const mine = open();
  await until(() => expect(mine.state.state).toBe('online'));
  gateway.onSend = 'held';
  const sent = mine.send(ANN, { text: 'hold on' });
  await until(() => expect(gateway.requests.some(({ type }) => type === 'send')).toBe(true));
  gateway.onSend = 'delivered';
  gateway.drop();
  expect(await sent).toMatchObject({ message: expect.stringMatching(/^out_/) });
  const ids = gateway.requests.flatMap((each) => (each.type === 'send' ? [each.id] : []));
  expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
});

test('stops when its token is refused', async () => {
  const mine = open('not.a.friend');
  await until(() =>
    expect(mine.state).toEqual({ state: 'stopped', attempt: 0, reason: 'unauthorized' }),
  );
});
