// Random frames, right and wrong, cut at random places: the parser must say exactly what a decoder by
// the book says of the whole input, and a session must survive whatever it is fed.
// Kept inputs (test/fuzz/corpus/websocket, in hex) go first, cut at every byte; seeds that fail are added.
// SLUICE_FUZZ_SEED and SLUICE_FUZZ_CASES repeat or lengthen a run.

import { expect, test } from 'vitest';
import { FrameParser } from '../../lib/websocket/frame-parser.ts';
import type { PieceSink } from '../../lib/websocket/message-pieces.ts';
import { Unmasker } from '../../lib/websocket/unmask.ts';
import { cutRandomly, seededRandom } from '../support/chunkings.ts';
import { FrameRecorder, parsePieces } from '../support/frame-recorder.ts';
import { decodeByTheBook } from '../support/reference-decoder.ts';
import { SessionRig } from '../support/session-rig.ts';
import { clientFrame, type FrameShape } from '../support/websocket-frames.ts';
import { fuzzCases } from './cases.ts';
import { keepIfItFails, readCorpus } from './corpus.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = fuzzCases('websocket');
const SESSION_SHARE = 0.2;
const MESSAGE_BYTES_MAX = 600;
const FRAMES_MAX = 12;

type Random = () => number;

/** How often a case does each thing: drawn anew per case, so that some cases do one thing only. */
interface Swarm {
  readonly fragments: number;
  readonly control: number;
  readonly wrong: number;
  readonly long: number;
  readonly nonAscii: number;
  readonly flips: number;
}

const WORDS = ['a', 'hello', ' ', 'ß', '世界', '😀', '\u0000', 'x'.repeat(40)];
const WRONG_UTF8 = ['ff', 'c080', 'eda080', 'f4908080', 'e282', '80', 'f09f98'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

function drawSwarm(random: Random): Swarm {
  const share = (): number => (random() < 0.5 ? 0 : random());
  return {
    fragments: share(),
    control: share(),
    wrong: share() * 0.2,
    long: share() * 0.5,
    nonAscii: share(),
    flips: random() < 0.15 ? 1 : 0,
  };
}

function pick<T>(random: Random, from: readonly T[], otherwise: T): T {
  return from[Math.floor(random() * from.length)] ?? otherwise;
}

function drawPayload(random: Random, swarm: Swarm): Buffer {
  const parts: Buffer[] = [];
  const words = random() < swarm.nonAscii ? WORDS : WORDS.slice(0, 3);
  const count = Math.floor(random() * (random() < swarm.long ? 20 : 4));
  for (let i = 0; i < count; i++) parts.push(Buffer.from(pick(random, words, '')));
  if (random() < swarm.wrong) parts.push(pick(random, WRONG_UTF8, Buffer.of()));
  return Buffer.concat(parts);
}

function drawFrame(
  random: Random,
  swarm: Swarm,
  isInMessage: boolean,
): { bytes: Buffer; isInMessage: boolean } {
  const mask = [random(), random(), random(), random()].map((value) => Math.floor(value * 256));
  const [m0 = 0, m1 = 0, m2 = 0, m3 = 0] = mask;
  const isWrong = random() < swarm.wrong;
  if (random() < swarm.control * 0.6) {
    const opcode = random() < 0.04 ? 8 : random() < 0.5 ? 9 : 10;
    const code = pick(random, [1000, 1001, 1005, 3000, 2000], 1000);
    const reason = drawPayload(random, swarm).subarray(0, 100);
    const payload =
      opcode === 8 ? Buffer.concat([Buffer.of(code >> 8, code & 255), reason]) : reason;
    const fin = !(isWrong && random() < 0.5);
    return { bytes: clientFrame({ opcode, payload, fin, mask: [m0, m1, m2, m3] }), isInMessage };
  }
  const fin = random() >= swarm.fragments;
  let opcode = isInMessage ? 0 : random() < 0.7 ? 1 : 2;
  if (isWrong && random() < 0.3) opcode = Math.floor(random() * 16);
  const payload = drawPayload(random, swarm);
  const shape = {
    fin,
    opcode,
    payload,
    rsv: isWrong && random() < 0.2 ? Math.floor(random() * 8) : 0,
    mask: isWrong && random() < 0.2 ? (false as const) : ([m0, m1, m2, m3] as const),
    ...(isWrong ? drawWrongLength(random) : {}),
  };
  return { bytes: clientFrame(shape), isInMessage: !fin };
}

function drawWrongLength(random: Random): Pick<FrameShape, 'lengthForm' | 'announced'> {
  const choice = random();
  if (choice < 0.2) return { lengthForm: pick(random, [16, 64] as const, 16) };
  if (choice < 0.3) return { announced: BigInt(Math.floor(random() * 2 ** 48)) };
  return choice < 0.35 ? { announced: 2n ** 63n } : {};
}

function drawInput(random: Random): Buffer {
  const swarm = drawSwarm(random);
  const frames: Buffer[] = [];
  let isInMessage = false;
  const count = 1 + Math.floor(random() * FRAMES_MAX);
  for (let i = 0; i < count; i++) {
    const frame = drawFrame(random, swarm, isInMessage);
    isInMessage = frame.isInMessage;
    frames.push(frame.bytes);
  }
  const input = Buffer.concat(frames);
  for (let i = 0; i < swarm.flips * 3; i++) {
    const place = Math.floor(random() * input.length);
    input[place] = Math.floor(random() * 256);
  }
  return random() < 0.2 ? input.subarray(0, Math.floor(random() * input.length)) : input;
}

/** In these pieces, against the whole by the book. */
function compare(input: Buffer, pieces: readonly Buffer[], name: string): void {
  const expected = decodeByTheBook(input, MESSAGE_BYTES_MAX);
  const { events } = parsePieces(pieces, MESSAGE_BYTES_MAX);
  if (events.length === expected.length && events.every((event, k) => event === expected[k]))
    return;
  const cuts = pieces.map((piece) => piece.length).join(',');
  expect(events, `${name}, input ${input.toString('hex')}, cuts ${cuts}`).toEqual(expected);
}

function runSeed(seed: number): void {
  const random = seededRandom(seed);
  const input = drawInput(random);
  const pieces = random() < 0.3 ? [input] : cutRandomly(input, random);
  compare(input, pieces, `seed ${seed}`);
}

test('the parser agrees with the book on every kept input, wherever it is cut', () => {
  const { inputs, seeds } = readCorpus('websocket');
  expect(inputs.length).toBeGreaterThan(30);
  for (const hex of inputs) {
    const input = Buffer.from(hex, 'hex');
    const bytes = [...input].map((byte) => Buffer.of(byte));
    compare(Buffer.from(input), bytes, 'byte by byte');
    for (let cut = 0; cut < input.length; cut++) {
      const pieces = [input.subarray(0, cut), input.subarray(cut)].map((piece) =>
        Buffer.from(piece),
      );
      compare(Buffer.from(input), pieces, 'kept');
    }
  }
  for (const seed of seeds) runSeed(seed);
});

test(`the parser agrees with the book (seed ${SEED}, ${CASES} cases)`, () => {
  for (let i = 0; i < CASES; i++) keepIfItFails('websocket', SEED + i, () => runSeed(SEED + i));
});

/** Puts the pieces of streamed messages together, as the messages that they are. */
function joinPieces(events: string[]): PieceSink {
  let pieces: string[] = [];
  let isBinary = false;
  return {
    onMessageStart(binary) {
      pieces = [];
      isBinary = binary;
    },
    onTextPiece(text) {
      const isCut = /[\ud800-\udbff]$|^[\udc00-\udfff]/.test(text) || text === '';
      pieces.push(isCut ? 'a piece that is not whole characters' : text);
    },
    onBinaryPiece: (data) => pieces.push(data.toString('hex')),
    onMessageEnd: () => events.push(`${isBinary ? 'binary' : 'text'} ${pieces.join('')}`),
  };
}

test(`messages in pieces are those of the book (seed ${SEED})`, () => {
  for (let i = 0; i < CASES * SESSION_SHARE; i++) {
    const random = seededRandom(SEED + i);
    const input = drawInput(random);
    const recorder = new FrameRecorder();
    const pieces = joinPieces(recorder.events);
    const parser = new FrameParser(recorder, MESSAGE_BYTES_MAX, new Unmasker(), { pieces });
    for (const piece of cutRandomly(input, random)) parser.push(piece, 0, piece.length);
    const expected = decodeByTheBook(
      Buffer.from(drawInput(seededRandom(SEED + i))),
      MESSAGE_BYTES_MAX,
    );
    expect(recorder.events, `seed ${SEED + i}`).toEqual(expected);
  }
});

test(`a session survives anything and closes once (seed ${SEED})`, () => {
  for (let i = 0; i < CASES * SESSION_SHARE; i++) {
    const random = seededRandom(SEED + i);
    const rig = new SessionRig({ messageBytesMax: MESSAGE_BYTES_MAX });
    rig.session.open();
    rig.react = () => actAtRandom(rig, random);
    for (const piece of cutRandomly(drawInput(random), random)) rig.feed(piece);
    rig.session.gone();
    const closes = rig.log.filter((line) => line.startsWith('closed'));
    const sent = rig.log.filter((line) => line.startsWith('send close'));
    const isSound = closes.length === 1 && sent.length <= 1 && rig.log.at(-1) === closes[0];
    if (!isSound) expect.unreachable(`seed ${SEED + i}: ${rig.log.join(' | ')}`);
    const afterClose = rig.log.slice(rig.log.indexOf(sent[0] ?? 'none') + 1);
    if (sent.length === 1 && afterClose.some((line) => /^(send|text|binary)/.test(line))) {
      expect.unreachable(`seed ${SEED + i}: ${rig.log.join(' | ')}`);
    }
  }
});

function actAtRandom(rig: SessionRig, random: Random): void {
  const choice = random();
  if (choice < 0.05) throw new Error('a handler of the fuzz test');
  if (choice < 0.1) rig.session.close(4000);
  else if (choice < 0.15) rig.session.terminate();
  else if (choice < 0.25) rig.session.pause();
  else if (choice < 0.35) rig.session.resume();
  else if (choice < 0.4) rig.session.deadline();
}
