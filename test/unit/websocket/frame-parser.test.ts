// What the parser makes of frames, by section of RFC 6455, through every cut of the bytes.

import { describe, expect, test } from 'vitest';
import { POOLED_BYTES_MAX } from '../../../lib/websocket/copy-pool.ts';
import { FrameParser } from '../../../lib/websocket/frame-parser.ts';
import { Unmasker } from '../../../lib/websocket/unmask.ts';
import { forEveryCut } from '../../support/chunkings.ts';
import { FrameRecorder, parsePieces } from '../../support/frame-recorder.ts';
import { referenceFrames } from '../../support/reference-frames.ts';
import { clientClose, clientFrame } from '../../support/websocket-frames.ts';

interface Row {
  readonly name: string;
  /** Hex, or frames. */
  readonly bytes: string | readonly Buffer[];
  readonly expect: readonly string[];
  readonly messageBytesMax?: number;
}

function check(rows: readonly Row[]): void {
  test.each(rows)('$name', async (row) => {
    const bytes =
      typeof row.bytes === 'string'
        ? Buffer.from(row.bytes.replaceAll(' ', ''), 'hex')
        : Buffer.concat(row.bytes);
    await forEveryCut(bytes, (pieces) => {
      expect(parsePieces(pieces, row.messageBytesMax).events).toEqual(row.expect);
    });
  });
}

const text = (payload: string): Buffer => clientFrame({ payload });
const part = (opcode: number, payload: string | Uint8Array, fin = false): Buffer =>
  clientFrame({ opcode, payload, fin });
const x = (count: number): string => 'x'.repeat(count);

describe('section 5.2: frames in hex', () => {
  check([
    { name: 'Hello, as in 5.7', bytes: '81 85 37fa213d 7f9f4d5158', expect: ['text Hello'] },
    { name: 'a mask of zeros', bytes: '81 82 00000000 6869', expect: ['text hi'] },
    { name: 'an empty text', bytes: '81 80 01020304', expect: ['text '] },
    { name: 'an empty binary', bytes: '82 80 01020304', expect: ['binary '] },
    { name: 'binary bytes', bytes: '82 83 01020304 010206', expect: ['binary 000005'] },
    { name: 'RSV1', bytes: 'c1 80 00000000', expect: ['ERR_WS_RESERVED_BITS 1002'] },
    { name: 'RSV2', bytes: 'a1 80 00000000', expect: ['ERR_WS_RESERVED_BITS 1002'] },
    { name: 'RSV3', bytes: '91 80 00000000', expect: ['ERR_WS_RESERVED_BITS 1002'] },
    {
      name: 'RSV1 on a control frame',
      bytes: 'c9 80 00000000',
      expect: ['ERR_WS_RESERVED_BITS 1002'],
    },
    { name: 'opcode 3', bytes: '83 80 00000000', expect: ['ERR_WS_OPCODE 1002'] },
    { name: 'opcode 7', bytes: '87 80 00000000', expect: ['ERR_WS_OPCODE 1002'] },
    { name: 'opcode 11', bytes: '8b 80 00000000', expect: ['ERR_WS_OPCODE 1002'] },
    { name: 'opcode 15', bytes: '8f 80 00000000', expect: ['ERR_WS_OPCODE 1002'] },
    { name: 'no mask', bytes: '81 02 6869', expect: ['ERR_WS_MASK_MISSING 1002'] },
    { name: 'no mask, long form', bytes: '81 7e 0080', expect: ['ERR_WS_MASK_MISSING 1002'] },
    { name: '16-bit form for 125', bytes: '81 fe 007d', expect: ['ERR_WS_LENGTH_FORM 1002'] },
    { name: '16-bit form for 0', bytes: '81 fe 0000', expect: ['ERR_WS_LENGTH_FORM 1002'] },
    {
      name: '64-bit form for 65,535',
      bytes: '82 ff 000000000000ffff',
      expect: ['ERR_WS_LENGTH_FORM 1002'],
    },
    {
      name: '64-bit length, top bit',
      bytes: '82 ff 8000000000010000',
      expect: ['ERR_WS_LENGTH_RANGE 1002'],
    },
    {
      name: '64-bit length, all else',
      bytes: '82 ff 7fffffffffffffff 00000000',
      expect: ['ERR_WS_TOO_BIG 1009'],
    },
    {
      name: '64-bit length, 4 GiB',
      bytes: '82 ff 0000000100000000 00000000',
      expect: ['ERR_WS_TOO_BIG 1009'],
    },
  ]);

  test('fails at the first wrong byte, without waiting for the header', () => {
    for (const hex of ['c1', '83', '8101', '89fe', '81fe007d', '09', '80']) {
      expect(parsePieces([Buffer.from(hex, 'hex')]).events, hex).toHaveLength(1);
    }
  });
});

describe('section 5.2: lengths', () => {
  const row = (count: number): Row => ({
    name: `${count} bytes`,
    bytes: [text(x(count)), text('end')],
    expect: [`text ${x(count)}`, 'text end'],
  });
  check([0, 1, 2, 3, 4, 5, 63, 64, 65, 124, 125, 126, 127, 1000].map(row));

  test.each([65_535, 65_536, 300_000])('%i bytes', async (count) => {
    const options = { randomCuts: 4 };
    const bytes = Buffer.concat([text(x(count)), text('end')]);
    const pieces: Buffer[][] = [[bytes], [bytes.subarray(0, 9), bytes.subarray(9)]];
    for (let at = 7; at < bytes.length; at += 60_001) {
      pieces.push([bytes.subarray(0, at), bytes.subarray(at)]);
    }
    for (const cut of pieces) {
      const { events } = parsePieces(cut);
      expect(events[0]?.length, String(options.randomCuts)).toBe(count + 5);
      expect(events[1]).toBe('text end');
    }
  });
});

describe('section 5.4: fragmentation', () => {
  check([
    { name: 'two fragments', bytes: [part(1, 'Hel'), part(0, 'lo', true)], expect: ['text Hello'] },
    {
      name: 'three of binary',
      bytes: [part(2, '\x01'), part(0, '\x02'), part(0, '\x03', true)],
      expect: ['binary 010203'],
    },
    {
      name: 'empty fragments',
      bytes: [part(1, ''), part(0, ''), part(0, '', true)],
      expect: ['text '],
    },
    {
      name: 'control frames in between',
      bytes: [
        part(1, 'a'),
        clientFrame({ opcode: 9, payload: 'p' }),
        part(0, 'b', true),
        text('c'),
      ],
      expect: ['ping 70', 'text ab', 'text c'],
    },
    {
      name: 'a close frame in between ends everything',
      bytes: [part(1, 'a'), clientClose(1000), part(0, 'b', true)],
      expect: ['close 1000'],
    },
    {
      name: 'continuation without a start',
      bytes: [part(0, 'a', true)],
      expect: ['ERR_WS_CONTINUATION 1002'],
    },
    {
      name: 'cut continuation without a start',
      bytes: [part(0, 'a')],
      expect: ['ERR_WS_CONTINUATION 1002'],
    },
    {
      name: 'continuation after the last fragment',
      bytes: [part(1, 'a'), part(0, 'b', true), part(0, 'c', true)],
      expect: ['text ab', 'ERR_WS_CONTINUATION 1002'],
    },
    {
      name: 'text inside a message',
      bytes: [part(1, 'a'), text('b')],
      expect: ['ERR_WS_INTERLEAVED 1002'],
    },
    {
      name: 'binary inside a message',
      bytes: [part(1, 'a'), part(2, 'b', true)],
      expect: ['ERR_WS_INTERLEAVED 1002'],
    },
    {
      name: 'messages after each other',
      bytes: [part(1, 'a'), part(0, 'b', true), part(2, 'c'), part(0, 'd', true), text('e')],
      expect: ['text ab', 'binary 6364', 'text e'],
    },
  ]);
});

describe('section 5.5: control frames', () => {
  check([
    { name: 'ping', bytes: [clientFrame({ opcode: 9 })], expect: ['ping'] },
    {
      name: 'ping of 125',
      bytes: [clientFrame({ opcode: 9, payload: x(125) })],
      expect: [`ping ${'78'.repeat(125)}`],
    },
    {
      name: 'pong nobody asked for',
      bytes: [clientFrame({ opcode: 10, payload: 'a' })],
      expect: ['pong 61'],
    },
    {
      name: 'ping of 126',
      bytes: [clientFrame({ opcode: 9, payload: x(126) })],
      expect: ['ERR_WS_CONTROL_LENGTH 1002'],
    },
    {
      name: 'close of 126',
      bytes: [clientFrame({ opcode: 8, payload: x(126) })],
      expect: ['ERR_WS_CONTROL_LENGTH 1002'],
    },
    { name: 'fragmented ping', bytes: [part(9, 'a')], expect: ['ERR_WS_CONTROL_FRAGMENTED 1002'] },
    { name: 'fragmented close', bytes: [part(8, '')], expect: ['ERR_WS_CONTROL_FRAGMENTED 1002'] },
  ]);
});

describe('section 7: close frames', () => {
  const valid = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ];
  const invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
  check([
    ...valid.map((code) => ({
      name: `code ${code}`,
      bytes: [clientClose(code)],
      expect: [`close ${code}`],
    })),
    ...invalid.map((code) => ({
      name: `invalid code ${code}`,
      bytes: [clientClose(code)],
      expect: ['ERR_WS_CLOSE_CODE 1002'],
    })),
    { name: 'no code', bytes: [clientClose()], expect: ['close 1005'] },
    { name: 'a reason', bytes: [clientClose(1000, 'bye, 再见')], expect: ['close 1000 bye, 再见'] },
    {
      name: 'the longest reason',
      bytes: [clientClose(1000, x(123))],
      expect: [`close 1000 ${x(123)}`],
    },
    {
      name: 'one byte',
      bytes: [clientFrame({ opcode: 8, payload: '\x03' })],
      expect: ['ERR_WS_CLOSE_LENGTH 1002'],
    },
    {
      name: 'a reason that is not UTF-8',
      bytes: [clientFrame({ opcode: 8, payload: Buffer.from('03e8ff', 'hex') })],
      expect: ['ERR_WS_UTF8 1007'],
    },
    {
      name: 'a reason that ends in a character',
      bytes: [clientFrame({ opcode: 8, payload: Buffer.from('03e8e282', 'hex') })],
      expect: ['ERR_WS_UTF8 1007'],
    },
    {
      name: 'nothing after it counts',
      bytes: [clientClose(1000), text('a')],
      expect: ['close 1000'],
    },
    {
      name: 'nothing after a violation counts',
      bytes: [text('a'), Buffer.from('ffff', 'hex'), text('b')],
      expect: ['text a', 'ERR_WS_RESERVED_BITS 1002'],
    },
  ]);
});

describe('runs of small texts', () => {
  const chinese = '你好，世界';
  check([
    {
      name: 'ASCII',
      bytes: ['a', 'bc', '', 'def'].map(text),
      expect: ['text a', 'text bc', 'text ', 'text def'],
    },
    {
      name: 'ASCII between others',
      bytes: [text('a'), text(chinese), text('b'), text('é'), text('c')],
      expect: ['text a', `text ${chinese}`, 'text b', 'text é', 'text c'],
    },
    {
      name: 'a wrong one in the middle',
      bytes: [text('a'), clientFrame({ payload: Buffer.from('61ff', 'hex') }), text('b')],
      expect: ['text a', 'ERR_WS_UTF8 1007'],
    },
    {
      name: 'ended by a ping',
      bytes: [text('a'), text('b'), clientFrame({ opcode: 9 }), text('c')],
      expect: ['text a', 'text b', 'ping', 'text c'],
    },
    {
      name: 'ended by a long text',
      bytes: [text('a'), text(x(126)), text('c'), text('d')],
      expect: ['text a', `text ${x(126)}`, 'text c', 'text d'],
    },
  ]);

  test('a run longer than one batch arrives whole and in order', () => {
    const texts = Array.from({ length: 500 }, (_, i) => `message ${i} ${i % 7 === 0 ? 'ü' : 'u'}`);
    const { events } = parsePieces([Buffer.concat(texts.map(text))]);
    expect(events).toEqual(texts.map((one) => `text ${one}`));
  });
});

describe('limits', () => {
  const messageBytesMax = 100;
  check([
    { name: 'below', messageBytesMax, bytes: [text(x(99))], expect: [`text ${x(99)}`] },
    { name: 'at', messageBytesMax, bytes: [text(x(100))], expect: [`text ${x(100)}`] },
    { name: 'above', messageBytesMax, bytes: [text(x(101))], expect: ['ERR_WS_TOO_BIG 1009'] },
    {
      name: 'fragments at',
      messageBytesMax,
      bytes: [part(1, x(60)), part(0, x(40), true)],
      expect: [`text ${x(100)}`],
    },
    {
      name: 'fragments above',
      messageBytesMax,
      bytes: [part(1, x(60)), part(0, x(41), true)],
      expect: ['ERR_WS_TOO_BIG 1009'],
    },
    {
      name: 'control frames do not count',
      messageBytesMax: 1,
      bytes: [clientFrame({ opcode: 9, payload: 'abc' })],
      expect: ['ping 616263'],
    },
    {
      name: 'the long forms',
      messageBytesMax: 70_000,
      bytes: '82 ff 0000000000011171 00000000',
      expect: ['ERR_WS_TOO_BIG 1009'],
    },
  ]);
});

describe('stopping', () => {
  function stopAt(
    bytes: Buffer,
    event: string,
    unmasker: Unmasker,
  ): { recorder: FrameRecorder; rest: Buffer; parser: FrameParser } {
    const recorder = new FrameRecorder();
    const parser = new FrameParser(recorder, 1000, unmasker);
    recorder.onEvent = (seen) => {
      if (seen === event) parser.stop();
    };
    const at = parser.push(bytes, 0, bytes.length);
    return { recorder, parser, rest: Buffer.from(bytes.subarray(at)) };
  }

  test.each([
    ['in a run', [text('a'), text('stop'), text('é'), text('c')]],
    ['at a single frame', [text(x(126)), text('stop'), clientFrame({ opcode: 9 }), text('c')]],
    ['at the end of fragments', [part(1, 'st'), part(0, 'op', true), text('b'), text('c')]],
    ['at the very end', [text('a'), text('stop')]],
    ['before a long one', [text('stop'), text(x(300)), text('é'.repeat(90)), text('c')]],
    ['before binary ones', [text('stop'), part(2, 'ab', true), part(2, x(300), true), text('c')]],
  ])('%s, the rest can be parsed later', (_name, frames) => {
    for (const unmasker of [new Unmasker(), new Unmasker(referenceFrames, 0)]) {
      checkStop(frames, unmasker);
    }
  });

  function checkStop(frames: readonly Buffer[], unmasker: Unmasker): void {
    const whole = parsePieces([Buffer.concat(frames)]).events;
    const { recorder, parser, rest } = stopAt(Buffer.concat(frames), 'text stop', unmasker);
    expect(recorder.events).toEqual(whole.slice(0, whole.indexOf('text stop') + 1));
    expect(parser.push(rest, 0, rest.length), 'stopped: consumes nothing').toBe(0);
    parser.resume();
    parser.push(rest, 0, rest.length);
    expect(recorder.events).toEqual(whole);
  }
});

describe('a chunk of many messages', () => {
  const kinds = [text('a'), text('é'), part(2, 'b', true), text(x(126)), part(2, x(300), true)];

  test('gives each of them, texts and bytes mixed, beyond what is decoded together', () => {
    const frames = Array.from({ length: 400 }, (_, i) => kinds[(i * i) % kinds.length] ?? text(''));
    const single = frames.flatMap((frame) => parsePieces([frame]).events);
    const recorder = parsePieces([Buffer.concat(frames)]);
    expect(recorder.events).toEqual(single);
    expect(recorder.kept.map((kept) => `binary ${kept.toString('hex')}`)).toEqual(
      single.filter((event) => event.startsWith('binary')),
    );
  });

  test('gives those before one that is too long', () => {
    const frames = [text('a'), part(2, 'b', true), text(x(41)), text('c')];
    expect(parsePieces([Buffer.concat(frames)], 40).events).toEqual([
      'text a',
      'binary 62',
      'ERR_WS_TOO_BIG 1009',
    ]);
  });

  test.each([
    ['whole', [part(2, x(POOLED_BYTES_MAX), true)], [part(2, x(POOLED_BYTES_MAX + 1), true)]],
    ['in fragments', [part(2, x(9)), part(0, x(9), true)], [part(2, x(5000)), part(0, '', true)]],
  ])('the addon is told once that large ones come, %s', (_name, small, large) => {
    let calls = 0;
    const native = { ...referenceFrames, keepFreedMemory: () => calls++ };
    const parser = new FrameParser(new FrameRecorder(), 10_000, new Unmasker(native, 0));
    const push = (bytes: Buffer): number => parser.push(bytes, 0, bytes.length);
    push(Buffer.concat(small));
    expect(calls).toBe(0);
    for (let i = 0; i < 3; i++) push(Buffer.concat(large));
    expect(calls).toBe(1);
  });

  test('a kept message of 100 bytes pins no more than 8 KiB', () => {
    const frame = part(2, x(100), true);
    const { kept } = parsePieces([Buffer.concat(Array.from({ length: 1000 }, () => frame))]);
    expect(kept).toHaveLength(1000);
    for (const each of kept) expect(each.buffer.byteLength).toBeLessThanOrEqual(8192);
    expect(new Set(kept.map((each) => each.buffer)).size).toBeLessThan(20);
  });
});

describe('memory', () => {
  test('binary messages and pings are copies that the receiver may keep', () => {
    const recorder = parsePieces([
      clientFrame({ opcode: 2, payload: 'abc' }),
      clientFrame({ opcode: 9, payload: 'def' }),
      part(2, 'gh'),
      part(0, 'i', true),
    ]);
    expect(recorder.kept.map(String)).toEqual(['abc', 'def', 'ghi']);
  });

  test('an announced length reserves no memory before bytes come', () => {
    const recorder = new FrameRecorder();
    const parser = new FrameParser(recorder, 2 ** 40, new Unmasker());
    const header = clientFrame({ opcode: 2, announced: 2n ** 39n });
    const before = process.memoryUsage().arrayBuffers;
    parser.push(header, 0, header.length);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(recorder.events).toEqual([]);
  });
});
