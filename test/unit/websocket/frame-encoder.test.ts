// Frames that the server writes: lengths, close payloads, and runs of small texts.

import { describe, expect, test } from 'vitest';
import {
  encodeClosePayload,
  encodeFrame,
  FrameEncoder,
  RESERVE_BYTES_MAX,
  SHORT_TEXT_LENGTH_MAX,
} from '../../../lib/websocket/frame-encoder.ts';
import {
  fitsRun,
  OutgoingRun,
  RUN_LENGTH_MAX,
  RUN_MESSAGES_MAX,
  RUN_TEXT_LENGTH_MAX,
} from '../../../lib/websocket/outgoing-run.ts';
import { OPCODE } from '../../../lib/websocket/protocol.ts';
import { type MemoryConnection, MemoryLoop } from '../../support/memory-transport.ts';
import { describeServerFrames, readServerFrames } from '../../support/websocket-frames.ts';

function rig(): { encoder: FrameEncoder; connection: MemoryConnection } {
  const loop = new MemoryLoop();
  return { encoder: new FrameEncoder(loop.sendSlab), connection: loop.connect() };
}

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, RESERVE_BYTES_MAX + 1, 5_000_000];

describe('frames', () => {
  test.each(LENGTHS)('a text of %i bytes', (length) => {
    const { encoder, connection } = rig();
    const text = 'x'.repeat(length);
    expect(encoder.text(connection, text)).toBe(0);
    expect(connection.output.equals(encodeFrame(OPCODE.text, text))).toBe(true);
    expect(readServerFrames(connection.output)[0]?.payload.length).toBe(length);
  });

  test.each(LENGTHS)('binary of %i bytes', (length) => {
    const { encoder, connection } = rig();
    encoder.bytes(connection, OPCODE.binary, Buffer.alloc(length, 7));
    const [frame] = readServerFrames(connection.output);
    expect(frame?.opcode).toBe(2);
    expect(frame?.payload.equals(Buffer.alloc(length, 7))).toBe(true);
  });

  test('text is UTF-8, with its length in bytes', () => {
    const { encoder, connection } = rig();
    encoder.text(connection, '世'.repeat(50));
    expect(connection.output.subarray(0, 4).toString('hex')).toBe('817e0096');
    expect(describeServerFrames(connection.output)).toEqual([`text ${'世'.repeat(50)}`]);
  });

  test.each([
    '',
    'a',
    'x'.repeat(SHORT_TEXT_LENGTH_MAX),
    `${'x'.repeat(SHORT_TEXT_LENGTH_MAX - 1)}\x7f`,
    `${'x'.repeat(SHORT_TEXT_LENGTH_MAX - 1)}\x80`,
    'é'.repeat(SHORT_TEXT_LENGTH_MAX),
    '世'.repeat(SHORT_TEXT_LENGTH_MAX),
    'ok 😀',
    'half \ud83d',
    `${'x'.repeat(20)}${'y'.repeat(20)}`.slice(3),
  ])('a short text is the same frame as any other: %j', (text) => {
    const { encoder, connection } = rig();
    expect(encoder.shortText(connection, text)).toBe(0);
    expect(encoder.shortText(connection, 'next')).toBe(0);
    const frames = [encodeFrame(OPCODE.text, text), encodeFrame(OPCODE.text, 'next')];
    expect(connection.output.equals(Buffer.concat(frames))).toBe(true);
  });

  test('the 64-bit form goes beyond 32 bits', () => {
    const frame = encodeFrame(OPCODE.binary, Buffer.alloc(70_000));
    expect(frame.subarray(0, 10).toString('hex')).toBe('827f0000000000011170');
  });

  test('a closed connection answers a negative errno', () => {
    const { encoder, connection } = rig();
    connection.reset();
    expect(encoder.text(connection, 'a')).toBeLessThan(0);
    expect(encoder.shortText(connection, 'a')).toBeLessThan(0);
    expect(encoder.bytes(connection, OPCODE.binary, Buffer.alloc(100_000))).toBeLessThan(0);
  });
});

test.each([
  [1000, '', '03e8'],
  [1001, 'bye', '03e9627965'],
  [1005, '', ''],
  [4999, 'é', '1387c3a9'],
])('close payload %i %j', (code, reason, hex) => {
  expect(encodeClosePayload(code, reason).toString('hex')).toBe(hex);
});

describe('runs', () => {
  function send(texts: readonly string[]): MemoryConnection {
    const { encoder, connection } = rig();
    const run = new OutgoingRun();
    for (const text of texts) run.add(text);
    run.flush(connection, encoder);
    expect(run.length).toBe(0);
    run.flush(connection, encoder);
    return connection;
  }

  const rows: readonly (readonly string[])[] = [
    ['a'],
    ['', 'a', '', 'b'],
    ['x'.repeat(125), 'y'.repeat(124)],
    ['\u0000\u007f', '\u0080', 'ÿ', 'Ā', '世界', '😀', '\u0081\u0005hello'],
    ['é'.repeat(125), 'ascii', '世'.repeat(125)],
  ];
  test.each(rows)('%j, %j, …', (...texts) => {
    const connection = send(texts);
    expect(describeServerFrames(connection.output)).toEqual(texts.map((text) => `text ${text}`));
  });

  test('ASCII is written with one call, others one by one', () => {
    expect(send(['a', 'b', 'c']).writeCount).toBe(1);
    expect(send(['a', 'ü', 'c']).writeCount).toBe(3);
  });

  test('a lone surrogate becomes U+FFFD, as in any UTF-8 encoder', () => {
    expect(describeServerFrames(send(['a\ud800b', 'c']).output)).toEqual([
      'text a\ufffdb',
      'text c',
    ]);
  });

  test('says when it is full', () => {
    const byCount = new OutgoingRun();
    for (let i = 0; i < RUN_MESSAGES_MAX - 1; i++) expect(byCount.add('')).toBe(false);
    expect(byCount.add('')).toBe(true);
    const byLength = new OutgoingRun();
    const text = 'x'.repeat(RUN_TEXT_LENGTH_MAX);
    while (byLength.length + text.length + 2 < RUN_LENGTH_MAX) {
      expect(byLength.add(text)).toBe(false);
    }
    expect(byLength.add(text)).toBe(true);
  });

  test('takes texts with the short header only', () => {
    expect(fitsRun('x'.repeat(RUN_TEXT_LENGTH_MAX))).toBe(true);
    expect(fitsRun('x'.repeat(RUN_TEXT_LENGTH_MAX + 1))).toBe(false);
  });
});
