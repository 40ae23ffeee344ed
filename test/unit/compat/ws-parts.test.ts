// Parts of sluice/ws without a socket: what a sender does at its bounds, when callbacks come, and how a
// stream of Node's is a connection.

import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Acknowledgements } from '../../../lib/compat/ws/acknowledgements.ts';
import type { WebSocket } from '../../../lib/compat/ws/index.ts';
import { PayloadCopies } from '../../../lib/compat/ws/payload-copies.ts';
import { Sender } from '../../../lib/compat/ws/sender.ts';
import { STREAM_SLAB_BYTES, StreamConnection } from '../../../lib/compat/ws/stream-connection.ts';
import type { Carrier, Transport } from '../../../lib/compat/ws/transport.ts';
import { ERROR_NAMES } from '../../../lib/native/error-names.ts';
import { PENDING_BYTES_MAX } from '../../../lib/native/layout.ts';
import type { ConnectionOwner } from '../../../lib/net/types.ts';
import { FrameEncoder } from '../../../lib/websocket/frame-encoder.ts';
import { Unmasker } from '../../../lib/websocket/unmask.ts';

const SLAB = Buffer.alloc(STREAM_SLAB_BYTES);

function carrier(): Carrier {
  const unmasker = new Unmasker();
  return {
    encoder: new FrameEncoder(SLAB),
    unmasker,
    copies: new PayloadCopies(unmasker.copies),
    acknowledgements: new Acknowledgements(() => undefined),
    get deflate(): never {
      throw new Error('not asked for');
    },
  };
}

/** A transport that takes `room` bytes and no more; what is pending is the test's to say. */
class NarrowTransport {
  pendingBytes = 0;
  isOpen = true;
  drainsNoticed = 0;
  readonly room: number;

  constructor(room: number) {
    this.room = room;
  }

  reserve(length: number): number {
    return this.pendingBytes + length > this.room ? ERROR_NAMES.ENOBUFS : 0;
  }

  commit(length: number): number {
    this.pendingBytes += length;
    return this.pendingBytes;
  }

  write(bytes: Uint8Array): number {
    return this.reserve(bytes.length) < 0 ? ERROR_NAMES.ENOBUFS : this.commit(bytes.length);
  }

  noticeDrain(): void {
    this.drainsNoticed++;
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));

function sendOn(transport: NarrowTransport): { sender: Sender; overflows: Error[] } {
  const overflows: Error[] = [];
  const host = {
    onSendError: (error: Error) => void overflows.push(error),
    onOverflow: (error: Error) => void overflows.push(error),
  };
  const sender = new Sender(transport as unknown as Transport, carrier(), host, undefined);
  return { sender, overflows };
}

test('programs in TypeScript compile as with ws', () => {
  const listeners = (socket: WebSocket): void => {
    socket.on('message', (data: WebSocket.RawData, isBinary) => {
      socket.send(data, { binary: isBinary });
    });
    socket.onmessage = ({ data }: WebSocket.MessageEvent) => socket.send(String(data));
    socket.addEventListener('close', ({ code, reason }) => void [code.toFixed(), reason.trim()]);
    socket.on('close', (code, reason) => void [code.toFixed(), reason.toString('utf8')]);
  };
  expect(listeners).toBeTypeOf('function');
});

describe('sending', () => {
  test('at the bound of what a peer may owe it still sends, one byte above it is over', async () => {
    const payload = Buffer.alloc(100);
    const fits = sendOn(new NarrowTransport(102));
    fits.sender.message(payload, true, true, undefined);
    expect(fits.overflows).toEqual([]);
    const tooMuch = sendOn(new NarrowTransport(101));
    const errors: unknown[] = [];
    tooMuch.sender.message(payload, true, true, (error) => errors.push(error));
    expect(tooMuch.overflows).toHaveLength(1);
    await turn();
    expect(errors).toEqual(tooMuch.overflows);
  });

  test('callbacks come in order as bytes are taken, and none before', async () => {
    const transport = new NarrowTransport(1000);
    const { sender } = sendOn(transport);
    const called: number[] = [];
    for (const i of [1, 2, 3]) sender.message('x'.repeat(8), false, true, () => called.push(i));
    await turn();
    expect([called, transport.drainsNoticed]).toEqual([[], 1]);
    transport.pendingBytes = 20;
    expect(sender.settle()).toBe(false);
    expect(called).toEqual([1]);
    transport.pendingBytes = 19;
    sender.settle();
    expect(called).toEqual([1]);
    transport.pendingBytes = 0;
    expect(sender.settle()).toBe(true);
    expect(called).toEqual([1, 2, 3]);
  });

  test('a connection that goes tells every callback, those behind a Blob too, and once', async () => {
    const transport = new NarrowTransport(1000);
    const { sender } = sendOn(transport);
    const called: string[] = [];
    const note = (name: string) => (error?: Error) => called.push(`${name} ${error?.message}`);
    sender.message('x', false, true, note('first'));
    sender.message(new Blob(['blob']), true, true, note('blob'));
    sender.message('y', false, true, note('behind'));
    expect(sender.queuedBytes).toBe(5);
    sender.fail(new Error('gone'));
    await turn();
    expect(called).toEqual(['first gone', 'blob gone', 'behind gone']);
  });
});

describe('a stream as a connection', () => {
  interface Connected {
    readonly connection: StreamConnection;
    readonly events: string[];
  }

  function connect(stream: Duplex, onData?: () => void): Connected {
    const events: string[] = [];
    const owner: ConnectionOwner = {
      onData: (_connection, bytes, start, end) => {
        onData?.();
        events.push(`data ${bytes.toString('latin1', start, end)}`);
      },
      onEnd: () => void events.push('end'),
      onDrain: () => void events.push('drain'),
      onDeadline: () => void events.push('deadline'),
      onClose: () => void events.push('close'),
      onFailure: (_connection, error) => void events.push(`failure ${(error as Error).message}`),
    };
    const connection = new StreamConnection(stream, SLAB, 1, owner);
    connection.start(Buffer.from('head'));
    return { connection, events };
  }

  test('bytes that were read before come first, the close comes last and once', async () => {
    const stream = new PassThrough();
    const { connection, events } = connect(stream);
    connection.writeLatin1('one ');
    connection.write(Buffer.from('two'));
    connection.end();
    await turn();
    await turn();
    connection.drop();
    connection.reset();
    expect(events).toEqual(['data head', 'data one ', 'data two', 'end', 'close']);
    expect(connection.write(Buffer.from('x'))).toBe(ERROR_NAMES.EBADF);
  });

  test('what the stream has not taken is pending, and a drain is told when it was asked for', async () => {
    const done: (() => void)[] = [];
    const stream = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, callback) => void done.push(callback),
    });
    const { connection, events } = connect(stream);
    expect(connection.write(Buffer.alloc(10))).toBe(10);
    connection.flush();
    connection.setMarks(64, 1);
    connection.noticeDrain();
    await turn();
    expect([connection.pendingBytes, events]).toEqual([10, ['data head']]);
    done.shift()?.();
    await turn();
    expect([connection.pendingBytes, events]).toEqual([0, ['data head', 'drain']]);
    stream.destroy();
  });

  test('above what a connection may owe nothing is taken', () => {
    const stream = new Duplex({ read: () => undefined, write: () => undefined });
    const { connection } = connect(stream);
    Object.defineProperty(stream, 'writableLength', { value: PENDING_BYTES_MAX - 4 });
    expect(connection.reserve(5)).toBe(ERROR_NAMES.ENOBUFS);
    expect(connection.write(Buffer.alloc(5))).toBe(ERROR_NAMES.ENOBUFS);
    expect(connection.write(Buffer.alloc(4))).toBe(PENDING_BYTES_MAX);
    expect(connection.reserve(STREAM_SLAB_BYTES + 1)).toBe(ERROR_NAMES.ENOBUFS);
    stream.destroy();
  });

  test('an owner that throws is told so, and an error of the stream is a close', async () => {
    const stream = new PassThrough();
    const { events } = connect(stream, () => {
      throw new Error('mine');
    });
    await turn();
    stream.destroy(new Error('broken'));
    await turn();
    expect(events).toEqual(['failure mine', 'close']);
  });

  test('close() waits for the peer only for a while', async () => {
    const stream = new Duplex({ read: () => undefined, write: (_c, _e, done) => done() });
    const { connection, events } = connect(stream);
    connection.close();
    expect(connection.isOpen).toBe(false);
    expect(connection.write(Buffer.from('x'))).toBe(ERROR_NAMES.EBADF);
    stream.destroy();
    await turn();
    expect(events.at(-1)).toBe('close');
  });
});
