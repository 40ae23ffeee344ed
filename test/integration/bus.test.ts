// The bus on real sockets: several members in one process, and members that do not behave.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Bus } from '../../lib/process/bus.ts';
import { SIGNAL_QUEUE_BYTES_MAX } from '../../lib/process/bus-line.ts';
import { BUS_KINDS, busRecordBytes, writeBusRecord } from '../../lib/process/bus-record.ts';
import { encodeRecord } from '../../lib/process/record.ts';
import { createServer } from '../../lib/server/server.ts';
import type { Server } from '../../lib/server/types.ts';
import { until } from '../support/until.ts';

/** Short here; SLUICE_BUS_MESSAGES=1000000 is the long run. */
const MESSAGES = Number(process.env['SLUICE_BUS_MESSAGES'] ?? 50_000);
const DEADLINE_MS = 60_000;

let folder = '';
let members: Bus[] = [];
const servers: Server[] = [];
const netServers: NetServer[] = [];
const sockets: (Socket | WebSocket)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-bus-'));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) {
    if (socket instanceof WebSocket) socket.terminate();
    else socket.destroy();
  }
  for (const server of netServers.splice(0)) server.close();
  await Promise.all(servers.splice(0).map((server) => server.close({ deadlineMs: 0 })));
  await Promise.all(members.map((member) => member.close()));
  members = [];
  rmSync(folder, { recursive: true, force: true });
});

/** Members with the serials 1 to `count`, all joined. */
async function join_(count: number): Promise<Bus[]> {
  members = Array.from({ length: count }, (_, i) => new Bus({ serial: i + 1, slot: i }, folder));
  meet();
  await until(
    'all have met',
    () => members.every((each) => each.peers.length === count - 1),
    5_000,
  );
  return members;
}

function meet(extra: readonly number[] = []): void {
  const serials = [...members.map((member) => member.identity.serial), ...extra];
  for (const member of members) member.setPeers(serials);
}

/** Somebody who says hello as the oldest of all to whoever comes, and then reads nothing. */
async function standStill(): Promise<void> {
  const server = createNetServer((peer) => {
    sockets.push(peer);
    peer.pause();
    peer.on('error', () => peer.destroy());
    peer.write(helloOf({ serial: 0, slot: 9, least: 1, most: 1 }));
  });
  netServers.push(server);
  server.listen(join(folder, 'bus-0'));
  await once(server, 'listening');
}

function helloOf(hello: unknown): Buffer {
  const text = JSON.stringify(hello);
  const bytes = busRecordBytes('', text);
  const record = Buffer.alloc(bytes);
  writeBusRecord(record, 0, BUS_KINDS.hello, 0, '', text, bytes);
  return record;
}

describe('members', () => {
  test('meet, know places, and are told who comes and goes', async () => {
    const [one, two, three] = (await join_(3)) as [Bus, Bus, Bus];
    expect(one.peers).toEqual([
      { serial: 2, slot: 1 },
      { serial: 3, slot: 2 },
    ]);
    expect([one.peerAt(1)?.serial, one.peerAt(0)]).toEqual([2, undefined]);
    const events: string[] = [];
    one.onPeer((peer, isReachable) => events.push(`${peer.serial} ${isReachable}`));
    const replacement = new Bus({ serial: 4, slot: 1 }, folder);
    members.push(replacement);
    meet();
    await until('the fourth is there', () => one.peers.length === 3, 5_000);
    expect(one.peerAt(1)?.serial).toBe(4);
    await two.close();
    members = [one, three, replacement];
    await until('the second is gone', () => one.peers.length === 2, 5_000);
    expect(events).toEqual(['4 true', '2 false']);
  });

  test('hear signals for all and for one', async () => {
    const [one, two, three] = (await join_(3)) as [Bus, Bus, Bus];
    const heard: string[] = [];
    for (const member of [one, two, three]) {
      const { serial } = member.identity;
      member.onSignal('hello', (data, from) => heard.push(`${serial} ${data} ${from.serial}`));
    }
    expect(one.signal('all', 'hello', 'everybody')).toBe(2);
    expect(two.signal(1, 'hello', Buffer.from('you'))).toBe(1);
    expect(two.signal(99, 'hello', 'nobody')).toBe(0);
    await until('all is heard', () => heard.length === 3, 5_000);
    expect(heard.sort()).toEqual(['1 you 2', '2 everybody 1', '3 everybody 1']);
  });

  test('answer requests, or say why not', async () => {
    const [one, two] = (await join_(2)) as [Bus, Bus];
    two.onRequest('double', (data) => `${data}${data}`);
    two.onRequest('bytes', async (data) => Buffer.from(data).reverse());
    two.onRequest('nothing', () => undefined);
    two.onRequest('fault', () => {
      throw new Error('not today');
    });
    two.onRequest('never', () => new Promise(() => undefined));
    expect(await one.request(2, 'double', 'ab')).toBe('abab');
    expect(await one.request(2, 'bytes', Buffer.from([1, 2]))).toEqual(Buffer.from([2, 1]));
    expect(await one.request(2, 'nothing', '')).toBe('');
    const large = 'x'.repeat(1024 * 1024);
    two.onRequest('length', (data) => String(data.length));
    expect(await one.request(2, 'length', large)).toBe(String(large.length));
    await expect(one.request(2, 'fault', '')).rejects.toMatchObject({
      code: 'ERR_REMOTE',
      message: 'Error: not today',
    });
    await expect(one.request(2, 'unknown', '')).rejects.toMatchObject({ code: 'ERR_REMOTE' });
    await expect(one.request(2, 'never', '', 60)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    await expect(one.request(9, 'double', '')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(one.request(2, 'double', '', 0)).rejects.toMatchObject({ code: 'ERR_ARG_RANGE' });
    const pending = expect(one.request(2, 'never', '')).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
    await two.close();
    members = [one];
    await pending;
  });
});

test(`${MESSAGES} requests of four members arrive in order, each once`, {
  timeout: DEADLINE_MS * 10,
}, async () => {
  const [sink, ...producers] = (await join_(5)) as [Bus, ...Bus[]];
  const next = new Map<number, number>();
  const wrong: string[] = [];
  sink.onRequest('append', (data, from) => {
    const expected = next.get(from.serial) ?? 0;
    if (Number(data) !== expected) wrong.push(`${from.serial}: ${data} instead of ${expected}`);
    next.set(from.serial, expected + 1);
    return data as string;
  });
  const each = Math.ceil(MESSAGES / producers.length);
  const startedAt = performance.now();
  await Promise.all(
    producers.map(async (producer) => {
      for (let sent = 0; sent < each; ) {
        const batch = Array.from({ length: Math.min(2_000, each - sent) }, () => sent++);
        const answers = await Promise.all(
          batch.map((number) => producer.request(1, 'append', String(number), 60_000)),
        );
        expect(answers).toEqual(batch.map(String));
      }
    }),
  );
  const perSecond = Math.round((each * 4) / ((performance.now() - startedAt) / 1000));
  console.log(`bus: ${perSecond} requests per second, both ends in one process`);
  expect(wrong).toEqual([]);
  expect([...next.values()]).toEqual([each, each, each, each]);
  expect(sink.stats.requestsReceived).toBe(each * 4);
});

test('signals of a producer arrive in order', { timeout: DEADLINE_MS }, async () => {
  const [one, two] = (await join_(2)) as [Bus, Bus];
  let heard = 0;
  let wrong = 0;
  two.onSignal('n', (data) => {
    if (Number(data) !== heard) wrong++;
    heard++;
  });
  for (let sent = 0; sent < MESSAGES; ) {
    for (let i = 0; i < 500 && sent < MESSAGES; i++) one.signal(2, 'n', String(sent++));
    await new Promise((resolve) => setImmediate(resolve));
    // Both ends share this thread: without a look at the other no rate is too high.
    await until('it is heard', () => sent - heard < 5_000, DEADLINE_MS);
  }
  await until('all are heard', () => heard === MESSAGES, DEADLINE_MS);
  expect([wrong, one.stats.signalsDropped, two.stats.signalsReceived]).toEqual([0, 0, MESSAGES]);
});

describe('a peer that stands still', () => {
  test('blocks nobody; its signals are dropped and counted, its requests run out of time', async () => {
    await standStill();
    const [one, two] = (await (async () => {
      members = [1, 2].map((serial) => new Bus({ serial, slot: serial }, folder));
      meet([0]);
      await until('they have met', () => members.every((each) => each.peers.length === 2), 5_000);
      return members;
    })()) as [Bus, Bus];
    let heard = 0;
    two.onSignal('s', () => heard++);
    two.onRequest('r', (data) => data);
    const data = 'x'.repeat(10_000);
    const rounds = 2_000;
    let given = 0;
    for (let i = 0; i < rounds; i++) {
      given += one.signal('all', 's', data);
      if (i % 50 === 0) expect(await one.request(2, 'r', 'quick')).toBe('quick');
    }
    await until('the other has heard all', () => heard === rounds, 10_000);
    const { signalsDropped, queuedBytes } = one.stats;
    expect(signalsDropped).toBe(2 * rounds - given);
    expect(signalsDropped).toBeGreaterThan(1_000);
    expect(queuedBytes).toBeLessThanOrEqual(SIGNAL_QUEUE_BYTES_MAX);
    await expect(one.request(0, 'r', data, 100)).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  test('at the bound is not dropped yet', async () => {
    await standStill();
    const one = new Bus({ serial: 1, slot: 1 }, folder);
    members = [one];
    meet([0]);
    await until('they have met', () => one.peers.length === 1, 5_000);
    // Within one turn nothing is flushed: what is pending is what was written.
    const bytes = busRecordBytes('s', '');
    const room = SIGNAL_QUEUE_BYTES_MAX - one.stats.queuedBytes;
    const quarter = Math.floor(room / 8) - bytes;
    for (let i = 0; i < 7; i++) expect(one.signal(0, 's', 'x'.repeat(quarter))).toBe(1);
    const left = SIGNAL_QUEUE_BYTES_MAX - one.stats.queuedBytes - bytes;
    expect(one.signal(0, 's', 'x'.repeat(left + 1))).toBe(0);
    expect(one.signal(0, 's', 'x'.repeat(left))).toBe(1);
    expect(one.signal(0, 's', '')).toBe(0);
    expect(one.stats.signalsDropped).toBe(2);
  });
});

describe('who does not speak the protocol', () => {
  const hello = (least: number, most: number): Buffer =>
    helloOf({ serial: 7, slot: 7, least, most });

  test.each([
    { name: 'says something else first', bytes: encodeRecord(BUS_KINDS.signal, 'abcdefgh') },
    { name: 'says what is no record', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n') },
    { name: 'speaks newer versions alone', bytes: hello(2, 3) },
    { name: 'says a hello without numbers', bytes: encodeRecord(1, '\0\0\0\0\0\0{}') },
  ])('and $name is closed, and harms nobody', async ({ bytes }) => {
    const [one, two] = (await join_(2)) as [Bus, Bus];
    const socket = connect(join(folder, 'bus-1'));
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
    two.onRequest('r', () => 'fine');
    expect(await one.request(2, 'r', '')).toBe('fine');
    expect(one.peers.length).toBe(1);
  });

  test('newer ones that know ours, too, are peers', async () => {
    const [one] = (await join_(1)) as [Bus];
    const socket = connect(join(folder, 'bus-1'));
    sockets.push(socket);
    socket.write(hello(1, 9));
    await until('it is a peer', () => one.peers.length === 1, 5_000);
    expect(one.peers).toEqual([{ serial: 7, slot: 7 }]);
  });
});

test('topics: what one publishes reaches the subscribers of all, and is summed where asked', async () => {
  const buses = await join_(3);
  const texts: string[][] = [[], [], []];
  const shared = await Promise.all(
    buses.map(async (bus, i) => {
      const server = createServer({ host: '127.0.0.1', port: 0 });
      servers.push(server);
      server.websocket('/ws', { open: (socket) => void socket.subscribe('news') });
      await server.listen();
      for (let each = 0; each <= i; each++) {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
        sockets.push(socket);
        socket.on('message', (data, isBinary) => {
          texts[i]?.push(isBinary ? `binary ${String(data)}` : String(data));
        });
        await once(socket, 'open');
      }
      await until('they are subscribed', () => server.subscriberCount('news') === i + 1, 5_000);
      return bus.shareTopics(server);
    }),
  );
  expect(shared[1]?.publish('news', 'grüße')).toEqual({ subscribers: 2, dropped: 0 });
  await until('all six have it', () => texts.flat().length === 6, 5_000);
  expect(texts.flat()).toEqual(Array.from({ length: 6 }, () => 'grüße'));
  const sum = await shared[0]?.publishAllWorkers('news', Buffer.from('b'));
  expect(sum).toEqual({ subscribers: 6, dropped: 0, workers: 3 });
  await until('all six have that, too', () => texts.flat().length === 12, 5_000);
  expect(texts.flat().filter((text) => text === 'binary b').length).toBe(6);
  expect(await shared[2]?.publishAllWorkers('other', 'x')).toEqual({
    subscribers: 0,
    dropped: 0,
    workers: 3,
  });
});
