// Compressed messages that were damaged: whatever the bytes are, the parser gives an answer, the same one
// for every cut; what it delivers is what node:zlib makes of it; and no memory is left.
// SLUICE_FUZZ_SEED and SLUICE_FUZZ_CASES repeat or lengthen a run. The kept inputs are run every time.

import { readFileSync } from 'node:fs';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { cutRandomly, seededRandom } from '../support/chunkings.ts';
import { COMPRESSED, type InflateRig, parseCompressed } from '../support/deflate-frames.ts';
import { clientFrame } from '../support/websocket-frames.ts';
import { fuzzCases } from './cases.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = fuzzCases('deflate');
const MESSAGE_BYTES_MAX = 3000;
const DAMAGES_MAX = 4;

interface KeptInput {
  readonly name: string;
  /** The payload of one compressed message. */
  readonly hex: string;
  readonly binary: string;
  readonly text: string;
}

const KEPT = JSON.parse(
  readFileSync(new URL('corpus/deflate.json', import.meta.url), 'utf8'),
) as readonly KeptInput[];

const { deflate: codec } = loadCodec();
type Random = () => number;

afterEach(() => {
  expect([codec.liveStreams(), codec.liveBytes()]).toEqual([0, 0]);
});

const below = (random: Random, bound: number): number => Math.floor(random() * bound);

function drawPayload(random: Random): Buffer {
  if (random() < 0.3) return Buffer.from(KEPT[below(random, KEPT.length)]?.hex ?? '', 'hex');
  if (random() < 0.1)
    return Buffer.from(Array.from({ length: below(random, 40) }, () => below(random, 256)));
  const words = ['hello ', 'ß', '世界', '😀', '\u0000', 'x'.repeat(300)];
  let text = '';
  for (let i = below(random, 12); i >= 0; i--) text += words[below(random, words.length)];
  const level = below(random, 10);
  const strategy = below(random, 5);
  const data = Buffer.from(text.repeat(1 + below(random, 4)));
  const finishFlush = random() < 0.8 ? constants.Z_SYNC_FLUSH : constants.Z_FINISH;
  const compressed = deflateRawSync(data, { level, strategy, finishFlush });
  if (finishFlush === constants.Z_FINISH) return Buffer.concat([compressed, Buffer.of(0)]);
  return compressed.subarray(0, -4);
}

function damage(random: Random, payload: Buffer): Buffer {
  let bytes = payload;
  for (let i = below(random, DAMAGES_MAX); i > 0; i--) {
    const at = below(random, bytes.length + 1);
    const end = at + below(random, Math.min(8, bytes.length - at + 1));
    switch (below(random, 5)) {
      case 0:
        bytes = Buffer.from(bytes);
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
        break;
      case 1:
        bytes = bytes.subarray(0, at);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), drawPayload(random), bytes.subarray(at)]);
    }
  }
  return bytes;
}

/** What node:zlib reads of a payload; undefined when it finds a fault. It stops at a last block. */
function oracle(payload: Buffer): Buffer | undefined {
  try {
    return inflateRawSync(Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff)]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: 16 * 1024 * 1024,
    });
  } catch (error) {
    expect(error).toHaveProperty('code');
    return undefined;
  }
}

/** The events, without which of several faults in the bytes was met first. */
function outcome(events: readonly string[]): string[] {
  return events.map((event) => (/^ERR_WS_(DEFLATE|TOO_BIG|UTF8) /.test(event) ? 'fault' : event));
}

function checkCase(random: Random): void {
  const payload = damage(random, drawPayload(random));
  const isText = random() < 0.5;
  const frame = clientFrame({ opcode: isText ? 1 : 2, rsv: COMPRESSED, payload });
  const rig: InflateRig = {
    messageBytesMax: MESSAGE_BYTES_MAX,
    agreement: { clientNoContextTakeover: random() < 0.5 },
  };
  const whole = parseCompressed([frame], rig).events;
  const cut = parseCompressed(cutRandomly(frame, random), rig).events;
  expect(outcome(cut)).toEqual(outcome(whole));
  expect(whole.length).toBe(1);
  const [event = ''] = whole;
  if (event.startsWith('ERR_')) return;
  const data = isText ? Buffer.from(event.slice(5)) : Buffer.from(event.slice(7), 'hex');
  expect(data.length).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  const read = oracle(payload);
  expect(read?.equals(data.subarray(0, read.length))).toBe(true);
}

test(`damaged messages, ${CASES} cases, seed ${SEED}`, () => {
  for (let i = 0; i < CASES; i++) {
    const seed = (SEED + i) >>> 0;
    try {
      checkCase(seededRandom(seed));
    } catch (error) {
      if (error instanceof Error) error.message = `[seed ${seed}] ${error.message}`;
      throw error;
    }
  }
});

test.each(KEPT)('kept: $name', ({ hex, binary, text }) => {
  const payload = Buffer.from(hex, 'hex');
  for (const [opcode, expected] of [
    [2, binary],
    [1, text],
  ] as const) {
    const frame = clientFrame({ opcode, rsv: COMPRESSED, payload });
    const rig = { messageBytesMax: MESSAGE_BYTES_MAX };
    const pieces = Array.from(frame, (_, i) => frame.subarray(i, i + 1));
    expect(parseCompressed([frame], rig).events).toEqual([expected]);
    expect(outcome(parseCompressed(pieces, rig).events)).toEqual(outcome([expected]));
  }
});
