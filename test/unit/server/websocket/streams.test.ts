// Messages in pieces, on a loop in memory: fragmented sending, receiving while a message arrives, and
// handlers that are waited for.

import { beforeEach, describe, expect, test } from 'vitest';
import { CHUNK_OVERHEAD_BYTES } from '../../../../lib/base/chunk-cost.ts';
import type { WebSocketRoute } from '../../../../lib/server/types.ts';
import { HELD_FRAMES_MAX } from '../../../../lib/server/websocket/websocket-limits.ts';
import { STREAM_BUFFER_BYTES_MAX } from '../../../../lib/websocket/incoming-stream.ts';
import { settle } from '../../../support/memory-transport.ts';
import { type RigPeer, SocketRig } from '../../../support/socket-rig.ts';
import { clientClose, clientFrame } from '../../../support/websocket-frames.ts';

const QUEUE = 1000;
let rig: SocketRig;

beforeEach(async () => {
  rig = await new SocketRig().listen();
});

/** Frames with their final bit: `+text`, `text` for a fragment. */
function rawFrames({ connection }: RigPeer): string[] {
  const bytes = connection.takeOutput();
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [first = 0, length = 0] = bytes.subarray(at);
    const payload = bytes.toString('utf8', at + 2, at + 2 + length);
    frames.push(`${first >= 0x80 ? 'fin ' : ''}${first & 0x0f} ${payload}`.trimEnd());
    at += 2 + length;
  }
  return frames;
}

describe('sending a message in pieces', () => {
  test('text, then continuations, the last one final', () => {
    const peer = rig.peer();
    const stream = peer.socket.stream();
    expect([stream.write('one '), stream.write('two '), stream.end('three')]).toEqual(
      Array(3).fill('sent'),
    );
    expect(rawFrames(peer)).toEqual(['1 one', '0 two', 'fin 0 three']);
    expect(stream.isOpen).toBe(false);
    expect(peer.socket.send('next')).toBe('sent');
    expect(rawFrames(peer)).toEqual(['fin 1 next']);
    expect(peer.socket.info().messagesSent).toBe(2);
  });

  test('without pieces it is one empty message, with the last only it is whole', () => {
    const peer = rig.peer();
    peer.socket.stream({ binary: true }).end();
    peer.socket.stream({ binary: true }).end(Buffer.from('all'));
    expect(rawFrames(peer)).toEqual(['fin 2', 'fin 2 all']);
  });

  test('a surrogate pair that is cut between pieces is joined', () => {
    const peer = rig.peer();
    const stream = peer.socket.stream();
    stream.write('a\ud83d');
    stream.write('\ude42b\ud83d');
    stream.write('');
    stream.end('\ude42');
    expect(rawFrames(peer)).toEqual(['1 a', '0 🙂b', '0', 'fin 0 🙂']);
  });

  test('messages wait behind it in order, pings pass', () => {
    const peer = rig.peer();
    const { socket } = peer;
    socket.subscribe('news');
    const stream = socket.stream();
    stream.write('one ');
    expect([socket.send('a'), socket.send(Buffer.from('b')), socket.ping()]).toEqual([
      'queued',
      'queued',
      'sent',
    ]);
    expect(rig.server.publish('news', 'c')).toEqual({ subscribers: 1, dropped: 0 });
    expect(socket.pendingBytes).toBe(9);
    expect(rawFrames(peer)).toEqual(['1 one', 'fin 9']);
    stream.end('two');
    expect(rawFrames(peer)).toEqual(['fin 0 two', 'fin 1 a', 'fin 2 b', 'fin 1 c']);
    rig.server.publish('news', 'd');
    expect(rawFrames(peer)).toEqual(['fin 1 d']);
  });

  test('a peer that pings meanwhile gets its pong', () => {
    const peer = rig.peer();
    peer.socket.stream().write('one ');
    peer.connection.feed(clientFrame({ opcode: 9, payload: 'p' }));
    expect(rawFrames(peer)).toEqual(['1 one', 'fin 10 p']);
  });

  test('what waits has bounds in bytes and in frames', () => {
    const small = rig.peer({ queueBytes: QUEUE });
    small.socket.stream();
    expect(small.socket.send('x'.repeat(QUEUE - 5))).toBe('queued');
    expect(small.socket.send('x')).toBe('queued');
    expect(small.socket.send('x')).toBe('dropped');
    const { socket } = rig.peer();
    socket.stream();
    for (let i = 0; i < HELD_FRAMES_MAX; i++) expect(socket.send('x')).toBe('queued');
    expect(socket.send('x')).toBe('dropped');
  });

  test('a full queue drops a piece, which may be written again; the end is always taken', () => {
    const peer = rig.peer({ queueBytes: QUEUE });
    const { socket, connection } = peer;
    const stream = socket.stream();
    connection.pendingBytes = QUEUE;
    expect([stream.write('one'), stream.end('one')]).toEqual(['dropped', 'dropped']);
    connection.pendingBytes = 0;
    stream.write('one');
    connection.pendingBytes = QUEUE;
    expect(stream.end()).toBe('queued');
    expect(rawFrames(peer)).toEqual(['1 one', 'fin 0']);
  });

  test('waiting messages keep it neither from its end nor from drained(); that of the socket waits for both', async () => {
    const peer = rig.peer({ queueBytes: QUEUE });
    const stream = peer.socket.stream();
    peer.socket.send('x'.repeat(QUEUE));
    const results: boolean[] = [];
    void peer.socket.drained().then((isOpen) => results.push(isOpen));
    expect(await stream.drained()).toBe(true);
    peer.connection.drain();
    await settle();
    expect([stream.write('piece'), results]).toEqual(['sent', []]);
    stream.end();
    expect(peer.connection.wantsDrain).toBe(true);
    peer.connection.drain();
    await settle();
    expect(results).toEqual([true]);
  });

  test('a second one at the same time, and pieces after the end, are mistakes', () => {
    const { socket } = rig.peer();
    const stream = socket.stream();
    const mistake = expect.objectContaining({ code: 'ERR_STATE' });
    expect(() => socket.stream()).toThrow(mistake);
    stream.end();
    expect(() => stream.write('x')).toThrow(mistake);
    expect(() => stream.end()).toThrow(mistake);
    const wrong = (): unknown => socket.stream().write(1 as unknown as string);
    expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_ARG_TYPE' }));
  });

  test('our close cuts the message, and nothing follows', () => {
    const peer = rig.peer();
    const stream = peer.socket.stream();
    stream.write('one');
    peer.socket.send('never');
    peer.socket.close();
    expect([stream.isOpen, stream.write('two'), stream.end()]).toEqual([
      false,
      'dropped',
      'dropped',
    ]);
    expect(rawFrames(peer).map((frame) => frame.slice(0, 5))).toEqual(['1 one', 'fin 8']);
    expect(peer.socket.stream().write('x')).toBe('dropped');
  });
});

/** A peer of a route whose messages are written down as they come. */
function listening(route: Partial<WebSocketRoute> = {}): RigPeer & { readonly log: string[] } {
  const log: string[] = [];
  const peer = rig.peer({
    async stream(_socket, chunks, isBinary) {
      log.push(isBinary ? 'binary' : 'text');
      for await (const chunk of chunks) log.push(String(chunk));
      log.push('end');
    },
    ...route,
  });
  return { ...peer, log };
}

const fragments = (...texts: string[]): Buffer[] =>
  texts.map((payload, i) =>
    clientFrame({ payload, opcode: i === 0 ? 1 : 0, fin: i === texts.length - 1 }),
  );

describe('receiving a message as a stream', () => {
  test('is handed over at its first fragment', async () => {
    const { connection, log } = listening();
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = fragments('one', 'two');
    connection.feed(first);
    await settle();
    expect(log).toEqual(['text', 'one']);
    connection.feed(second);
    await settle();
    expect(log).toEqual(['text', 'one', 'two', 'end']);
  });

  test('is handed over at its first cut, and messages in one piece are one chunk', async () => {
    const { connection, log } = listening();
    const frame = clientFrame({ opcode: 2, payload: 'abcdef' });
    connection.feed(frame.subarray(0, 9));
    await settle();
    expect(log).toEqual(['binary', 'abc']);
    connection.feed(Buffer.concat([frame.subarray(9), ...fragments('whole'), ...fragments('')]));
    await settle();
    expect(log).toEqual(['binary', 'abc', 'def', 'end', 'text', 'whole', 'end', 'text', 'end']);
  });

  test('chunks of text are whole characters, wherever they are cut', async () => {
    const { connection, log } = listening();
    const frame = clientFrame({ payload: 'é🙂é' });
    for (const byte of frame) {
      connection.feed(Buffer.of(byte));
      await settle();
    }
    expect(log).toEqual(['text', 'é', '🙂', 'é', 'end']);
  });

  test('text is judged at the first impossible byte', async () => {
    const errors: unknown[] = [];
    const peer = listening({
      async stream(_socket, chunks) {
        try {
          for await (const _chunk of chunks);
        } catch (error) {
          errors.push(error);
        }
      },
    });
    peer.connection.feed(clientFrame({ payload: Buffer.from([0x61, 0xf0, 0x9f]), fin: false }));
    peer.connection.feed(clientFrame({ opcode: 0, payload: Buffer.of(0x20), fin: false }));
    await settle();
    expect(peer.frames()).toEqual(['close 1007 invalid UTF-8']);
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_CLOSED' })]);
  });

  test('a text that ends inside a character is refused', async () => {
    const peer = listening();
    const euro = Buffer.from('€').subarray(0, 2);
    peer.connection.feed(clientFrame({ payload: euro, fin: false }));
    peer.connection.feed(clientFrame({ opcode: 0, payload: '' }));
    expect(peer.frames()).toEqual(['close 1007 invalid UTF-8']);
  });

  test.each([
    [9, 'close 1009 message too big'],
    [10, undefined],
  ])('with a bound of %i bytes, ten are answered %s', (messageBytesMax, answer) => {
    const peer = listening({ messageBytesMax });
    for (const frame of fragments('12345', '67890')) peer.connection.feed(frame);
    expect(peer.frames()).toEqual(answer === undefined ? [] : [answer]);
  });

  test('0 is no bound', async () => {
    let bytes = 0;
    const { connection } = listening({
      messageBytesMax: 0,
      async stream(_socket, chunks) {
        for await (const chunk of chunks) bytes += chunk.length;
      },
    });
    const piece = Buffer.alloc(60_000);
    connection.feed(clientFrame({ opcode: 2, payload: piece, fin: false }));
    for (let i = 0; i < 40; i++) {
      connection.feed(clientFrame({ opcode: 0, payload: piece, fin: i === 39 }));
      await settle();
    }
    expect(bytes).toBe(41 * piece.length);
  });

  test.each([
    [STREAM_BUFFER_BYTES_MAX - 2 * CHUNK_OVERHEAD_BYTES - 1, false],
    [STREAM_BUFFER_BYTES_MAX - 2 * CHUNK_OVERHEAD_BYTES, true],
  ])('with %i bytes not taken, reading is held: %s', async (bytes, isHeld) => {
    const taken: AsyncIterator<string | Buffer>[] = [];
    const { connection } = listening({
      stream: (_socket, chunks) => void taken.push(chunks[Symbol.asyncIterator]()),
    });
    connection.feed(clientFrame({ opcode: 2, fin: false, payload: Buffer.alloc(10) }));
    connection.feed(clientFrame({ opcode: 0, fin: false, payload: Buffer.alloc(bytes - 10) }));
    expect(connection.isPaused).toBe(isHeld);
    for (let left = bytes; left > 0; ) {
      left -= ((await taken[0]?.next())?.value ?? '').length;
    }
    await settle();
    expect(connection.isPaused).toBe(false);
  });

  test.each([
    [Math.ceil(STREAM_BUFFER_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)) - 1, false],
    [Math.ceil(STREAM_BUFFER_BYTES_MAX / (1 + CHUNK_OVERHEAD_BYTES)), true],
  ])('%i fragments of one byte cost what they take: held %s', (count, isHeld) => {
    const { connection } = listening({ stream: (_socket, chunks) => void chunks });
    for (let i = 0; i < count; i++) {
      connection.feed(
        clientFrame({ opcode: i === 0 ? 2 : 0, fin: false, payload: Buffer.alloc(1) }),
      );
    }
    expect(connection.isPaused).toBe(isHeld);
  });

  test('who stops iterating lets the rest pass', async () => {
    const log: string[] = [];
    const { connection } = listening({
      async stream(_socket, chunks) {
        for await (const chunk of chunks) {
          log.push(String(chunk));
          break;
        }
      },
    });
    for (const frame of [...fragments('a', 'b', 'c'), ...fragments('d', 'e')]) {
      connection.feed(frame);
      await settle();
    }
    expect(log).toEqual(['a', 'd']);
    expect(rig.errors).toEqual([]);
  });

  test('a handler that returns early has read enough; the next message waits for it', async () => {
    const log: string[] = [];
    let finish: (() => void) | undefined;
    const { connection } = listening({
      async stream(_socket, chunks) {
        const { value } = await chunks[Symbol.asyncIterator]().next();
        log.push(String(value));
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        log.push('done');
      },
    });
    connection.feed(Buffer.concat([...fragments('a', 'b'), ...fragments('c', 'd')]));
    await settle();
    expect(log).toEqual(['a']);
    finish?.();
    await settle();
    expect(log).toEqual(['a', 'done', 'c']);
  });

  test('a handler that rejects fails the session', async () => {
    const peer = listening({ stream: () => Promise.reject(new Error('stream')) });
    peer.connection.feed(clientFrame({ payload: 'a', fin: false }));
    await settle();
    expect(peer.frames()).toEqual(['close 1011']);
    expect(rig.errors).toHaveLength(1);
  });

  test.each([
    ['vanishes', (peer: RigPeer) => peer.connection.reap(-104)],
    ['sends FIN', (peer: RigPeer) => peer.connection.feedEnd()],
    ['closes', (peer: RigPeer) => peer.connection.feed(clientClose(1000))],
    ['is closed', (peer: RigPeer) => peer.socket.close()],
    ['is terminated', (peer: RigPeer) => peer.socket.terminate()],
  ])(
    'a peer that %s inside a message ends it with ERR_CLOSED, and that is no fault',
    async (_name, act) => {
      const peer = listening();
      peer.connection.feed(clientFrame({ payload: 'a', fin: false }));
      act(peer);
      await settle();
      expect(peer.log).toEqual(['text', 'a']);
      expect(rig.errors).toEqual([]);
    },
  );
});

describe('serial', () => {
  test('the next message waits for the promise of the former', async () => {
    const log: unknown[] = [];
    const settled: (() => void)[] = [];
    const { connection } = rig.peer({
      serial: true,
      message(_socket, data) {
        log.push(data);
        return new Promise<void>((resolve) => settled.push(resolve));
      },
    });
    const messages = ['a', 'b', 'c'].map((payload) => clientFrame({ payload }));
    connection.feed(Buffer.concat(messages));
    connection.feed(clientFrame({ payload: 'd' }));
    for (const expected of ['a', 'b', 'c', 'd']) {
      await settle();
      expect(log.at(-1)).toBe(expected);
      expect(connection.isPaused).toBe(true);
      settled.shift()?.();
    }
    await settle();
    expect([log.length, connection.isPaused]).toEqual([4, false]);
  });

  test('handlers without a promise are not waited for', () => {
    const log: unknown[] = [];
    const { connection } = rig.peer({ serial: true, message: (_s, data) => log.push(data) });
    connection.feed(Buffer.concat(['a', 'b'].map((payload) => clientFrame({ payload }))));
    expect([log, connection.isPaused]).toEqual([['a', 'b'], false]);
  });

  test('a rejected promise fails the session with 1011, later messages do not come', async () => {
    const log: unknown[] = [];
    const peer = rig.peer({
      serial: true,
      message(_socket, data) {
        log.push(data);
        return Promise.reject(new Error('no'));
      },
    });
    peer.connection.feed(Buffer.concat(['a', 'b'].map((payload) => clientFrame({ payload }))));
    await settle();
    expect(log).toEqual(['a']);
    expect(peer.frames()).toEqual(['close 1011']);
    expect(rig.errors).toHaveLength(1);
  });

  test("the peer's close comes after the messages before it", async () => {
    const log: unknown[] = [];
    const { connection } = rig.peer({
      serial: true,
      message: async (_socket, data) => void log.push(data),
      close: (_socket, code) => log.push(code),
    });
    const messages = ['a', 'b'].map((payload) => clientFrame({ payload }));
    connection.feed(Buffer.concat([...messages, clientClose(4000)]));
    await settle();
    connection.reap();
    expect(log).toEqual(['a', 'b', 4000]);
  });

  test('our close during the wait ends it: the close frame of the peer is read', async () => {
    const log: unknown[] = [];
    const peer = rig.peer({
      serial: true,
      message: (_socket, data) => {
        log.push(data);
        return new Promise(() => undefined);
      },
      close: (_socket, code, _reason, { wasClean, initiator }) =>
        log.push(code, wasClean, initiator),
    });
    peer.connection.feed(Buffer.concat(['a', 'b'].map((payload) => clientFrame({ payload }))));
    peer.socket.close(4001);
    await settle();
    peer.connection.feed(clientClose(4001));
    await settle();
    peer.connection.reap();
    expect(log).toEqual(['a', 4001, true, 'us']);
  });

  test('the application may pause in between, and both must let go', async () => {
    const log: unknown[] = [];
    let finish: (() => void) | undefined;
    const { socket, connection } = rig.peer({
      serial: true,
      message(_socket, data) {
        log.push(data);
        return new Promise<void>((resolve) => {
          finish = resolve;
        });
      },
    });
    connection.feed(Buffer.concat(['a', 'b'].map((payload) => clientFrame({ payload }))));
    socket.pause();
    finish?.();
    await settle();
    expect([log, socket.isPaused]).toEqual([['a'], true]);
    socket.resume();
    await settle();
    expect([log, socket.isPaused]).toEqual([['a', 'b'], false]);
  });

  test.each([
    [7, 'open'],
    [8, 'failed'],
  ])('after %i looks at the idle time a promise that never settles: %s', async (looks, state) => {
    const peer = rig.peer({
      serial: true,
      idleTimeoutMs: 1000,
      message: () => new Promise(() => undefined),
    });
    peer.connection.feed(clientFrame({ payload: 'a' }));
    for (let i = 0; i < looks; i++) peer.connection.fireDeadline();
    await settle();
    expect(peer.socket.isOpen).toBe(state === 'open');
    if (state === 'open') return;
    expect(peer.frames()).toEqual(['close 1011']);
    expect(rig.errors).toEqual([expect.objectContaining({ code: 'ERR_TIMEOUT' })]);
  });

  test('a promise that waits for a peer that takes nothing ends that peer only', async () => {
    const peer = rig.peer({
      serial: true,
      idleTimeoutMs: 1000,
      message: (socket) => socket.drained(),
    });
    peer.connection.stalled = true;
    peer.socket.send('x'.repeat(100_000));
    peer.connection.feed(clientFrame({ payload: 'a' }));
    for (let i = 0; i < 8; i++) peer.connection.fireDeadline();
    await settle();
    expect(peer.socket.isOpen).toBe(false);
    expect(rig.errors).toEqual([]);
  });

  test('thousands of messages in one chunk are delivered without copying it each time', async () => {
    let count = 0;
    const { connection } = rig.peer({
      serial: true,
      message: async () => {
        count++;
        // Every wait lasts longer than the turn.
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    const messages = Array.from({ length: 5000 }, () => clientFrame({ payload: 'x' }));
    connection.feed(Buffer.concat(messages));
    while (count < messages.length) await settle();
    expect(count).toBe(messages.length);
  });
});
