// The small tools of the codec: masks, incremental UTF-8, the message buffer.

import { MessageChannel } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  Copies,
  CopyPool,
  POOLED_BYTES_MAX,
  SMALL_BYTES_MAX,
} from '../../../lib/websocket/copy-pool.ts';
import { BufferView } from '../../../lib/websocket/fast-buffer.ts';
import { restoreRun, scanRun } from '../../../lib/websocket/frame-run.ts';
import { MessageBuffer } from '../../../lib/websocket/message-buffer.ts';
import {
  rotateMask,
  SCAN_NATIVE_BYTES_MIN,
  UNMASK_NATIVE_BYTES_MIN,
  Unmasker,
} from '../../../lib/websocket/unmask.ts';
import { Utf8Validator } from '../../../lib/websocket/utf8-validator.ts';
import { forEveryCut, seededRandom } from '../../support/chunkings.ts';
import { referenceFrames } from '../../support/reference-frames.ts';
import { clientFrame } from '../../support/websocket-frames.ts';

const MASK_BYTES = [0x37, 0xfa, 0x21, 0x9d];
const MASK = Buffer.from(MASK_BYTES).readInt32LE(0);

function naive(bytes: Buffer, start: number, end: number, phase = 0): Buffer {
  return Buffer.from(
    bytes.map((byte, i) =>
      i < start || i >= end ? byte : byte ^ (MASK_BYTES[(i - start + phase) & 3] ?? 0),
    ),
  );
}

describe('unmask', () => {
  test('equals the byte-by-byte definition for every length and place', () => {
    const random = seededRandom(7);
    const unmasker = new Unmasker();
    for (let length = 0; length < 70; length++) {
      for (let start = 0; start < 8; start++) {
        const bytes = Buffer.from(
          Array.from({ length: length + 16 }, () => Math.floor(random() * 256)),
        );
        const expected = naive(bytes, start, start + length);
        const high = unmasker.unmask(bytes, start, start + length, MASK);
        expect(bytes.equals(expected)).toBe(true);
        const isAscii = expected.subarray(start, start + length).every((byte) => byte < 0x80);
        expect(high === 0).toBe(isAscii);
      }
    }
  });

  test.each([0, 1, 2, 3, 4, 7])('a mask rotated by %i continues in the middle', (position) => {
    const bytes = Buffer.from('some payload that is cut');
    const expected = naive(bytes, 0, bytes.length, position);
    new Unmasker().unmask(bytes, 0, bytes.length, rotateMask(MASK, position));
    expect(bytes.equals(expected)).toBe(true);
  });

  test('goes to the native routine from its threshold on', () => {
    const calls: number[] = [];
    const unmasker = new Unmasker({
      ...referenceFrames,
      unmask(_bytes, start, end) {
        calls.push(end - start);
        return true;
      },
    });
    const bytes = Buffer.alloc(200);
    for (const length of [
      UNMASK_NATIVE_BYTES_MIN - 1,
      UNMASK_NATIVE_BYTES_MIN,
      UNMASK_NATIVE_BYTES_MIN + 1,
    ]) {
      unmasker.unmask(bytes, 1, 1 + length, MASK);
    }
    expect(calls).toEqual([UNMASK_NATIVE_BYTES_MIN, UNMASK_NATIVE_BYTES_MIN + 1]);
  });
});

describe('a run of messages', () => {
  const short = ['one', '', 'drei ü', 'x'.repeat(125)].flatMap((payload) => [
    clientFrame({ payload }),
    clientFrame({ payload, opcode: 2 }),
  ]);
  const long = ['x'.repeat(126), 'ü'.repeat(500)].map((payload) => clientFrame({ payload }));

  test.each([
    ['in TypeScript', new Unmasker(), short],
    ['natively', new Unmasker(referenceFrames, 0), [...short, ...long]],
  ])('that was scanned %s and restored scans to the same again', (_name, unmasker, frames) => {
    const run = Buffer.concat(frames);
    expect(scanRun(run, 0, run.length, unmasker)).toBe(run.length);
    const scanned = Buffer.from(run);
    restoreRun(run, 0, run.length);
    expect(scanRun(run, 0, run.length, unmasker)).toBe(run.length);
    for (const each of [run, scanned]) restoreRun(each, 0, each.length);
    expect(run.equals(scanned)).toBe(true);
  });

  test('is scanned natively from the threshold on', () => {
    const calls: number[] = [];
    const unmasker = new Unmasker({
      ...referenceFrames,
      scanFrames(bytes, start, end) {
        calls.push(end - start);
        return referenceFrames.scanFrames(bytes, start, end);
      },
    });
    for (const length of [-1, 0, 1].map((more) => SCAN_NATIVE_BYTES_MIN + more)) {
      const half = Buffer.concat([clientFrame({ payload: 'x'.repeat(74) }), Buffer.alloc(length)]);
      expect(scanRun(half, 0, length, unmasker)).toBe(80);
    }
    expect(calls).toEqual([SCAN_NATIVE_BYTES_MIN, SCAN_NATIVE_BYTES_MIN + 1]);
  });
});

describe('copies that handlers keep', () => {
  test('are Buffers like any other', () => {
    const view = new BufferView(Buffer.from('abcdef').buffer, 0, 0);
    expect(Object.getPrototypeOf(view)).toBe(Buffer.prototype);
    expect(view).toStrictEqual(Buffer.alloc(0));
  });

  test.each([
    [1, 8 * 1024],
    [SMALL_BYTES_MAX, 8 * 1024],
    [SMALL_BYTES_MAX + 1, 32 * 1024],
    [POOLED_BYTES_MAX, 32 * 1024],
    [POOLED_BYTES_MAX + 1, POOLED_BYTES_MAX + 1],
  ])('of %i bytes pin %i bytes and never lie on each other', (length, pinned) => {
    const copies = new Copies();
    const source = Buffer.alloc(length + 3);
    const kept = Array.from({ length: 200 }, (_, i) => copies.of(source.fill(i), 2, 2 + length));
    for (const [i, copy] of kept.entries()) {
      expect(copy.equals(Buffer.alloc(length, i))).toBe(true);
      expect(copy.buffer.byteLength).toBe(pinned);
    }
  });

  // Bug: a message that was handed to a thread took those along that others had kept.
  test.each([1, SMALL_BYTES_MAX + 1])('of %i bytes stay when one is transferred', (length) => {
    const copies = new Copies();
    const source = Buffer.alloc(length, 'x');
    const kept = copies.of(source, 0, length);
    const sent = copies.of(source, 0, length);
    const { port1 } = new MessageChannel();
    try {
      port1.postMessage(sent, [sent.buffer as ArrayBuffer]);
    } catch {
      // Newer versions of Node refuse it, older ones send a copy.
    }
    port1.close();
    expect([kept.length, String(kept)]).toEqual([length, String(source)]);
  });

  test('take as much as fits, and a new block when not even the first one does', () => {
    const pool = new CopyPool(8 * 1024);
    const source = Buffer.alloc(16 * 1024, 7);
    expect(pool.copy(source, 0, 10, 8000)).toBe(0);
    const { memory } = pool;
    expect(pool.copy(source, 0, 192, 4096)).toBe(8000);
    expect([pool.memory === memory, pool.used]).toEqual([true, 8192]);
    expect(pool.copy(source, 5, 6, 7)).toBe(0);
    expect([pool.memory === memory, pool.used]).toEqual([false, 2]);
  });
});

describe('UTF-8 as it arrives', () => {
  const long = '界'.repeat(40) + 'a'.repeat(50);
  test.each([
    '',
    'a',
    'é',
    '界',
    '😀',
    '\u0000',
    '\u07ff\u0800\uffff',
    '\u{10ffff}',
    'a😀b界c',
    long,
  ])('takes %j however it is cut', async (text) => {
    await forEveryCut(Buffer.from(text), (pieces) => {
      const utf8 = new Utf8Validator();
      for (const piece of pieces) expect(utf8.push(piece, 0, piece.length)).toBe(true);
      expect(utf8.isComplete).toBe(true);
    });
  });

  test.each([
    ['a lone continuation', '80', 1],
    ['an overlong of two', 'c0af', 1],
    ['an overlong of two, c1', 'c1bf', 1],
    ['an overlong of three', 'e09f80', 2],
    ['an overlong of four', 'f08fbfbf', 2],
    ['a surrogate', 'eda080', 2],
    ['above U+10FFFF', 'f4908080', 2],
    ['f5', 'f5808080', 1],
    ['ff', 'ff', 1],
    ['a character cut by ASCII', 'e28261', 3],
    ['two starts', 'c3c3', 2],
    ['late', `${'61'.repeat(100)}ff`, 101],
    ['after a long valid text', `${'e7958c'.repeat(40)}e0`.concat('80'), 122],
  ])('refuses %s at its first impossible byte', async (_name, hex, fatal) => {
    const bytes = Buffer.from(hex, 'hex');
    await forEveryCut(bytes, (pieces) => {
      const utf8 = new Utf8Validator();
      let seen = 0;
      let refusedIn: [number, number] | undefined;
      for (const piece of pieces) {
        if (refusedIn === undefined && !utf8.push(piece, 0, piece.length)) {
          refusedIn = [seen, seen + piece.length];
        }
        seen += piece.length;
      }
      expect(refusedIn).toBeDefined();
      expect(refusedIn?.[0]).toBeLessThan(fatal);
      expect(refusedIn?.[1]).toBeGreaterThanOrEqual(fatal);
    });
  });

  test('knows that a character is missing its end, and forgets it', () => {
    const utf8 = new Utf8Validator();
    expect(utf8.push(Buffer.from('f09f98', 'hex'), 0, 3)).toBe(true);
    expect(utf8.isComplete).toBe(false);
    utf8.reset();
    expect(utf8.push(Buffer.from('a'), 0, 1)).toBe(true);
    expect(utf8.isComplete).toBe(true);
  });
});

describe('message buffer', () => {
  test('copies a message a constant number of times', () => {
    const buffer = new MessageBuffer();
    const piece = Buffer.alloc(1000, 'x');
    const places = new Set<ArrayBufferLike>();
    for (let i = 0; i < 4000; i++) {
      buffer.append(piece, 0, piece.length, 4_000_000);
      places.add(buffer.bytes.buffer);
    }
    expect(places.size).toBeLessThan(16);
    expect(buffer.take().equals(Buffer.alloc(4_000_000, 'x'))).toBe(true);
    expect(buffer.length).toBe(0);
  });

  test('never takes more memory than is expected', () => {
    const buffer = new MessageBuffer();
    buffer.append(Buffer.alloc(900), 0, 900, 1000);
    buffer.append(Buffer.alloc(100), 0, 100, 1000);
    expect(buffer.bytes.length).toBe(1000);
  });
});
