// State x operation: every method of a ServerSocket in every state of its connection, with its exact
// outcome. Whoever adds a state or a method adds its row or column. Worker threads that are terminated
// are in test/integration/net-process.test.ts.

import { beforeEach, describe, expect, test } from 'vitest';
import { isSluiceError } from '../../../../lib/base/errors.ts';
import type { ServerSocket, UpgradeDecision } from '../../../../lib/server/types.ts';
import { type MemoryConnection, settle } from '../../../support/memory-transport.ts';
import { type RigPeer, SocketRig } from '../../../support/socket-rig.ts';
import { handshakeHead } from '../../../support/websocket-client.ts';
import { clientClose, clientFrame } from '../../../support/websocket-frames.ts';

type Act = (socket: ServerSocket) => unknown;

/** How a socket gets into each state, and where the operation is then called. */
const STATES: Readonly<Record<string, (rig: SocketRig, act: Act) => RigPeer>> = {
  open(rig, act) {
    const peer = rig.peer();
    act(peer.socket);
    return peer;
  },
  'own handler'(rig, act) {
    const peer = rig.peer({ message: (socket) => void act(socket) });
    peer.connection.feed(clientFrame({ payload: 'go' }));
    return peer;
  },
  "neighbour's handler"(rig, act) {
    const peer = rig.peer();
    const neighbour = rig.peer({ message: () => void act(peer.socket) });
    neighbour.connection.feed(clientFrame({ payload: 'go' }));
    expect(neighbour.socket.isOpen).toBe(true);
    return peer;
  },
  paused(rig, act) {
    const peer = rig.peer();
    peer.socket.pause();
    act(peer.socket);
    return peer;
  },
  streaming(rig, act) {
    const peer = rig.peer();
    peer.socket.stream();
    act(peer.socket);
    return peer;
  },
  'we close'(rig, act) {
    const peer = rig.peer();
    peer.socket.close(4000);
    peer.connection.takeOutput();
    act(peer.socket);
    return peer;
  },
  'peer closes'(rig, act) {
    const peer = rig.peer();
    peer.connection.feed(clientClose(4001));
    peer.connection.takeOutput();
    act(peer.socket);
    return peer;
  },
  'handler threw'(rig, act) {
    const peer = rig.peer({
      message: () => {
        throw new Error('handler');
      },
    });
    peer.connection.feed(clientFrame({ payload: 'go' }));
    peer.connection.takeOutput();
    act(peer.socket);
    return peer;
  },
  'close handler'(rig, act) {
    const peer = rig.peer({ close: (socket) => void act(socket) });
    peer.connection.reap();
    return peer;
  },
  closed(rig, act) {
    const peer = rig.peer();
    peer.connection.reap();
    act(peer.socket);
    return peer;
  },
};

/** What is called. Results are put into words; a promise by what it settles with. */
const OPERATIONS: Readonly<Record<string, Act>> = {
  'send(text)': (socket) => socket.send('a'),
  'send(bytes)': (socket) => socket.send(Buffer.from('a')),
  'send(text, key)': (socket) => socket.send('a', { key: 'k' }),
  'ping()': (socket) => socket.ping(),
  'ping(126 bytes)': (socket) => socket.ping(Buffer.alloc(126)),
  'stream().end(text)': (socket) => socket.stream().end('a'),
  'drained()': (socket) => socket.drained(),
  'close()': (socket) => socket.close(),
  'close(1005)': (socket) => socket.close(1005),
  'terminate()': (socket) => socket.terminate(),
  'pause()': (socket) => {
    socket.pause();
    return socket.isPaused;
  },
  'resume()': (socket) => {
    socket.resume();
    return socket.isPaused;
  },
  'subscribe()': (socket) => socket.subscribe('t'),
  'unsubscribe()': (socket) => socket.unsubscribe('t'),
  'isSubscribed()': (socket) => socket.isSubscribed('t'),
  topics: (socket) => socket.topics.length,
  isOpen: (socket) => socket.isOpen,
  isPaused: (socket) => socket.isPaused,
  pendingBytes: (socket) => socket.pendingBytes,
  'data, request, protocol, extensions': ({ data, request, protocol, extensions }) =>
    [data, request.path, protocol, extensions].join(),
  'info()': (socket) => socket.info().messagesSent,
};

async function outcome(rig: SocketRig, state: string, operation: string): Promise<string> {
  const words: string[] = [];
  const act: Act = (socket) => {
    try {
      const result = OPERATIONS[operation]?.(socket);
      words.push(result instanceof Promise ? 'promise' : String(result));
      if (result instanceof Promise) void result.then((value) => words.push(String(value)));
    } catch (error) {
      words.push(isSluiceError(error) ? error.code : String(error));
    }
  };
  const peer = STATES[state]?.(rig, act);
  if (peer === undefined) throw new Error(`no state ${state}`);
  const frames = peer.frames();
  await settle();
  const end = peer.connection.state;
  return [words.join(' '), ...frames, ...(end === 'open' ? [] : [end])].join(' | ');
}

interface Row {
  /** In the states in which the session is open, unless named otherwise. */
  readonly open: string;
  readonly streaming?: string;
  readonly paused?: string;
  /** In those in which it is over. */
  readonly over: string;
}

const ROWS: Readonly<Record<string, Row>> = {
  'send(text)': { open: 'sent | text a', streaming: 'queued', over: 'dropped' },
  'send(bytes)': { open: 'sent | binary 61', streaming: 'queued', over: 'dropped' },
  'send(text, key)': { open: 'sent | text a', streaming: 'queued', over: 'dropped' },
  'ping()': { open: 'sent | ping', over: 'dropped' },
  'ping(126 bytes)': { open: 'ERR_ARG_RANGE', over: 'ERR_ARG_RANGE' },
  'stream().end(text)': { open: 'sent | text a', streaming: 'ERR_STATE', over: 'dropped' },
  'drained()': { open: 'promise true', over: 'promise false' },
  'close()': { open: 'undefined | close 1000', over: 'undefined' },
  'close(1005)': { open: 'ERR_ARG_RANGE', over: 'ERR_ARG_RANGE' },
  'terminate()': { open: 'undefined | reset', over: 'undefined' },
  'pause()': { open: 'true', over: 'false' },
  'resume()': { open: 'false', over: 'false' },
  'subscribe()': { open: 'true', over: 'false' },
  'unsubscribe()': { open: 'false', over: 'false' },
  'isSubscribed()': { open: 'false', over: 'false' },
  topics: { open: '0', over: '0' },
  isOpen: { open: 'true', over: 'false' },
  isPaused: { open: 'false', paused: 'true', over: 'false' },
  pendingBytes: { open: '0', over: '0' },
  'data, request, protocol, extensions': { open: ',/0,,', over: ',/0,,' },
  'info()': { open: '0', over: '0' },
};

/** What is left of the connection in states in which the session is over. */
const ENDS: Readonly<Record<string, string>> = {
  'we close': '',
  'peer closes': ' | closing',
  'handler threw': ' | closing',
  'close handler': ' | closed',
  closed: ' | closed',
};

function expected(state: string, operation: string): string {
  const row = ROWS[operation] ?? { open: '', over: '' };
  const end = ENDS[state];
  if (state === 'streaming' || state === 'paused') return row[state] ?? row.open;
  if (end === undefined) return row.open;
  // Whatever was left is dropped at once.
  if (operation === 'terminate()' && end !== ' | closed') return `${row.over} | reset`;
  return row.over + end;
}

describe.each(Object.keys(STATES))('%s', (state) => {
  let rig: SocketRig;
  beforeEach(async () => {
    rig = await new SocketRig().listen();
  });

  test.each(Object.keys(OPERATIONS))('%s', async (operation) => {
    expect(await outcome(rig, state, operation)).toBe(expected(state, operation));
    expect(rig.errors).toHaveLength(state === 'handler threw' ? 1 : 0);
  });
});

describe('connecting: while an async upgrade hook decides', () => {
  type Decide = (decision: UpgradeDecision<unknown>) => void;
  let decide: Decide | undefined;
  let rig: SocketRig;
  let connection: MemoryConnection;
  const heard: string[] = [];

  beforeEach(async () => {
    heard.length = 0;
    rig = new SocketRig();
    rig.server.websocket('/late', {
      upgrade: () =>
        new Promise<UpgradeDecision<unknown>>((resolve) => {
          decide = resolve;
        }),
      open: () => heard.push('open'),
      message: (_socket, data) => heard.push(String(data)),
      close: (_socket, code) => heard.push(`close ${code}`),
    });
    await rig.listen();
    connection = rig.loop.connect();
    connection.feed(handshakeHead('/late'));
    connection.feed(clientFrame({ payload: 'early' }));
  });

  const acts: readonly [string, () => unknown, string, readonly string[]][] = [
    ['nothing', () => undefined, '101', ['open', 'early']],
    ['server.sockets', () => expect([...rig.server.sockets]).toEqual([]), '101', ['open', 'early']],
    [
      'server.publish()',
      () => expect(rig.server.publish('t', 'x')).toEqual({ subscribers: 0, dropped: 0 }),
      '101',
      ['open', 'early'],
    ],
    [
      'server.stats()',
      () => expect(rig.server.stats().sockets).toMatchObject({ open: 0, accepted: 0, refused: 1 }),
      '101',
      ['open', 'early'],
    ],
    ['server.close()', () => void rig.server.close(), '503', []],
    ['the client resets', () => connection.reap(-104), '', []],
    ['the time is over', () => connection.fireDeadline(), '50', []],
  ];
  test.each(acts)('%s', async (_name, act, status, expectedCalls) => {
    act();
    decide?.({});
    await settle();
    expect(connection.outputText.slice(9, 12).startsWith(status)).toBe(true);
    expect(heard).toEqual(expectedCalls);
    expect(rig.errors).toEqual([]);
  });
});

test('every method and property of a socket has a row', async () => {
  const { socket } = (await new SocketRig().listen()).peer();
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(socket));
  const rows = Object.keys(ROWS).join();
  for (const name of names) if (name !== 'constructor') expect(rows).toContain(name);
});
