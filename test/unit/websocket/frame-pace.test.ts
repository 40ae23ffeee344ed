// A frame that was begun must move on, however the peer keeps the connection from being silent.

import { expect, test } from 'vitest';
import { FRAME_PROGRESS_BYTES } from '../../../lib/websocket/frame-pace.ts';
import { SessionRig } from '../../support/session-rig.ts';
import { clientFrame } from '../../support/websocket-frames.ts';

const GIVEN_UP = ['send close 1008 The frame does not move on.', 'port.close'];
/** Looks are taken in halves of the idle time; twice that time is given, from the first look on. */
const LOOKS = 5;

function opened(): SessionRig {
  const rig = new SessionRig({ messageBytesMax: 1_000_000 });
  rig.session.open();
  rig.take();
  return rig;
}

/** Feeds a piece before each look. @returns the looks until it was given up, or undefined */
function looksUntilGivenUp(rig: SessionRig, pieces: readonly Buffer[]): number | undefined {
  for (const [index, piece] of pieces.entries()) {
    rig.feed(piece);
    rig.session.deadline();
    if (rig.take().includes(GIVEN_UP[0] ?? '')) return index + 1;
  }
  return undefined;
}

const bytesOf = (frame: Buffer, size: number, count: number, start = 0): Buffer[] =>
  Array.from({ length: count }, (_, i) => frame.subarray(start + i * size, start + (i + 1) * size));

test.each([
  ['in the header', clientFrame({ payload: 'x'.repeat(70_000) }), 0],
  ['in the payload', clientFrame({ payload: 'x'.repeat(300) }), 20],
  ['in the payload of a control frame', clientFrame({ opcode: 9, payload: 'x'.repeat(100) }), 8],
])('a byte at each look %s is not enough', (_where, frame, start) => {
  const rig = opened();
  rig.feed(frame.subarray(0, start));
  expect(looksUntilGivenUp(rig, bytesOf(frame, 1, 8, start))).toBe(LOOKS);
});

test('a frame that moves on may take as long as it likes', () => {
  const rig = opened();
  const frame = clientFrame({ payload: 'x'.repeat(FRAME_PROGRESS_BYTES * 12) });
  rig.feed(frame.subarray(0, 100));
  const pieces = bytesOf(frame, FRAME_PROGRESS_BYTES / 3, 30, 100);
  expect(looksUntilGivenUp(rig, pieces)).toBeUndefined();
});

test('a frame is given up for less than its progress, and not for exactly that', () => {
  const rig = opened();
  const frame = clientFrame({ payload: 'x'.repeat(FRAME_PROGRESS_BYTES * 4) });
  rig.feed(frame.subarray(0, 100));
  const quiet = Buffer.alloc(0);
  const short = frame.subarray(100, 100 + FRAME_PROGRESS_BYTES - 1);
  expect(looksUntilGivenUp(rig, [quiet, short, quiet])).toBeUndefined();
  const last = frame.subarray(100 + FRAME_PROGRESS_BYTES - 1, 100 + FRAME_PROGRESS_BYTES);
  expect(looksUntilGivenUp(rig, [last, quiet, quiet])).toBeUndefined();
});

test('many frames that are each cut at a look are no slow frame', () => {
  const rig = opened();
  const frame = clientFrame({ payload: 'hello' });
  const pieces = [frame.subarray(0, 4)];
  for (let i = 0; i < 12; i++) {
    pieces.push(Buffer.concat([frame.subarray(4), frame, frame.subarray(0, 4)]));
  }
  expect(looksUntilGivenUp(rig, pieces)).toBeUndefined();
  expect(rig.session.state).toBe('open');
});

test('a slow message of whole fragments is a message', () => {
  const rig = opened();
  const pieces = [clientFrame({ payload: 'a', fin: false })];
  for (let i = 0; i < 12; i++) pieces.push(clientFrame({ opcode: 0, payload: 'b', fin: false }));
  expect(looksUntilGivenUp(rig, pieces)).toBeUndefined();
});

test('while we do not read, the peer cannot be slow', () => {
  const rig = opened();
  rig.feed(clientFrame({ payload: 'hello' }).subarray(0, 4));
  rig.session.deadline();
  rig.session.pause();
  for (let i = 0; i < 12; i++) rig.session.deadline();
  expect(rig.session.state).toBe('open');
  rig.session.resume();
  rig.feed(clientFrame({ payload: 'hello' }).subarray(4));
  expect(rig.take()).toContain('text hello');
});
