// Sockets and topics on a loop in memory: outcomes exactly at their bounds, and one write per tick.

import { beforeEach, describe, expect, test } from 'vitest';
import { LoopServer } from '../../../../lib/server/server.ts';
import type { ServerSocket, WebSocketRoute } from '../../../../lib/server/types.ts';
import {
  TOPIC_LENGTH_MAX,
  TOPICS_PER_SOCKET_MAX,
} from '../../../../lib/server/websocket/websocket-limits.ts';
import { type MemoryConnection, MemoryLoop, settle } from '../../../support/memory-transport.ts';
import { handshakeHead } from '../../../support/websocket-client.ts';
import {
  clientClose,
  clientFrame,
  describeServerFrames,
} from '../../../support/websocket-frames.ts';

const HIGH_WATER = 500;
const QUEUE = 1000;

let loop: MemoryLoop;
let server: LoopServer;
let route: WebSocketRoute;
const errors: unknown[] = [];

beforeEach(async () => {
  loop = new MemoryLoop();
  errors.length = 0;
  route = {};
  server = new LoopServer(
    { loop, highWaterBytes: HIGH_WATER },
    { port: 1, onError: (error) => errors.push(error) },
  );
  server.websocket('/', {
    queueBytes: QUEUE,
    open: (socket) => route.open?.(socket),
    message: (socket, data, isBinary) => route.message?.(socket, data, isBinary),
    drain: (socket) => route.drain?.(socket),
    dropped: (socket, topic) => route.dropped?.(socket, topic),
    close: (socket, code, reason, info) => route.close?.(socket, code, reason, info),
  });
  await server.listen();
});

interface Peer {
  readonly socket: ServerSocket;
  readonly connection: MemoryConnection;
}

function connect(): Peer {
  const opened: ServerSocket[] = [];
  route.open = (socket) => opened.push(socket);
  const connection = loop.connect();
  connection.feed(handshakeHead('/'));
  expect(connection.takeOutput().toString('latin1', 0, 12)).toBe('HTTP/1.1 101');
  const [socket] = opened;
  if (socket === undefined) throw new Error('not opened');
  connection.writeCount = 0;
  return { socket, connection };
}

describe('outcomes', () => {
  test.each([
    [0, 'sent'],
    [HIGH_WATER - 11, 'sent'],
    [HIGH_WATER - 10, 'queued'],
    [QUEUE - 1, 'queued'],
    [QUEUE, 'dropped'],
    [QUEUE + 1, 'dropped'],
  ] as const)('with %i bytes pending, ten more are %s', (pendingBytes, outcome) => {
    for (const data of ['x'.repeat(10), Buffer.alloc(8)]) {
      const { socket, connection } = connect();
      connection.pendingBytes = pendingBytes;
      const wouldBe = socket.send(data);
      // The memory transport does not add to what the test has set; bytes are judged by what it returns.
      if (typeof data === 'string' || pendingBytes >= QUEUE) expect(wouldBe).toBe(outcome);
      const frames = describeServerFrames(connection.output);
      expect(frames).toHaveLength(outcome === 'dropped' ? 0 : 1);
    }
  });

  test('texts that wait for the flush count as pending', () => {
    const { socket, connection } = connect();
    const outcomes = Array.from({ length: 12 }, () => socket.send('x'.repeat(100)));
    expect(outcomes).toEqual([
      ...Array.from({ length: 4 }, () => 'sent'),
      ...Array.from({ length: 6 }, () => 'queued'),
      ...Array.from({ length: 2 }, () => 'dropped'),
    ]);
    expect(socket.pendingBytes).toBe(10 * 102);
    expect(describeServerFrames(connection.output)).toHaveLength(10);
    expect(socket.pendingBytes).toBe(0);
  });

  test('a single message above the bound is taken when nothing waits', () => {
    const { socket, connection } = connect();
    expect(socket.send('x'.repeat(5000))).toBe('queued');
    expect(connection.output.length).toBe(5004);
  });

  test('after the end everything is dropped and nothing throws', () => {
    const { socket, connection } = connect();
    connection.reap();
    expect(socket.isOpen).toBe(false);
    expect(socket.send('a')).toBe('dropped');
    expect(socket.send(Buffer.from('a'))).toBe('dropped');
    expect(socket.ping()).toBe('dropped');
    expect(socket.subscribe('a')).toBe(false);
    expect(socket.unsubscribe('a')).toBe(false);
    socket.close();
    socket.terminate();
    socket.pause();
    socket.resume();
    expect(connection.output.length).toBe(0);
  });
});

describe('writes', () => {
  test('the answers of one tick leave in one write', () => {
    const { connection } = connect();
    route.message = (socket, data) => socket.send(`re ${String(data)}`);
    const sent = Array.from({ length: 40 }, (_, i) => `message ${i}`);
    connection.feed(Buffer.concat(sent.map((payload) => clientFrame({ payload }))));
    expect(connection.writeCount).toBe(1);
    expect(describeServerFrames(connection.output)).toEqual(sent.map((text) => `text re ${text}`));
  });

  test('several answers to a lone message keep their order', () => {
    const { connection } = connect();
    route.message = (socket) => {
      for (const text of ['first', 'é', 'x'.repeat(100)]) socket.send(text);
      socket.send(Buffer.from('bytes'));
      socket.send('last');
    };
    connection.feed(clientFrame({ payload: 'a' }));
    expect(describeServerFrames(connection.output)).toEqual([
      'text first',
      'text é',
      `text ${'x'.repeat(100)}`,
      'binary 6279746573',
      'text last',
    ]);
  });

  test('a close frame comes behind the texts that waited', () => {
    const { connection } = connect();
    route.message = (socket) => {
      socket.send('last');
      socket.close();
      socket.send('never');
    };
    connection.feed(clientFrame({ payload: 'a' }));
    expect(describeServerFrames(connection.output)).toEqual(['text last', 'close 1000']);
  });

  test('the texts of a handler that throws still leave, before its 1011', () => {
    const { connection } = connect();
    route.message = (socket) => {
      socket.send('before');
      throw new Error('handler');
    };
    connection.feed(clientFrame({ payload: 'a' }));
    expect(describeServerFrames(connection.output)).toEqual(['text before', 'close 1011']);
    expect(errors).toHaveLength(1);
    expect(connection.state).toBe('closing');
  });

  test('texts that wait when the peer closes leave before our close frame', () => {
    const { connection } = connect();
    route.message = (socket, data) => socket.send(data);
    connection.feed(Buffer.concat([clientFrame({ payload: 'a' }), clientClose(1000)]));
    expect(describeServerFrames(connection.output)).toEqual(['text a', 'close 1000']);
  });

  test('a peer that pings and does not read gets pongs up to its bound only', () => {
    const { connection } = connect();
    connection.stalled = true;
    const ping = clientFrame({ opcode: 9, payload: 'x'.repeat(98) });
    connection.feed(Buffer.concat(Array.from({ length: 50 }, () => ping)));
    expect(describeServerFrames(connection.output)).toHaveLength(QUEUE / 100);
  });
});

describe('topics', () => {
  test('a full queue is skipped, reported, and may leave in the report', () => {
    const slow = connect();
    const quick = connect();
    for (const { socket } of [slow, quick]) socket.subscribe('news');
    const reports: string[] = [];
    route.dropped = (socket, topic) => {
      reports.push(topic);
      socket.unsubscribe(topic);
    };
    slow.connection.pendingBytes = QUEUE;
    expect(server.publish('news', 'a')).toEqual({ subscribers: 2, dropped: 1 });
    expect(reports).toEqual(['news']);
    slow.connection.pendingBytes = 0;
    expect(server.publish('news', 'b')).toEqual({ subscribers: 1, dropped: 0 });
    expect(describeServerFrames(quick.connection.output)).toEqual(['text a', 'text b']);
    expect(slow.connection.output.length).toBe(0);
  });

  test('just below the bound it is sent', () => {
    const { socket, connection } = connect();
    socket.subscribe('news');
    connection.pendingBytes = QUEUE - 1;
    expect(server.publish('news', 'a').dropped).toBe(0);
  });

  test('a report that throws closes that socket and reaches onError', () => {
    const { socket, connection } = connect();
    socket.subscribe('news');
    route.dropped = () => {
      throw new Error('report');
    };
    connection.pendingBytes = QUEUE;
    server.publish('news', 'a');
    expect(errors).toHaveLength(1);
    expect(describeServerFrames(connection.output)).toEqual(['close 1011']);
  });

  test('several texts leave in one write: all of them, or none', () => {
    const quick = connect();
    const slow = connect();
    quick.socket.subscribe('news');
    slow.socket.subscribe('news');
    slow.connection.pendingBytes = QUEUE;
    const texts = ['a', 'ü 🙂', 'x'.repeat(200)];
    expect(server.publishAll('news', texts)).toEqual({ subscribers: 2, dropped: 1 });
    expect(describeServerFrames(quick.connection.output)).toEqual(texts.map((t) => `text ${t}`));
    expect(quick.connection.writeCount).toBe(1);
    expect(slow.connection.output).toHaveLength(0);
    expect(server.publishAll('news', [])).toEqual({ subscribers: 0, dropped: 0 });
  });

  test('nothing is published to a socket that is closing', () => {
    const { socket, connection } = connect();
    socket.subscribe('news');
    socket.close();
    expect(server.publish('news', 'a')).toEqual({ subscribers: 0, dropped: 0 });
    expect(describeServerFrames(connection.output)).toEqual(['close 1000']);
  });

  test('has bounds for the number and the names of topics', () => {
    const { socket } = connect();
    expect(socket.subscribe('x'.repeat(TOPIC_LENGTH_MAX + 1))).toBe(false);
    expect(socket.subscribe('x'.repeat(TOPIC_LENGTH_MAX))).toBe(true);
    for (let i = 1; i < TOPICS_PER_SOCKET_MAX; i++) expect(socket.subscribe(`t${i}`)).toBe(true);
    expect(socket.subscribe('one more')).toBe(false);
    socket.unsubscribe('t1');
    expect(socket.subscribe('one more')).toBe(true);
  });

  test('routes with different bounds share a topic', async () => {
    server.websocket('/small', { queueBytes: 10, open: (socket) => socket.subscribe('news') });
    const small = loop.connect();
    small.feed(handshakeHead('/small'));
    small.takeOutput();
    const { socket } = connect();
    socket.subscribe('news');
    expect(server.subscriberCount('news')).toBe(2);
    small.pendingBytes = 10;
    expect(server.publish('news', 'a')).toEqual({ subscribers: 2, dropped: 1 });
    small.reap();
    await settle();
    expect(server.subscriberCount('news')).toBe(1);
  });
});

describe('pausing', () => {
  test('in the open handler of a late upgrade holds back what came early', async () => {
    let decide: (() => void) | undefined;
    const heard: unknown[] = [];
    const opened: ServerSocket[] = [];
    server.websocket('/late', {
      upgrade: () =>
        new Promise((resolve) => {
          decide = () => resolve({});
        }),
      open: (socket) => {
        opened.push(socket);
        socket.pause();
      },
      message: (_socket, data) => heard.push(data),
    });
    const connection = loop.connect();
    connection.feed(handshakeHead('/late'));
    connection.feed(clientFrame({ payload: 'early' }));
    decide?.();
    await settle();
    connection.feed(clientFrame({ payload: 'later' }));
    await settle();
    expect(heard).toEqual([]);
    expect(connection.isPaused).toBe(true);
    opened[0]?.resume();
    await settle();
    expect(heard).toEqual(['early', 'later']);
    expect(connection.isPaused).toBe(false);
  });
});
