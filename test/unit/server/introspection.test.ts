// What a server and a socket tell about themselves, on a loop in memory: every counter after what moves
// it, iteration while sockets go, and measurements beside handlers.

import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ServerMetrics, ServerSocket, ServerStats } from '../../../lib/server/types.ts';
import { settle } from '../../support/memory-transport.ts';
import { RIG_HIGH_WATER, SocketRig } from '../../support/socket-rig.ts';
import { handshakeHead } from '../../support/websocket-client.ts';
import { clientClose, clientFrame } from '../../support/websocket-frames.ts';

let rig: SocketRig;

beforeEach(async () => {
  rig = await new SocketRig().listen();
});

describe('stats()', () => {
  test('begins with zeros', () => {
    const stats = rig.server.stats();
    expect(stats).toEqual({
      startedAt: expect.any(Number),
      connections: { open: 0, accepted: 0 },
      sockets: {
        open: 0,
        accepted: 0,
        refused: 0,
        closedByUs: 0,
        closedByPeer: 0,
        closedByError: 0,
        slowCloses: 0,
      },
      messages: { received: 0, sent: 0, dropped: 0, superseded: 0, pings: 0, pongs: 0 },
      topics: { open: 0, publishes: 0, delivered: 0, queued: 0 },
      requests: { total: 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
      bytes: {
        received: 0,
        sent: 0,
        queued: 0,
        queuedMax: 0,
        queuedConnections: 0,
        held: 0,
      },
      engine: { batches: 0, flushes: 0, sendCalls: 0 },
      admission: {
        denied: 0,
        addressFull: 0,
        serverFull: 0,
        handshakeRate: 0,
        addressRate: 0,
        origin: 0,
        routeFull: 0,
        routeAddressFull: 0,
        tokenFull: 0,
        unanswered: 0,
        proxyUntrusted: 0,
        proxyMalformed: 0,
        proxyLate: 0,
        lingering: 0,
        addresses: 0,
      },
      handshakes: { completed: 0, failed: 0, timedOut: 0, crowded: 0 },
    });
    expect(Math.abs(Date.now() - stats.startedAt)).toBeLessThan(10_000);
  });

  test('counts messages of open sockets and of those that are gone', () => {
    const connect = rig.route({ message: (socket, data) => socket.send(data) });
    const [gone, open] = [connect(), connect()];
    const frames = [
      clientFrame({ payload: 'a' }),
      clientFrame({ opcode: 2, payload: 'b' }),
      clientFrame({ opcode: 9 }),
      clientFrame({ opcode: 10 }),
    ];
    for (const { connection } of [gone, open]) connection.feed(Buffer.concat(frames));
    gone.connection.reap();
    open.socket.ping();
    expect(rig.server.stats().messages).toEqual({
      received: 4,
      sent: 4,
      dropped: 0,
      superseded: 0,
      pings: 2,
      pongs: 2,
    });
  });

  test('says who began the end of each socket', async () => {
    const endings: unknown[] = [];
    const connect = rig.route({
      message: () => {
        throw new Error('message');
      },
      close: (_socket, code, _reason, { wasClean, initiator }) =>
        endings.push([code, wasClean, initiator]),
    });
    const ways: ((peer: ReturnType<typeof connect>) => void)[] = [
      ({ socket, connection }) => {
        socket.close(4000);
        connection.feed(clientClose(4000));
      },
      ({ socket }) => socket.close(4000),
      ({ socket }) => socket.terminate(),
      ({ connection }) => connection.feed(clientClose(4001)),
      ({ connection }) => connection.feedEnd(),
      () => undefined,
      ({ connection }) => connection.feed(clientFrame({ payload: 'a' })),
      ({ connection }) => connection.feed(clientFrame({ rsv: 7 })),
      ({ connection }) => {
        for (let i = 0; i < 4; i++) connection.fireDeadline();
      },
    ];
    for (const way of ways) {
      const peer = connect();
      way(peer);
      peer.connection.reap();
    }
    expect(endings).toEqual([
      [4000, true, 'us'],
      [1006, false, 'us'],
      [1006, false, 'us'],
      [4001, true, 'peer'],
      [1006, false, 'peer'],
      [1006, false, 'peer'],
      [1011, false, 'error'],
      [1002, false, 'error'],
      [1006, false, 'error'],
    ]);
    const { sockets } = rig.server.stats();
    expect(sockets).toMatchObject({ open: 0, accepted: 9, closedByUs: 3, closedByPeer: 3 });
    expect(sockets.closedByError).toBe(3);
  });

  test('counts refused handshakes, slow closes, drops, publishes and what is held', () => {
    rig.server.websocket('/never', { upgrade: () => ({ reject: 401 }) });
    const refused = rig.loop.connect();
    refused.feed(handshakeHead('/never'));
    refused.reap();
    const slow = rig.peer({ slow: 'close', queueBytes: 10 });
    slow.connection.pendingBytes = 10;
    slow.socket.send('x');
    const connect = rig.route({ slow: 'latest' });
    const [a, b] = [connect(), connect()];
    for (const { socket } of [a, b]) socket.subscribe('t');
    rig.server.publish('t', 'x');
    b.connection.pendingBytes = RIG_HIGH_WATER;
    for (const text of ['1', '2']) rig.server.publish('t', text, { key: 'k' });
    rig.server.publish('t', 'y');
    const stats = rig.server.stats();
    expect(stats.sockets).toMatchObject({ accepted: 3, refused: 1, slowCloses: 1 });
    expect(stats.messages).toMatchObject({ dropped: 1, superseded: 1 });
    // Delivered: x to both, 1 and 2 and y to a. Queued: 1, 2 and y of b.
    expect(stats.topics).toEqual({ open: 1, publishes: 4, delivered: 5, queued: 3 });
    expect(stats.bytes).toMatchObject({ held: 3, queuedConnections: 2 });
    expect(stats.requests).toMatchObject({ total: 1, '4xx': 1 });
    expect(stats.connections).toEqual({ open: 3, accepted: 4 });
  });

  test('counts answers by the class of their status, faults included', () => {
    rig.server.get('/ok', (_request, response) => response.end('ok'));
    rig.server.get('/gone', (_request, response) => response.status(301).end());
    rig.server.get('/broken', () => {
      throw new Error('broken');
    });
    const connection = rig.loop.connect();
    for (const path of ['/ok', '/ok', '/gone', '/none']) {
      connection.feed(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
    for (const text of ['GET /broken HTTP/1.1\r\nHost: a\r\n\r\n', 'NONSENSE\r\n\r\n']) {
      rig.loop.connect().feed(text);
    }
    const expected = { total: 6, '2xx': 2, '3xx': 1, '4xx': 2, '5xx': 1 };
    expect(rig.server.stats().requests).toEqual(expected);
  });

  test('measures the loop only when asked to', async () => {
    rig = await new SocketRig({ measureLoopDelay: true }).listen();
    const stats = (): ServerStats['loopDelay'] => rig.server.stats().loopDelay;
    const turn = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 30));
    // Its timer must have fired once before it can be late.
    await turn();
    const start = performance.now();
    while (performance.now() - start < 60);
    await turn();
    const loopDelay = stats();
    expect(loopDelay?.maxMs).toBeGreaterThan(20);
    expect(loopDelay?.p99Ms).toBeGreaterThanOrEqual(loopDelay?.p50Ms ?? Number.NaN);
    expect(stats()?.maxMs, 'a new window').toBeLessThan(20);
    await rig.server.close();
  });
});

test('library.md lists exactly what stats() has', async () => {
  rig = await new SocketRig({ measureLoopDelay: true }).listen();
  const stats = Object.entries(rig.server.stats()).filter(([, value]) => typeof value === 'object');
  await rig.server.close();
  const text = readFileSync(new URL('../../../docs/library.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (`(?:\w+)`.*) \|$/gm)];
  const said = new Map(rows.map(([, group = '', cells = '']) => [group, cells]));
  for (const [group, members] of stats) {
    const names = [...(said.get(group) ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const own = Object.keys(members as object);
    expect(names.filter((name) => name !== 'measureLoopDelay').sort(), group).toEqual(own.sort());
  }
});

describe('info()', () => {
  test('tells where, how much and what waits', () => {
    const before = Date.now();
    const { socket, connection } = rig.peer({ message: (one, data) => one.send(data) });
    socket.subscribe('a');
    connection.feed(clientFrame({ payload: 'hello' }));
    expect(connection.takeOutput()).toHaveLength(7);
    connection.pendingBytes = 3;
    const info = socket.info();
    expect(info).toMatchObject({
      transport: 'tcp',
      remoteAddress: '192.0.2.1',
      remotePort: 40_000,
      localAddress: '192.0.2.2',
      localPort: 80,
      protocol: '',
      messagesReceived: 1,
      messagesSent: 1,
      queueBytes: 3,
      topicCount: 1,
      isPaused: false,
    });
    expect(info.openedAt).toBeGreaterThanOrEqual(before);
    expect(info.bytesReceived).toBe(Buffer.byteLength(handshakeHead('/0')) + 11);
  });

  test('after the end it still answers', () => {
    const { socket, connection } = rig.peer();
    connection.reap();
    expect(socket.info()).toMatchObject({ localAddress: '', rttUs: undefined, topicCount: 0 });
  });

  test('topics of a socket are a copy', () => {
    const { socket } = rig.peer();
    for (const topic of ['b', 'a']) socket.subscribe(topic);
    expect(socket.topics).toEqual(['b', 'a']);
    expect([socket.isSubscribed('a'), socket.isSubscribed('c')]).toEqual([true, false]);
    socket.unsubscribe('b');
    expect(socket.topics).toEqual(['a']);
  });
});

describe('server.sockets', () => {
  test('may be iterated while handlers close some and open others', () => {
    const connect = rig.route();
    const peers = Array.from({ length: 5 }, connect);
    const seen: ServerSocket[] = [];
    for (const socket of rig.server.sockets) {
      seen.push(socket);
      if (seen.length === 1) peers[3]?.connection.reap();
      socket.close();
    }
    expect(seen).toEqual([0, 1, 2, 4].map((i) => peers[i]?.socket));
    expect([...rig.server.sockets]).toHaveLength(4);
    for (const { connection } of peers) connection.reap();
    expect([...rig.server.sockets]).toEqual([]);
  });
});

describe('publish', () => {
  test('leaves out the exception, which does not count', () => {
    const connect = rig.route();
    const [a, b, stranger] = [connect(), connect(), connect()];
    for (const { socket } of [a, b]) socket.subscribe('t');
    const publish = (text: string, except: ServerSocket): unknown =>
      rig.server.publish('t', text, { except });
    expect(publish('1', a.socket)).toEqual({ subscribers: 1, dropped: 0 });
    expect(publish('2', stranger.socket)).toEqual({ subscribers: 2, dropped: 0 });
    expect(a.frames()).toEqual(['text 2']);
    expect(b.frames()).toEqual(['text 1', 'text 2']);
  });
});

describe('metrics', () => {
  const log: unknown[] = [];
  const metrics: ServerMetrics = {
    onOpen: () => log.push('open'),
    onMessage: (_socket, data, isBinary) => log.push(['message', String(data), isBinary]),
    onClose: (_socket, code, { initiator }) => log.push(['close', code, initiator]),
    onAnswer: (request, status, ms) => log.push([request.path, status, ms >= 0]),
  };

  test('are told beside the handlers', async () => {
    log.length = 0;
    rig = await new SocketRig({ metrics }).listen();
    const peer = rig.peer({ message: (socket, data) => socket.send(data) });
    peer.connection.feed(clientFrame({ payload: 'a' }));
    expect(peer.frames()).toEqual(['text a']);
    peer.connection.reap();
    rig.server.get('/ok', (_request, response) => response.end('ok'));
    rig.loop.connect().feed('GET /ok HTTP/1.1\r\nHost: a\r\n\r\n');
    const expected = ['open', ['message', 'a', false], ['close', 1006, 'peer'], ['/ok', 200, true]];
    expect(log).toEqual(expected);
  });

  test('of streamed messages they hear at the first piece', async () => {
    log.length = 0;
    rig = await new SocketRig({ metrics }).listen();
    const { connection } = rig.peer({ stream: () => undefined });
    connection.feed(clientFrame({ payload: 'a', fin: false }));
    connection.feed(clientFrame({ opcode: 0, payload: 'b' }));
    connection.feed(clientFrame({ payload: 'whole' }));
    expect(log.slice(1)).toEqual([
      ['message', '', false],
      ['message', 'whole', false],
    ]);
  });

  test('that throw are reported and harm nobody', async () => {
    const broken = (): never => {
      throw new Error('metric');
    };
    rig = await new SocketRig({
      metrics: { onOpen: broken, onMessage: broken, onClose: broken, onAnswer: broken },
    }).listen();
    const peer = rig.peer({ message: (socket, data) => socket.send(data) });
    peer.connection.feed(clientFrame({ payload: 'a' }));
    expect(peer.frames()).toEqual(['text a']);
    peer.connection.reap();
    const http = rig.loop.connect();
    http.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(http.outputText).toContain('404');
    await settle();
    expect(rig.errors).toHaveLength(4);
  });
});
