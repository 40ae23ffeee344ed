// GatewayWorker's names in one process: clients, groups, uids, sessions, events and the heartbeat.

import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  GROUPS_PER_CLIENT_MAX,
  NAME_LENGTH_MAX,
} from '../../lib/compat/workerman/gateway-clients.ts';
import { Gateway, GatewayWorker, Worker } from '../../lib/compat/workerman/index.ts';
import type { TestClient } from '../support/websocket-client.ts';
import { Peer, stopEverything, webSocket } from '../support/workerman-rig.ts';

afterEach(stopEverything);

/** Three open clients, with the ids that the worker knows them by. */
async function three(
  setup: (gateway: GatewayWorker) => void = () => undefined,
): Promise<{ clients: TestClient[]; ids: string[]; gateway: GatewayWorker }> {
  const gateway = new GatewayWorker('websocket://127.0.0.1:0');
  setup(gateway);
  await Worker.runAll();
  const clients: TestClient[] = [];
  for (let i = 0; i < 3; i++) clients.push(await webSocket(gateway));
  const ids = Gateway.getAllClientIdList();
  expect(ids).toHaveLength(3);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{20}$/);
  return { clients, ids, gateway };
}

const heard = (clients: readonly TestClient[]): string[] =>
  clients.map((client) => client.received.join(' '));

describe('sending', () => {
  test('to all, to some, to one, and without some', async () => {
    const { clients, ids } = await three();
    const [first = '', second = '', third = ''] = ids;
    expect(Gateway.sendToAll('all')).toBe(3);
    expect(Gateway.sendToAll('some', [first, third])).toBe(2);
    expect(Gateway.sendToAll('but', null, [second])).toBe(2);
    expect(Gateway.sendToAll('few', null, [first, second])).toBe(1);
    expect(Gateway.sendToClient(second, 'one')).toBe(true);
    expect(Gateway.sendToClient('none', 'one')).toBe(false);
    await expect
      .poll(() => heard(clients))
      .toEqual(['all some but', 'all one', 'all some but few']);
  });

  test('to groups: joined before and after the handshake, left, dissolved', async () => {
    const { clients, ids } = await three((gateway) => {
      gateway.events = { onConnect: (id) => Gateway.joinGroup(id, 'early') };
    });
    const [first = '', second = '', third = ''] = ids;
    expect(Gateway.sendToGroup('early', 'e')).toBe(3);
    for (const id of [first, second]) expect(Gateway.joinGroup(id, 7)).toBe(true);
    expect(Gateway.joinGroup(first, 7)).toBe(true);
    expect(Gateway.sendToGroup(7, 'g')).toBe(2);
    expect(Gateway.sendToGroup('7', 'x', first)).toBe(1);
    expect(Gateway.sendToGroup(['7', 'early'], 'y', [first, second])).toBe(1);
    Gateway.leaveGroup(first, 7);
    expect(Gateway.sendToGroup(7, 'h')).toBe(1);
    Gateway.ungroup(7);
    expect([Gateway.sendToGroup(7, 'none'), Gateway.getAllGroupIdList()]).toEqual([0, ['early']]);
    await expect.poll(() => heard(clients)).toEqual(['e g', 'e g x h', 'e y']);
    expect(Gateway.joinGroup('none', 'x')).toBe(false);
    expect(Gateway.leaveGroup('none', 'x')).toBe(false);
    expect(third).not.toBe('');
  });

  test('to uids: one client has one, one uid has several clients', async () => {
    const { clients, ids } = await three();
    const [first = '', second = '', third = ''] = ids;
    expect(Gateway.bindUid(first, 'ann')).toBe(true);
    expect(Gateway.bindUid(second, 'ann')).toBe(true);
    expect(Gateway.bindUid(third, 'bob')).toBe(true);
    expect(Gateway.sendToUid('ann', 'a')).toBe(2);
    expect(Gateway.sendToUid(['ann', 'bob'], 'b')).toBe(3);
    expect(Gateway.bindUid(second, 'bob')).toBe(true);
    expect(Gateway.sendToUid('bob', 'c')).toBe(2);
    expect(Gateway.unbindUid(first, 'bob')).toBe(false);
    expect(Gateway.unbindUid(first, 'ann')).toBe(true);
    expect([Gateway.isUidOnline('ann'), Gateway.isUidOnline('bob')]).toEqual([false, true]);
    await expect.poll(() => heard(clients)).toEqual(['a b', 'a b c', 'b c']);
    expect(Gateway.bindUid('none', 'ann')).toBe(false);
  });

  test('a group reaches clients of text:// and binary types, too, and drops for who is full', async () => {
    const lines = new GatewayWorker('text://127.0.0.1:0');
    const { clients, ids, gateway } = await three();
    lines.listen();
    const peer = Peer.to(lines);
    await expect.poll(() => Gateway.getAllClientIdCount()).toBe(4);
    for (const connection of [...gateway.connections.values()].slice(0, 1)) {
      connection.websocketType = '\x82';
    }
    for (const id of Gateway.getAllClientIdList()) Gateway.joinGroup(id, 'g');
    expect(Gateway.sendToGroup('g', 'hello')).toBe(4);
    await peer.hears('hello\n');
    await clients[0]?.hears(1);
    expect(clients[0]?.received).toEqual([Buffer.from('hello')]);
    clients[1]?.ws.pause();
    let dropped = 0;
    for (const connection of gateway.connections.values()) connection.onError = () => dropped++;
    const big = 'x'.repeat(500_000);
    for (let i = 0; i < 100 && dropped === 0; i++) {
      Gateway.sendToClient(ids[1] ?? '', big);
      Gateway.sendToGroup('g', 'more', ids[0]);
      await turn();
    }
    expect(dropped).toBeGreaterThan(0);
  });

  test('the bounds of groups and names', async () => {
    const { ids } = await three();
    const [id = ''] = ids;
    for (let i = 0; i < GROUPS_PER_CLIENT_MAX; i++) expect(Gateway.joinGroup(id, i)).toBe(true);
    expect(Gateway.joinGroup(id, 'one more')).toBe(false);
    Gateway.bindUid(id, 'u'.repeat(NAME_LENGTH_MAX));
    expect(Gateway.sendToUid('u'.repeat(NAME_LENGTH_MAX), 'x')).toBe(1);
    expect(Gateway.sendToGroup(GROUPS_PER_CLIENT_MAX - 1, 'x')).toBe(1);
    expect(Gateway.bindUid(id, 'u'.repeat(NAME_LENGTH_MAX + 1))).toBe(false);
    expect(Gateway.joinGroup(ids[1] ?? '', 'g'.repeat(NAME_LENGTH_MAX + 1))).toBe(false);
    expect(Gateway.joinGroup(ids[1] ?? '', 'g'.repeat(NAME_LENGTH_MAX))).toBe(true);
  });
});

test('lists and counts say who is where', async () => {
  const { ids } = await three();
  const [first = '', second = '', third = ''] = ids;
  Gateway.joinGroup(first, 'a');
  Gateway.joinGroup(second, 'a');
  Gateway.joinGroup(second, 'b');
  Gateway.bindUid(first, 1);
  Gateway.bindUid(second, 1);
  Gateway.bindUid(third, 2);
  expect([Gateway.isOnline(first), Gateway.isOnline('none')]).toEqual([true, false]);
  expect([Gateway.getUidByClientId(first), Gateway.getUidByClientId('none')]).toEqual(['1', null]);
  expect(Gateway.getClientIdByUid(1)).toEqual([first, second]);
  expect([Gateway.getAllUidList(), Gateway.getAllUidCount()]).toEqual([['1', '2'], 2]);
  expect([Gateway.getAllClientIdCount(), Gateway.getAllClientCount()]).toEqual([3, 3]);
  expect(Gateway.getClientIdListByGroup('a')).toEqual([first, second]);
  expect([Gateway.getClientIdCountByGroup('a'), Gateway.getClientCountByGroup('b')]).toEqual([
    2, 1,
  ]);
  expect([Gateway.getUidListByGroup('a'), Gateway.getUidCountByGroup('a')]).toEqual([['1'], 1]);
  expect(Gateway.getAllGroupIdList()).toEqual(['a', 'b']);
  expect(Gateway.getAllGroupClientIdList()).toEqual({ a: [first, second], b: [second] });
  expect(Gateway.getAllGroupClientIdCount()).toEqual({ a: 2, b: 1 });
  expect(Gateway.getAllGroupUidList()).toEqual({ a: ['1'], b: ['1'] });
  expect(Gateway.getAllGroupUidCount()).toEqual({ a: 1, b: 1 });
});

test('sessions are set, updated and gone with their client', async () => {
  const { clients, ids } = await three();
  const [first = '', second = ''] = ids;
  expect(Gateway.setSession(first, { name: 'ann', age: 1 })).toBe(true);
  expect(Gateway.updateSession(first, { age: 2 })).toBe(true);
  expect(Gateway.getSession(first)).toEqual({ name: 'ann', age: 2 });
  expect([Gateway.getSession('none'), Gateway.setSession('none', {})]).toEqual([null, false]);
  Gateway.joinGroup(first, 'g');
  expect(Gateway.getClientSessionsByGroup('g')).toEqual({ [first]: { name: 'ann', age: 2 } });
  expect(Gateway.getClientInfoByGroup('g')).toEqual(Gateway.getClientSessionsByGroup('g'));
  expect(Object.keys(Gateway.getAllClientSessions())).toEqual(ids);
  expect(Gateway.getAllClientInfo()).toEqual(Gateway.getAllClientSessions());
  expect(Gateway.closeClient(first, 'bye')).toBe(true);
  expect((await clients[0]?.ended())?.code).toBe(1000);
  expect(clients[0]?.received).toEqual(['bye']);
  expect(Gateway.destoryClient(second)).toBe(true);
  await clients[1]?.ended();
  await expect.poll(() => Gateway.getAllClientIdCount()).toBe(1);
  expect([Gateway.getSession(first), Gateway.getAllGroupIdList()]).toEqual([null, []]);
  expect([Gateway.closeClient(first), Gateway.destoryClient(first)]).toEqual([false, false]);
});

test('events know their client, also after an await, and onClose still has its session', async () => {
  const seen: string[] = [];
  const { clients, ids } = await three((gateway) => {
    gateway.events = {
      onWorkerStart: () => seen.push('start'),
      onWorkerStop: () => seen.push('stop'),
      onWebSocketConnect: (id, request) => {
        Gateway.setSession(id, { path: request.path() });
      },
      async onMessage(_id, message) {
        await turn();
        if (message === 'close') Gateway.closeCurrentClient('closing');
        else if (message === 'destroy') Gateway.destoryCurrentClient();
        else Gateway.sendToCurrentClient(`you said ${message}`);
      },
      onClose: (id) => seen.push(`close ${ids.indexOf(id)} ${Gateway.getSession(id)?.['path']}`),
    };
  });
  clients[0]?.ws.send('a');
  clients[1]?.ws.send('b');
  await clients[1]?.hears(1);
  await clients[0]?.hears(1);
  expect(heard(clients)).toEqual(['you said a', 'you said b', '']);
  clients[0]?.ws.send('close');
  await clients[0]?.ended();
  clients[1]?.ws.send('destroy');
  await clients[1]?.ended();
  await expect.poll(() => seen).toEqual(['start', 'close 0 /', 'close 1 /']);
  expect(Gateway.sendToCurrentClient('nobody')).toBe(false);
  expect(clients[0]?.received.at(-1)).toBe('closing');
  await stopEverything();
  expect(seen).toContain('stop');
});

test('pingData goes out, and who does not answer is dropped after the limit', async () => {
  const { clients } = await three((gateway) => {
    gateway.pingInterval = 0.1;
    gateway.pingNotResponseLimit = 2;
    gateway.pingData = '{"type":"ping"}';
  });
  const answering = clients[0];
  answering?.ws.on('message', () => answering.ws.send('pong'));
  expect((await clients[1]?.ended())?.code).toBe(1006);
  await clients[2]?.ended();
  expect(answering?.closed).toBeUndefined();
  expect(answering?.received[0]).toBe('{"type":"ping"}');
});
