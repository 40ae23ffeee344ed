// Compressed messages through the frame parser, by section of RFC 7692, through every cut of the bytes:
// what is accepted, what is refused with which close code, and that nothing of it outgrows its bound.

import { performance } from 'node:perf_hooks';
import { deflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { forEveryCut } from '../support/chunkings.ts';
import {
  COMPRESSED,
  compressedFrame,
  DeflatePeer,
  type InflateRig,
  parseCompressed,
} from '../support/deflate-frames.ts';
import { clientClose, clientFrame } from '../support/websocket-frames.ts';

const { deflate: codec } = loadCodec();

afterEach(() => {
  expect([codec.liveStreams(), codec.liveBytes()]).toEqual([0, 0]);
});

interface Row {
  readonly name: string;
  readonly bytes: readonly Buffer[];
  readonly expect: readonly string[];
  readonly rig?: InflateRig;
}

function check(rows: readonly Row[]): void {
  test.each(rows)('$name', async (row) => {
    await forEveryCut(Buffer.concat(row.bytes), (pieces) => {
      expect(parseCompressed(pieces, row.rig).events).toEqual(row.expect);
    });
  });
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** A compressed message whose payload is given in hex. */
const raw = (text: string, shape = {}): Buffer =>
  clientFrame({ rsv: COMPRESSED, payload: hex(text), ...shape });
const binary = (text: string, shape = {}): Buffer => raw(text, { opcode: 2, ...shape });
const part = (opcode: number, payload: Uint8Array, fin: boolean, rsv = 0): Buffer =>
  clientFrame({ opcode, payload, fin, rsv });
const NO_TAKEOVER = { agreement: { clientNoContextTakeover: true } };

describe('section 6: RSV1', () => {
  check([
    { name: 'marks a compressed message', bytes: [raw('f248cdc9c90700')], expect: ['text Hello'] },
    {
      name: 'may be left out: a plain message between compressed ones',
      bytes: [raw('f248cdc9c90700'), clientFrame({ payload: 'plain' }), raw('f200110000')],
      expect: ['text Hello', 'text plain', 'text Hello'],
    },
    {
      name: '6.1: MUST NOT be set on a control frame',
      bytes: [clientFrame({ opcode: 9, rsv: COMPRESSED })],
      expect: ['ERR_WS_COMPRESSED_BIT 1002'],
    },
    {
      name: '6.1: MUST NOT be set on a close frame',
      bytes: [clientFrame({ opcode: 8, rsv: COMPRESSED })],
      expect: ['ERR_WS_COMPRESSED_BIT 1002'],
    },
    {
      name: '6.1: MUST NOT be set on a later fragment of a compressed message',
      bytes: [
        part(1, hex('f248cd'), false, COMPRESSED),
        part(0, hex('c9c90700'), true, COMPRESSED),
      ],
      expect: ['ERR_WS_COMPRESSED_BIT 1002'],
    },
    {
      name: '6.1: MUST NOT be set on a later fragment of a plain message',
      bytes: [part(1, Buffer.from('a'), false), part(0, Buffer.from('b'), true, COMPRESSED)],
      expect: ['ERR_WS_COMPRESSED_BIT 1002'],
    },
    {
      name: 'RSV2 and RSV3 still mean nothing',
      bytes: [clientFrame({ rsv: COMPRESSED | 2, payload: 'x' })],
      expect: ['ERR_WS_RESERVED_BITS 1002'],
    },
    {
      name: 'RSV3 alone',
      bytes: [clientFrame({ rsv: 1, payload: 'x' })],
      expect: ['ERR_WS_RESERVED_BITS 1002'],
    },
  ]);
});

describe('section 6.2: fragments', () => {
  const payload = new DeflatePeer().compress('fragmented text, compressed as a whole');
  check([
    {
      name: 'are inflated together, with control frames between',
      bytes: [
        part(1, payload.subarray(0, 7), false, COMPRESSED),
        clientFrame({ opcode: 9, payload: 'ping' }),
        part(0, payload.subarray(7, 20), false),
        part(0, Buffer.alloc(0), false),
        clientFrame({ opcode: 10, payload: 'pong' }),
        part(0, payload.subarray(20), true),
      ],
      expect: ['ping 70696e67', 'pong 706f6e67', 'text fragmented text, compressed as a whole'],
    },
    {
      name: 'may end with one that is empty',
      bytes: [part(2, payload, false, COMPRESSED), part(0, Buffer.alloc(0), true)],
      expect: [`binary ${Buffer.from('fragmented text, compressed as a whole').toString('hex')}`],
    },
    {
      name: 'may begin with one that is empty',
      bytes: [part(1, Buffer.alloc(0), false, COMPRESSED), part(0, payload, true)],
      expect: ['text fragmented text, compressed as a whole'],
    },
    {
      name: 'stop when a close frame comes between',
      bytes: [part(1, payload.subarray(0, 9), false, COMPRESSED), clientClose(1001, 'bye')],
      expect: ['close 1001 bye'],
    },
    {
      name: 'of another message must not come between',
      bytes: [part(1, payload.subarray(0, 9), false, COMPRESSED), raw('f248cdc9c90700')],
      expect: ['ERR_WS_INTERLEAVED 1002'],
    },
  ]);
});

describe('section 7.2.3: the examples', () => {
  check([
    { name: '7.2.3.1: one block', bytes: [raw('f248cdc9c90700')], expect: ['text Hello'] },
    {
      name: '7.2.3.1: in two fragments',
      bytes: [part(1, hex('f248cd'), false, COMPRESSED), part(0, hex('c9c90700'), true)],
      expect: ['text Hello'],
    },
    {
      name: '7.2.3.2: the window is shared between messages',
      bytes: [raw('f248cdc9c90700'), raw('f200110000')],
      expect: ['text Hello', 'text Hello'],
    },
    {
      name: '7.2.3.3: a block without compression',
      bytes: [raw('000500faff48656c6c6f00')],
      expect: ['text Hello'],
    },
    {
      name: '7.2.3.4: BFINAL set',
      bytes: [raw('f348cdc9c9070000'), raw('f200110000'), raw('f348cdc9c9070000')],
      expect: ['text Hello', 'text Hello', 'text Hello'],
    },
    {
      name: '7.2.3.5: two blocks',
      bytes: [raw('f248050000 00ffff cac9c90700')],
      expect: ['text Hello'],
    },
    {
      name: '7.2.3.6: an empty message',
      bytes: [raw('00'), binary('00'), raw('00')],
      expect: ['text ', 'binary ', 'text '],
    },
  ]);
});

describe('section 7.1.1.2: client_no_context_takeover', () => {
  check([
    {
      name: 'a message that refers to an earlier one is corrupt',
      bytes: [raw('f248cdc9c90700'), raw('f200110000')],
      expect: ['text Hello', 'ERR_WS_DEFLATE 1007'],
      rig: NO_TAKEOVER,
    },
    {
      name: 'messages that stand alone are read, whole and in pieces',
      bytes: [raw('f248cdc9c90700'), raw('f248cdc9c90700'), binary('f248cdc9c90700')],
      expect: ['text Hello', 'text Hello', 'binary 48656c6c6f'],
      rig: NO_TAKEOVER,
    },
  ]);
});

describe('section 7.2.2: what is not DEFLATE is refused, and why is said', () => {
  check([
    {
      name: 'a block type that does not exist',
      bytes: [raw('07')],
      expect: ['ERR_WS_DEFLATE 1007'],
    },
    {
      name: 'lengths of a stored block that differ',
      bytes: [raw('000500fbff48')],
      expect: ['ERR_WS_DEFLATE 1007'],
    },
    {
      name: 'a distance with nothing there',
      bytes: [raw('f200110000')],
      expect: ['ERR_WS_DEFLATE 1007'],
    },
    { name: 'an end inside a block', bytes: [raw('f248cd')], expect: ['ERR_WS_DEFLATE 1007'] },
    { name: 'no byte at all', bytes: [raw('')], expect: ['ERR_WS_DEFLATE 1007'] },
    {
      name: 'BFINAL without the octet behind it',
      bytes: [raw('f348cdc9c90700')],
      expect: ['ERR_WS_DEFLATE 1007'],
    },
    {
      name: 'nothing comes after it',
      bytes: [raw('07'), raw('f248cdc9c90700')],
      expect: ['ERR_WS_DEFLATE 1007'],
    },
  ]);

  test('the reason names the fault and fits into a close frame', () => {
    const reasons: string[] = [];
    for (const payload of ['07', 'f200110000', 'f248cd']) {
      const recorder = parseCompressed([raw(payload)]);
      reasons.push(...recorder.violations.map((violation) => violation.message));
    }
    expect(reasons).toEqual([
      'compressed data is corrupt: invalid block type',
      'compressed data is corrupt: invalid distance too far back',
      'compressed data is corrupt: ends inside a block',
    ]);
  });
});

describe('RFC 6455 section 8.1: text is judged when it is inflated', () => {
  const peer = (): DeflatePeer => new DeflatePeer();
  const character = Buffer.from('日本😀é');
  const impossible = Buffer.concat([
    Buffer.from('abc'),
    hex('eda080'),
    Buffer.from('def'.repeat(40)),
  ]);

  test('a character may be cut between fragments at every byte', async () => {
    const payload = peer().compress(character);
    for (let at = 0; at <= payload.length; at++) {
      const frames = [
        part(1, payload.subarray(0, at), false, COMPRESSED),
        part(0, payload.subarray(at), true),
      ];
      expect(parseCompressed(frames).events).toEqual(['text 日本😀é']);
    }
  });

  test('fails at the first impossible byte, inside a fragment and before its end is there', () => {
    const payload = peer().compress(impossible);
    const frame = part(1, payload, false, COMPRESSED);
    expect(parseCompressed([frame]).events).toEqual(['ERR_WS_UTF8 1007']);
    // The byte that cannot be is there, half of the frame is not.
    const stored = hex('00 40 00 bf ff 61 62 63 ed a0');
    const whole = Buffer.concat([stored, Buffer.alloc(59, 0x61), hex('00')]);
    const cut = part(1, whole, false, COMPRESSED).subarray(0, -58);
    expect(parseCompressed([cut]).events).toEqual(['ERR_WS_UTF8 1007']);
  });

  check([
    {
      name: 'a text must not end inside a character',
      bytes: [compressedFrame(Buffer.from('日本').subarray(0, 5))],
      expect: ['ERR_WS_UTF8 1007'],
    },
    {
      name: 'a binary message may hold anything',
      bytes: [compressedFrame(impossible, { opcode: 2 })],
      expect: [`binary ${impossible.toString('hex')}`],
    },
    {
      name: 'the state of one text does not reach the next',
      bytes: [compressedFrame('é'), compressedFrame('plain'), compressedFrame('日')],
      expect: ['text é', 'text plain', 'text 日'],
      rig: NO_TAKEOVER,
    },
  ]);
});

describe('limits', () => {
  const bound = { messageBytesMax: 5000 };
  check([
    {
      name: 'a message at the bound is read',
      bytes: [compressedFrame('a'.repeat(5000))],
      expect: [`text ${'a'.repeat(5000)}`],
      rig: bound,
    },
    {
      name: 'one byte more is 1009',
      bytes: [compressedFrame('a'.repeat(5001))],
      expect: ['ERR_WS_TOO_BIG 1009'],
      rig: bound,
    },
    {
      name: 'what does not shrink may be longer on the wire than the bound',
      bytes: [compressedFrame('x'.repeat(40), { opcode: 2 }), binary('000400fbff 01020304 00')],
      expect: [`binary ${Buffer.from('x'.repeat(40)).toString('hex')}`, 'binary 01020304'],
      rig: { messageBytesMax: 40, ...NO_TAKEOVER },
    },
  ]);

  test('compressed bytes are bounded, too: 1/8 and 256 bytes above the bound of the message', () => {
    // Empty stored blocks: they inflate to nothing.
    const blocks = (bytes: number): Buffer => {
      const payload = Buffer.alloc(bytes);
      for (let at = 0; at + 5 < bytes; at += 5) hex('000000ffff').copy(payload, at);
      return payload;
    };
    const rig = { messageBytesMax: 80 };
    const most = 80 + 10 + 256;
    const whole = clientFrame({ opcode: 2, rsv: COMPRESSED, payload: blocks(most) });
    expect(parseCompressed([whole], rig).events).toEqual(['binary ']);
    const more = clientFrame({ opcode: 2, rsv: COMPRESSED, payload: blocks(most + 5) });
    expect(parseCompressed([more], rig).events).toEqual(['ERR_WS_TOO_BIG 1009']);
    const fragments = [part(2, blocks(346), false, COMPRESSED), part(0, blocks(1), true)];
    expect(parseCompressed(fragments, rig).events).toEqual(['ERR_WS_TOO_BIG 1009']);
  });

  test('messages around the size of the shared memory arrive whole', () => {
    for (const length of [65_535, 65_536, 65_537, 131_072, 300_000]) {
      const text = 'ab'.repeat(length / 2 + 1).slice(0, length);
      for (const agreement of [{}, { clientNoContextTakeover: true }]) {
        const frame = compressedFrame(text);
        expect(parseCompressed([frame], { agreement }).events).toEqual([`text ${text}`]);
      }
    }
  });

  test('a bomb of 1 GiB from 1 MiB costs the bound in memory, and hardly any time', () => {
    const bomb = deflateRawSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 });
    const payload = Buffer.concat([bomb, bomb, bomb, bomb]);
    expect(payload.length / 1024 / 1024).toBeCloseTo(1, 1);
    const frame = clientFrame({ opcode: 2, rsv: COMPRESSED, payload });
    const messageBytesMax = 1024 * 1024;
    const started = performance.now();
    const before = process.memoryUsage();
    const pieces: Buffer[] = [];
    for (let at = 0; at < frame.length; at += 65_536) pieces.push(frame.subarray(at, at + 65_536));
    const { events } = parseCompressed(pieces, { messageBytesMax });
    const after = process.memoryUsage();
    expect(events).toEqual(['ERR_WS_TOO_BIG 1009']);
    expect(performance.now() - started).toBeLessThan(500);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * messageBytesMax);
  });
});

describe('turns', () => {
  const frame = compressedFrame(Buffer.alloc(1024 * 1024), { opcode: 2 });
  const rig = { agreement: { clientNoContextTakeover: true } };

  test('from 4 MiB of inflated bytes on the rest of a chunk waits', () => {
    const kinds = (frames: number): string[] =>
      parseCompressed([Buffer.concat(Array.from({ length: frames }, () => frame))], rig).events.map(
        (event) => event.slice(0, 6),
      );
    expect(kinds(3)).toEqual(['binary', 'binary', 'binary']);
    expect(kinds(4)).toEqual(['binary', 'binary', 'binary', 'binary', 'turn s']);
  });

  test('the next chunk has a turn of its own', () => {
    const three = Buffer.concat([frame, frame, frame]);
    const { events } = parseCompressed([three, three], rig);
    expect(events.filter((event) => event === 'turn spent')).toEqual([]);
  });
});

describe('two connections at once', () => {
  test('messages in pieces on the one do not disturb those on the other', () => {
    const frames = ['first', 'second', 'third'].map((text) => compressedFrame(text.repeat(30)));
    const bytes = Buffer.concat(frames);
    const pieces = [bytes.subarray(0, 9), bytes.subarray(9, 40), bytes.subarray(40)];
    const expected = ['first', 'second', 'third'].map((text) => `text ${text.repeat(30)}`);
    for (const agreement of [{}, { clientNoContextTakeover: true }]) {
      expect(parseCompressed(pieces, { agreement }).events).toEqual(expected);
    }
  });
});
