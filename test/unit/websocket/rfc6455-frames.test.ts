// RFC 6455 by section, 5 to 10: what a server must do with frames, closing and errors. Each title names
// the section and the requirement in our words. Every input goes through the whole server, on a loop in
// memory, in one piece and byte by byte. Section 4 is in rfc6455-handshake.test.ts.

import { beforeEach, describe, expect, test } from 'vitest';
import type { ServerSocket } from '../../../lib/server/types.ts';
import { type RigPeer, SocketRig } from '../../support/socket-rig.ts';
import { clientClose, clientFrame } from '../../support/websocket-frames.ts';

let rig: SocketRig;
const log: string[] = [];
let peer: RigPeer;

function connect(route: Parameters<SocketRig['peer']>[0] = {}): RigPeer {
  log.length = 0;
  peer = rig.peer({
    message: (_socket, data, isBinary) =>
      void log.push(isBinary ? `binary ${(data as Buffer).toString('hex')}` : `text ${data}`),
    close: (_socket, code, reason) => void log.push(`closed ${code} ${reason}`.trimEnd()),
    ...route,
  });
  return peer;
}

beforeEach(async () => {
  rig = await new SocketRig().listen();
  connect();
});

interface Case {
  readonly must: string;
  readonly input: Buffer | readonly Buffer[];
  /** Frames of the server. */
  readonly answer?: readonly string[];
  /** What the handlers were told. */
  readonly heard?: readonly string[];
}

const bytesOf = (input: Case['input']): Buffer =>
  Buffer.isBuffer(input) ? input : Buffer.concat(input);

/** Runs each case in one piece and byte by byte. */
function holds(cases: readonly Case[]): void {
  describe.each(['whole', 'byte by byte'])('%s', (how) => {
    test.each(cases)('$must', ({ input, answer = [], heard = [] }) => {
      const bytes = bytesOf(input);
      if (how === 'whole') peer.connection.feed(bytes);
      else for (const byte of bytes) peer.connection.feed(Buffer.of(byte));
      expect(peer.frames()).toEqual(answer);
      expect(log).toEqual(heard);
      const fails = answer.at(-1)?.startsWith('close') === true;
      expect(peer.connection.state).toBe(fails ? 'closing' : 'open');
    });
  });
}

const text = (payload: string | Uint8Array, fin = true): Buffer => clientFrame({ payload, fin });
const more = (payload: string | Uint8Array, fin = true): Buffer =>
  clientFrame({ opcode: 0, payload, fin });
const ping = (payload = ''): Buffer => clientFrame({ opcode: 9, payload });
const MASKS = ['close 1002 client frames must be masked'];
const RESERVED = ['close 1002 reserved bits must be zero'];
const OPCODES = ['close 1002 reserved opcode'];
const LENGTHS = ['close 1002 length is not in its shortest form'];
const UTF8 = ['close 1007 invalid UTF-8'];

describe('5.1: masks', () => {
  holds([
    { must: 'a masked frame is taken', input: text('a'), heard: ['text a'] },
    {
      must: 'a mask of zeros is a mask',
      input: clientFrame({ payload: 'a', mask: [0, 0, 0, 0] }),
      heard: ['text a'],
    },
    {
      must: 'an unmasked data frame fails the connection',
      input: clientFrame({ payload: 'a', mask: false }),
      answer: MASKS,
    },
    {
      must: 'an unmasked control frame, too',
      input: clientFrame({ opcode: 9, mask: false }),
      answer: MASKS,
    },
    {
      must: 'and an unmasked close frame',
      input: clientFrame({ opcode: 8, mask: false }),
      answer: MASKS,
    },
  ]);

  test('a server does not mask its frames', () => {
    peer.socket.send('a');
    peer.socket.ping();
    peer.socket.close();
    const bytes = peer.connection.takeOutput();
    expect([...bytes]).toEqual([0x81, 1, 0x61, 0x89, 0, 0x88, 2, 3, 0xe8]);
  });
});

describe('5.2: the base framing', () => {
  const rsv = (bits: number, opcode = 1): Buffer => clientFrame({ rsv: bits, opcode });
  holds([
    ...[1, 2, 3, 4, 5, 6, 7].map((bits) => ({
      must: `reserved bits ${bits.toString(2)} without an extension fail the connection`,
      input: rsv(bits),
      answer: RESERVED,
    })),
    { must: 'also in control frames', input: rsv(4, 9), answer: RESERVED },
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
      must: `opcode ${opcode} is reserved and fails the connection`,
      input: clientFrame({ opcode }),
      answer: OPCODES,
    })),
    {
      must: 'a length of 125 in 16 bits is not minimal',
      input: clientFrame({ payload: Buffer.alloc(125, 97), lengthForm: 16 }),
      answer: LENGTHS,
    },
    {
      must: 'a length of 65535 in 64 bits is not minimal',
      input: clientFrame({ announced: 65_535n, lengthForm: 64 }),
      answer: LENGTHS,
    },
    {
      must: 'the top bit of a 64-bit length must be 0',
      input: clientFrame({ announced: 1n << 63n, lengthForm: 64 }),
      answer: ['close 1002 length has its top bit set'],
    },
    ...[0, 1, 125, 126, 127, 65_535, 65_536].map((length) => ({
      must: `a payload of ${length} bytes is taken`,
      input: text('a'.repeat(length)),
      heard: [`text ${'a'.repeat(length)}`],
    })),
  ]);

  test.each([
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [65_535, [0x81, 126, 0xff, 0xff]],
    [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('a server writes a length of %i minimally, with reserved bits 0', (length, head) => {
    peer.socket.send('a'.repeat(length));
    const bytes = peer.connection.takeOutput();
    expect([...bytes.subarray(0, head.length)]).toEqual(head);
    expect(bytes).toHaveLength(head.length + length);
  });
});

describe('5.4: fragments', () => {
  holds([
    {
      must: 'fragments are one message, in order',
      input: [text('a', false), more('b', false), more('c')],
      heard: ['text abc'],
    },
    {
      must: 'an empty first or last fragment changes nothing',
      input: [text('', false), more('a', false), more('')],
      heard: ['text a'],
    },
    {
      must: 'control frames may lie between fragments and are handled at once',
      input: [text('a', false), ping('p'), more('b')],
      answer: ['pong 70'],
      heard: ['text ab'],
    },
    {
      must: 'control frames must not be fragmented',
      input: clientFrame({ opcode: 9, fin: false }),
      answer: ['close 1002 control frame is fragmented'],
    },
    {
      must: 'nor continued',
      input: [clientFrame({ opcode: 8, fin: false })],
      answer: ['close 1002 control frame is fragmented'],
    },
    {
      must: 'fragments of two messages must not be interleaved',
      input: [text('a', false), clientFrame({ opcode: 2, payload: 'b' })],
      answer: ['close 1002 message begins inside another one'],
    },
    {
      must: 'nor of two of the same type',
      input: [text('a', false), text('b')],
      answer: ['close 1002 message begins inside another one'],
    },
    {
      must: 'a continuation needs a message',
      input: more('a'),
      answer: ['close 1002 continuation without a message'],
    },
    {
      must: 'also behind a whole message',
      input: [text('a'), more('b')],
      answer: ['close 1002 continuation without a message'],
      heard: ['text a'],
    },
    {
      must: 'the type of all fragments is that of the first',
      input: [clientFrame({ opcode: 2, payload: 'a', fin: false }), more('b')],
      heard: ['binary 6162'],
    },
    {
      must: 'bits reserved for extensions are judged in every fragment',
      input: [text('a', false), clientFrame({ opcode: 0, rsv: 4 })],
      answer: RESERVED,
    },
  ]);

  test('a server does not interleave its own messages with a fragmented one', () => {
    const stream = peer.socket.stream();
    stream.write('a');
    peer.socket.send('b');
    stream.end('c');
    const bytes = peer.connection.takeOutput();
    expect([...bytes]).toEqual([0x01, 1, 0x61, 0x80, 1, 0x63, 0x81, 1, 0x62]);
  });
});

describe('5.5: control frames', () => {
  holds([
    {
      must: 'a payload of 125 bytes is taken',
      input: ping('p'.repeat(125)),
      answer: [`pong ${'70'.repeat(125)}`],
    },
    {
      must: 'a payload of 126 bytes fails the connection',
      input: ping('p'.repeat(126)),
      answer: ['close 1002 control frame above 125 bytes'],
    },
    {
      must: 'a close frame of 126 bytes, too',
      input: clientClose(1000, 'r'.repeat(124)),
      answer: ['close 1002 control frame above 125 bytes'],
    },
    {
      must: '5.5.1: a close frame is answered with its code',
      input: clientClose(1000, 'bye'),
      answer: ['close 1000'],
    },
    {
      must: '5.5.1: an empty one with an empty one',
      input: clientClose(),
      answer: ['close'],
    },
    {
      must: '5.5.1: a body of one byte is no code',
      input: clientFrame({ opcode: 8, payload: 'a' }),
      answer: ['close 1002 close payload of one byte'],
    },
    {
      must: '5.5.1: the reason must be UTF-8',
      input: clientFrame({ opcode: 8, payload: Buffer.from([0x03, 0xe8, 0xff]) }),
      answer: UTF8,
    },
    {
      must: '5.5.1: a reason that ends inside a character, too',
      input: clientFrame({ opcode: 8, payload: Buffer.from([0x03, 0xe8, 0xc3]) }),
      answer: UTF8,
    },
    {
      must: '5.5.1: nothing after a close frame is processed',
      input: [clientClose(1000), text('late'), clientFrame({ rsv: 7 })],
      answer: ['close 1000'],
    },
    {
      must: '5.5.1: a close frame inside a fragmented message ends it',
      input: [text('a', false), clientClose(1001)],
      answer: ['close 1001'],
    },
    {
      must: '5.5.2, 5.5.3: a ping is answered with a pong of the same payload',
      input: [ping('one'), ping('')],
      answer: ['pong 6f6e65', 'pong'],
    },
    { must: '5.5.2: not after a close frame', input: [clientClose(), ping()], answer: ['close'] },
    {
      must: '5.5.3: a pong that nobody asked for is not answered',
      input: clientFrame({ opcode: 10, payload: 'p' }),
    },
  ]);

  test('5.5.1: after our close frame no other frame of ours follows', () => {
    const { socket } = peer;
    socket.subscribe('t');
    socket.close(1001);
    peer.connection.feed(ping('p'));
    expect([socket.send('a'), socket.ping(), socket.stream().write('b')]).toEqual(
      Array(3).fill('dropped'),
    );
    rig.server.publish('t', 'c');
    expect(peer.frames()).toEqual(['close 1001']);
  });
});

describe('5.6, 8.1: text is UTF-8', () => {
  const bad: readonly [string, readonly number[]][] = [
    ['a lone continuation byte', [0x80]],
    ['a byte that never occurs', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong form of three bytes', [0xe0, 0x80, 0xaf]],
    ['an overlong form of four bytes', [0xf0, 0x80, 0x80, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a character that is cut off', [0xe2, 0x82]],
    ['a cut character, then ASCII', [0xe2, 0x82, 0x41]],
  ];
  holds([
    ...bad.map(([name, bytes]) => ({
      must: `${name} fails the connection`,
      input: text(Buffer.from(bytes)),
      answer: UTF8,
    })),
    {
      must: 'a message may be cut inside a character',
      input: [text(Buffer.from([0xe2]), false), more(Buffer.from([0x82, 0xac]))],
      heard: ['text €'],
    },
    { must: 'U+0000, U+FFFF and U+10FFFF are text', ...same('\0\uffff\u{10ffff}') },
    {
      must: 'binary messages are not judged',
      input: clientFrame({ opcode: 2, payload: Buffer.from([0xff]) }),
      heard: ['binary ff'],
    },
  ]);

  test.each([
    ['inside a frame that is not complete', text(Buffer.from([0x61, 0xff, 0x61])).subarray(0, 8)],
    ['inside a fragment', Buffer.concat([text(Buffer.from([0xed, 0xa0]), false)])],
    ['in the second byte of a character', text(Buffer.from([0xf0, 0x8f, 0, 0])).subarray(0, 8)],
  ])('it fails at the first impossible byte: %s', (_name, bytes) => {
    peer.connection.feed(bytes);
    expect(peer.frames()).toEqual(UTF8);
  });
});

function same(payload: string): Pick<Case, 'input' | 'heard'> {
  return { input: text(payload), heard: [`text ${payload}`] };
}

describe('7: closing', () => {
  const ending = (act: () => void): string[] => {
    act();
    peer.connection.reap();
    return log;
  };

  test('7.1.1: after both close frames it is the server that closes TCP', () => {
    peer.socket.close(1000);
    expect(peer.connection.state).toBe('open');
    peer.connection.feed(clientClose(1000));
    expect(peer.connection.state).toBe('closing');
  });

  test('7.1.4, 7.1.5: the code is that of the close frame that came', () => {
    expect(ending(() => peer.connection.feed(clientClose(4321, 'why')))).toEqual([
      'closed 4321 why',
    ]);
  });

  test('7.1.5: 1005 without a code, 1006 without a frame', () => {
    expect(ending(() => peer.connection.feed(clientClose()))).toEqual(['closed 1005']);
    connect();
    expect(ending(() => peer.connection.feedEnd())).toEqual(['closed 1006']);
    connect();
    expect(ending(() => undefined)).toEqual(['closed 1006']);
  });

  test('7.1.7: who has failed the connection processes nothing more, not even a close frame', () => {
    const bytes = [clientFrame({ rsv: 1 }), text('late'), clientClose(4000, 'late')];
    expect(ending(() => peer.connection.feed(Buffer.concat(bytes)))).toEqual([
      'closed 1002 reserved bits must be zero',
    ]);
    expect(peer.frames()).toEqual(RESERVED);
  });

  test('7.2.1: a peer that does not answer our close frame is not waited for without end', () => {
    peer.socket.close();
    expect(peer.connection.fireDeadline()).toBe(true);
    expect(peer.connection.state).toBe('reset');
  });

  test('7.3: both close at once, and each gets the code of the other', () => {
    peer.socket.close(4000);
    expect(ending(() => peer.connection.feed(clientClose(4001)))).toEqual(['closed 4001']);
    expect(peer.frames()).toEqual(['close 4000']);
  });

  // 7.4.1, 7.4.2 and the IANA registry: 1004 is reserved; 1005, 1006 and 1015 are never on the wire;
  // 1010 is for clients; 1016 to 2999 are not assigned; below 1000 and above 4999 nothing is.
  const mayReceive = (code: number): boolean =>
    (code >= 3000 && code <= 4999) ||
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code));

  test('7.4: every code from 0 to 5000, and 65535, from a peer', () => {
    const taken: number[] = [];
    const codes = [...Array(5001).keys(), 65_535];
    const join = rig.route();
    for (const code of codes) {
      const one = join();
      one.connection.feed(clientClose(code));
      const [answer] = one.frames();
      if (answer === `close ${code}`) taken.push(code);
      else expect(answer).toBe('close 1002 invalid close code');
      one.connection.reap();
    }
    expect(taken).toEqual(codes.filter(mayReceive));
  });

  test('7.4: every code from 0 to 5000 from us', () => {
    const taken: number[] = [];
    const codes = [...Array(5001).keys(), 65_535, -1, 1000.5, Number.NaN];
    const { socket } = peer;
    peer.connection.reap();
    for (const code of codes) {
      try {
        socket.close(code);
        taken.push(code);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_ARG_RANGE' });
      }
    }
    expect(taken).toEqual(
      codes.filter((code) => mayReceive(code) && code % 1 === 0 && code !== 1010),
    );
  });

  test('5.5.1, 7.1.6: a reason of 123 bytes of UTF-8 is sent, one more is a mistake', () => {
    const sockets: ServerSocket[] = [peer.socket, connect().socket];
    expect(() => sockets[0]?.close(1000, `${'é'.repeat(61)}ab`)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG_RANGE' }),
    );
    sockets[1]?.close(1000, `${'é'.repeat(61)}a`);
    expect(peer.frames()).toEqual([`close 1000 ${'é'.repeat(61)}a`]);
  });
});

describe('6, 9, 10: sending, extensions, limits', () => {
  test('6.1: data is sent only while open', () => {
    expect(peer.socket.send('a')).toBe('sent');
    peer.connection.feed(clientClose());
    expect(peer.socket.send('b')).toBe('dropped');
    expect(peer.frames()).toEqual(['text a', 'close']);
  });

  test('9.1: without a negotiated extension a compressed frame is an error', () => {
    peer.connection.feed(clientFrame({ rsv: 4, payload: 'a' }));
    expect(peer.frames()).toEqual(RESERVED);
  });

  test('10.4: a message above the limit is refused from its header on, with 1009', () => {
    const limited = connect({ messageBytesMax: 10 });
    limited.connection.feed(clientFrame({ announced: 11n }).subarray(0, 6));
    expect(limited.frames()).toEqual(['close 1009 message too big']);
  });

  test('10.4: so is one that grows above it by fragments', () => {
    const limited = connect({ messageBytesMax: 10 });
    limited.connection.feed(Buffer.concat([text('12345', false), more('67890', false)]));
    expect(limited.frames()).toEqual([]);
    limited.connection.feed(more('1'));
    expect(limited.frames()).toEqual(['close 1009 message too big']);
  });

  test('10.4: a header that announces much reserves nothing', () => {
    const before = process.memoryUsage().arrayBuffers;
    const join = rig.route({ messageBytesMax: 1 << 29 });
    for (let i = 0; i < 50; i++) join().connection.feed(clientFrame({ announced: 1n << 29n }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });
});
