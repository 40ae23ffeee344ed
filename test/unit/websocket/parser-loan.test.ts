// One parser for many sessions: what is cut stays with the session that it was cut on.

import { expect, test } from 'vitest';
import { ParserLoan } from '../../../lib/websocket/parser-loan.ts';
import { Unmasker } from '../../../lib/websocket/unmask.ts';
import { FrameRecorder } from '../../support/frame-recorder.ts';
import { settle } from '../../support/memory-transport.ts';
import { SessionRig } from '../../support/session-rig.ts';
import { clientClose, clientFrame } from '../../support/websocket-frames.ts';

/** Open sessions with parsers of one loan. */
function openRigs(count: number): SessionRig[] {
  const parsers = new ParserLoan(new Unmasker());
  return Array.from({ length: count }, () => {
    const rig = new SessionRig({}, parsers);
    rig.session.open();
    rig.take();
    return rig;
  });
}

const MESSAGE = clientFrame({ payload: 'a message of some size' });
const FRAGMENTS = [
  clientFrame({ fin: false, payload: 'a mess' }),
  clientFrame({ opcode: 9, payload: 'p' }),
  clientFrame({ opcode: 0, payload: 'age of some size' }),
];

test('a parser that is free is lent again, one that is cut is not', () => {
  const loan = new ParserLoan(new Unmasker());
  const first = loan.lend(new FrameRecorder(), 100);
  first.push(Buffer.from(MESSAGE), 0, 4);
  expect(first.isFree).toBe(false);
  const second = loan.lend(new FrameRecorder(), 100);
  expect(second).not.toBe(first);
  loan.takeBack(second);
  expect(loan.lend(new FrameRecorder(), 100)).toBe(second);
});

test('a message cut at any place survives the messages of others', () => {
  for (let cut = 1; cut < MESSAGE.length; cut++) {
    const [between, ...rigs] = openRigs(4);
    for (const rig of rigs) rig.feed(MESSAGE.subarray(0, cut));
    between?.feed(MESSAGE);
    for (const rig of rigs) rig.feed(MESSAGE.subarray(cut));
    for (const rig of rigs)
      expect(rig.take(), `cut at ${cut}`).toEqual(['text a message of some size']);
  }
});

test('fragments of several sessions that come in turn are kept apart', () => {
  const rigs = openRigs(3);
  for (const fragment of FRAGMENTS) for (const rig of rigs) rig.feed(fragment);
  for (const rig of rigs) {
    expect(rig.take()).toEqual(['send pong p', 'ping p', 'text a message of some size']);
  }
});

test("each session has its own route's bound on the parser that they share", () => {
  const parsers = new ParserLoan(new Unmasker());
  const narrow = new SessionRig({ messageBytesMax: 5 }, parsers);
  const wide = new SessionRig({ messageBytesMax: 50 }, parsers);
  for (const rig of [narrow, wide]) rig.session.open();
  wide.feed(MESSAGE);
  narrow.feed(MESSAGE);
  wide.feed(MESSAGE);
  expect(wide.take().filter((line) => line.startsWith('text'))).toHaveLength(2);
  expect(narrow.take()).toContainEqual(expect.stringContaining('send close 1009'));
});

test('a session that ended, failed or was left in a throw gives no parser back', () => {
  const [closed, failed, thrown, last] = openRigs(4) as [
    SessionRig,
    SessionRig,
    SessionRig,
    SessionRig,
  ];
  closed.feed(clientClose(1000));
  failed.feed(Buffer.from('ff', 'hex'));
  thrown.react = () => {
    throw new Error('mine');
  };
  thrown.feed(MESSAGE);
  for (const rig of [closed, failed, thrown]) rig.take();
  last.feed(MESSAGE);
  for (const rig of [closed, failed, thrown]) {
    rig.feed(MESSAGE);
    expect(rig.take()).toEqual([]);
  }
  expect(last.take()).toEqual(['text a message of some size']);
});

test('a session that is paused holds its bytes while others use the parser', async () => {
  const [paused, other] = openRigs(2) as [SessionRig, SessionRig];
  paused.react = () => paused.session.pause();
  paused.feed(MESSAGE, MESSAGE.subarray(0, 7));
  paused.feed(MESSAGE.subarray(7));
  other.feed(MESSAGE);
  expect(other.take()).toEqual(['text a message of some size']);
  paused.react = () => undefined;
  paused.session.resume();
  await settle();
  expect(paused.take().filter((line) => line.startsWith('text'))).toHaveLength(2);
});
