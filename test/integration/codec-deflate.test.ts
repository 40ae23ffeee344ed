// The deflate half of the second addon: both sides agree on its words, wrong calls throw and never crash,
// what it writes node:zlib reads and the other way round, and nothing is left when streams are closed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import {
  DEFLATE_LAYOUT,
  INFLATE_BEGIN,
  INFLATE_DONE,
  INFLATE_FULL,
  INFLATE_LAST,
  WORD_CONSUMED,
  WORD_END,
  WORD_FLAGS,
  WORD_OUT_END,
  WORD_OUT_START,
  WORD_PRODUCED,
  WORD_START,
} from '../../lib/native/deflate-layout.ts';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { resolveDeflate } from '../../lib/websocket/deflate-options.ts';
import { deflateBound } from '../../lib/websocket/deflate-streams.ts';
import { FrameEncoder } from '../../lib/websocket/frame-encoder.ts';
import { MessageDeflater } from '../../lib/websocket/message-deflater.ts';
import { seededRandom } from '../support/chunkings.ts';
import {
  AGREEMENT,
  COMPRESSED,
  DeflatePeer,
  parseCompressed,
  testStreams,
} from '../support/deflate-frames.ts';
import { clientFrame } from '../support/websocket-frames.ts';

const { deflate: codec } = loadCodec();
const SEED = 20_261_125;

afterEach(() => {
  expect([codec.liveStreams(), codec.liveBytes()]).toEqual([0, 0]);
});

test('the words and flags are the same on both sides', () => {
  expect(DEFLATE_LAYOUT).toEqual(codec.layout);
});

describe('wrong calls', () => {
  const bytes = new Uint8Array(8);
  const any = codec as unknown as Record<string, (...args: unknown[]) => unknown>;
  const inflater = (): number => codec.openInflater(15);
  const withWords = (word: number, value: number, call: (stream: number) => unknown) => {
    const stream = inflater();
    codec.words.fill(0);
    codec.words[word] = value;
    try {
      return call(stream);
    } finally {
      codec.closeInflater(stream);
    }
  };
  test.each<[string, () => unknown, string]>([
    ['openDeflater()', () => any['openDeflater']?.(), 'ERR_ARG_TYPE'],
    ['openInflater(text)', () => any['openInflater']?.('15'), 'ERR_ARG_TYPE'],
    ['closeInflater()', () => any['closeInflater']?.(), 'ERR_ARG_TYPE'],
    [
      'inflate() of a stream that is not there',
      () => codec.inflate(7, bytes, bytes),
      'ERR_ARG_RANGE',
    ],
    ['deflate() of the same', () => codec.deflate(0, bytes, bytes), 'ERR_ARG_RANGE'],
    ['inflateReason() of the same', () => codec.inflateReason(0), 'ERR_ARG_RANGE'],
    [
      'inflate() beyond the input',
      () => withWords(WORD_END, 9, (stream) => codec.inflate(stream, bytes, bytes)),
      'ERR_ARG_RANGE',
    ],
    [
      'inflate() beyond the room',
      () => withWords(WORD_OUT_END, 9, (stream) => codec.inflate(stream, bytes, bytes)),
      'ERR_ARG_RANGE',
    ],
    [
      'inflate() of a text',
      () => withWords(0, 0, (stream) => any['inflate']?.(stream, 'text', bytes)),
      'ERR_ARG_TYPE',
    ],
  ])('%s throws', (_name, call, code) => {
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  test('parameters out of range open nothing', () => {
    for (const bits of [0, 7, 16, 4_294_967_295]) expect(codec.openInflater(bits)).toBe(-1);
    expect(codec.openDeflater(15, 0, 8)).toBe(-1);
    expect(codec.openDeflater(15, 6, 10)).toBe(-1);
    expect(codec.openDeflater(16, 6, 8)).toBe(-1);
  });

  test('a stream may be closed twice, and its number is given out again', () => {
    const first = codec.openInflater(15);
    codec.closeInflater(first);
    codec.closeInflater(first);
    const second = codec.openInflater(15);
    expect(second).toBe(first);
    expect(codec.liveStreams()).toBe(1);
    codec.closeInflater(second);
  });
});

// What docs/library.md says about memory stands on these figures.
describe('memory', () => {
  const FILL = 4096;
  test.each([
    [15, 8, 284],
    [15, 5, 213],
    [13, 5, 116],
    [10, 1, 77],
    [8, 1, 75],
  ])('a compressor of window 2^%i and memory level %i takes about %i kB', (bits, level, kB) => {
    const stream = codec.openDeflater(bits, 3, level);
    expect(Math.abs(codec.liveBytes() - kB * 1000)).toBeLessThan(FILL * 2);
    codec.closeDeflater(stream);
  });

  test.each([
    [15, 42],
    [12, 14],
    [8, 10],
  ])(
    'an inflater of window 2^%i takes 9 kB before its first message, %i kB after it',
    (bits, kB) => {
      const streams = testStreams();
      const stream = codec.openInflater(bits);
      expect(Math.abs(codec.liveBytes() - 9000)).toBeLessThan(1000);
      codec.words.fill(0);
      codec.words[WORD_END] = 7;
      codec.words[WORD_OUT_END] = 100;
      codec.words[WORD_FLAGS] = INFLATE_BEGIN | INFLATE_LAST;
      codec.inflate(stream, Buffer.from('f248cdc9c90700', 'hex'), streams.scratch);
      expect(Math.abs(codec.liveBytes() - kB * 1000)).toBeLessThan(1500);
      codec.closeInflater(stream);
    },
  );
});

/** A port that keeps what is written to one connection. */
class MemoryPort {
  #written: Buffer[] = [];
  readonly #slab: Buffer;

  constructor(slab: Buffer) {
    this.#slab = slab;
  }

  reserve(): number {
    return 3;
  }

  commit(length: number): number {
    this.#written.push(Buffer.from(this.#slab.subarray(3, 3 + length)));
    return length;
  }

  write(bytes: Uint8Array): number {
    this.#written.push(Buffer.from(bytes));
    return bytes.length;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#written);
    this.#written = [];
    return bytes;
  }
}

interface ReadFrame {
  readonly first: number;
  readonly payload: Buffer;
}

function readFrame(frame: Buffer): ReadFrame {
  const form = frame[1] ?? 0;
  const at = form < 126 ? 2 : form === 126 ? 4 : 10;
  const length =
    form < 126 ? form : form === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
  expect(frame.length).toBe(at + length);
  return { first: frame[0] ?? 0, payload: frame.subarray(at) };
}

function drawMessage(random: () => number): string | Buffer {
  const kind = Math.floor(random() * 5);
  const length = Math.floor(random() ** 3 * (random() < 0.1 ? 400_000 : 9000));
  if (kind === 0) return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  if (kind === 1)
    return JSON.stringify({ id: Math.floor(random() * 1e9), text: 'hello '.repeat(9) });
  if (kind === 2) return 'grüße 世界 😀 '.repeat(length / 20);
  if (kind === 3) return '';
  return Array.from({ length: length / 8 }, () => Math.floor(random() * 1e4).toString(36)).join(
    ' ',
  );
}

describe('what is written, node:zlib reads; what node:zlib writes is read', () => {
  const bits = [8, 9, 10, 12, 14, 15];
  const cases = bits.flatMap((windowBits) =>
    [true, false].map((takesOver) => ({ windowBits, takesOver })),
  );

  test.each(cases)('window 2^$windowBits, takeover $takesOver', ({ windowBits, takesOver }) => {
    const random = seededRandom(SEED + windowBits);
    const streams = testStreams();
    for (let round = 0; round < 4; round++) {
      const options = resolveDeflate({
        threshold: 0,
        level: 1 + Math.floor(random() * 9),
        memLevel: 1 + Math.floor(random() * 9),
      });
      if (options === undefined) throw new Error('no options');
      const agreement = {
        ...AGREEMENT,
        serverNoContextTakeover: !takesOver,
        clientNoContextTakeover: !takesOver,
        serverWindowBits: windowBits,
        clientWindowBits: windowBits,
      };
      const messages = Array.from({ length: 12 }, () => drawMessage(random));
      const port = new MemoryPort(streams.slab);
      const deflater = new MessageDeflater(streams, agreement, options);
      const encoder = new FrameEncoder(streams.slab);
      const reader = new DeflatePeer({ takesOver, windowBits });
      for (const message of messages) {
        const opcode = typeof message === 'string' ? 1 : 2;
        deflater.write(port, encoder, opcode, message);
        const { first, payload } = readFrame(port.take());
        expect(first & 0xbf).toBe(0x80 | opcode);
        const isCompressed = (first & 0x40) !== 0;
        expect(isCompressed || !takesOver, `seed ${SEED}`).toBe(true);
        const data = isCompressed ? reader.inflate(payload) : payload;
        expect(data.equals(Buffer.from(message)), `seed ${SEED}, level ${options.level}`).toBe(
          true,
        );
        // With nothing taken over, what does not shrink goes as it is.
        if (!takesOver && isCompressed) expect(payload.length).toBeLessThan(data.length);
      }
      deflater.end();
      const writer = new DeflatePeer({ takesOver, windowBits });
      const frames = messages.map((message) =>
        clientFrame({
          rsv: COMPRESSED,
          opcode: typeof message === 'string' ? 1 : 2,
          payload: writer.compress(message),
        }),
      );
      // node:zlib compresses 2^8 as 2^9.
      const clientWindowBits = Math.max(windowBits, 9);
      const { events } = parseCompressed(frames, {
        agreement: { ...agreement, clientWindowBits },
      });
      const expected = messages.map((message) =>
        typeof message === 'string' ? `text ${message}` : `binary ${message.toString('hex')}`,
      );
      expect(events).toEqual(expected);
    }
    streams.close();
  });
});

// zlib compresses 2^8 with a window of 2^9, but looks back 250 bytes at most. With room for one byte the
// reader has to find every reference in its window, where nothing older than 256 bytes is.
test('a window of 2^8 is kept to', () => {
  const random = seededRandom(SEED);
  const streams = testStreams();
  for (let level = 1; level <= 9; level++) {
    const writer = codec.openDeflater(8, level, 8);
    const reader = codec.openInflater(8);
    for (let round = 0; round < 10; round++) {
      const data = Buffer.alloc(1500);
      for (let i = 0; i < data.length; i++) {
        const back = 230 + Math.floor(random() * 40);
        const isNew = i < back || random() < 0.05;
        data[i] = isNew ? Math.floor(random() * 256) : (data[i - back] ?? 0);
      }
      const out = Buffer.alloc(deflateBound(data.length));
      const frame = out.subarray(0, streams.deflate(writer, 2, data, data.length, false, out, 0));
      expect(inflateByteByByte(reader, readFrame(frame).payload).equals(data), `${level}`).toBe(
        true,
      );
    }
    codec.closeDeflater(writer);
    codec.closeInflater(reader);
  }
});

function inflateByteByByte(stream: number, payload: Buffer): Buffer {
  const { words } = codec;
  const out = Buffer.alloc(8192);
  words.fill(0);
  words[WORD_END] = payload.length;
  words[WORD_FLAGS] = INFLATE_BEGIN | INFLATE_LAST;
  for (let at = 0; ; at++) {
    words[WORD_OUT_START] = at;
    words[WORD_OUT_END] = at + 1;
    const status = codec.inflate(stream, payload, out);
    if (status !== INFLATE_FULL) {
      expect(status).toBe(INFLATE_DONE);
      return out.subarray(0, at + (words[WORD_PRODUCED] ?? 0));
    }
    words[WORD_START] = (words[WORD_START] ?? 0) + (words[WORD_CONSUMED] ?? 0);
    words[WORD_FLAGS] = INFLATE_LAST;
  }
}

test('without memory or after the end a message goes as it is', () => {
  const streams = testStreams();
  const port = new MemoryPort(streams.slab);
  const encoder = new FrameEncoder(streams.slab);
  const options = resolveDeflate({ shared: false });
  if (options === undefined) throw new Error('no options');
  const own = new MessageDeflater(streams, AGREEMENT, options);
  own.end();
  own.write(port, encoder, 1, 'hello');
  const shared = new MessageDeflater(
    streams,
    { ...AGREEMENT, serverNoContextTakeover: true },
    options,
  );
  streams.close();
  shared.write(port, encoder, 2, Buffer.from('hello'));
  expect(port.take().toString('latin1')).toBe('\x81\x05hello\x82\x05hello');
});

test('the bound is enough for noise of every length', () => {
  const random = seededRandom(SEED);
  for (const [bits, memLevel] of [
    [8, 1],
    [15, 1],
    [15, 9],
  ] as const) {
    const stream = codec.openDeflater(bits, 1, memLevel);
    const streams = testStreams();
    for (let length = 1; length < 70_000; length += 1 + Math.floor(random() * 2500)) {
      const noise = Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
      const out = Buffer.alloc(deflateBound(length));
      expect(streams.deflate(stream, 2, noise, length, false, out, 0)).toBeGreaterThan(length);
    }
    codec.closeDeflater(stream);
    streams.close();
  }
});

test.each(['terminate', 'exit'])('a worker thread that ends by %s leaves nothing', async (way) => {
  const script = fileURLToPath(new URL('../support/children/codec-workers.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, way], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += String(bytes);
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  expect(JSON.parse(output)).toEqual({ during: 12, after: 0, bytes: 0 });
});
