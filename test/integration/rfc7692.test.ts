// RFC 7692 by section, 5 to 7: what a server must do, on real sockets, with node:zlib as the other side.
// Each title names the section and the requirement in our words. Section 8 is for intermediaries. Every
// cut of what is received, and every fault of it, is in codec-messages.test.ts.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadCodec } from '../../lib/native/load-codec.ts';
import { createServer } from '../../lib/server/server.ts';
import type { DeflateOptions, Server, ServerSocket } from '../../lib/server/types.ts';
import {
  COMPRESSED,
  compressedFrame,
  DeflatePeer,
  type RawFrame,
  rawFrames,
} from '../support/deflate-frames.ts';
import { until } from '../support/until.ts';
import { RawClient } from '../support/websocket-client.ts';
import { clientFrame } from '../support/websocket-frames.ts';

const { deflate: codec } = loadCodec();
const PMD = 'permessage-deflate';
const TEXT = 'said again and again, '.repeat(40);
const OWN: DeflateOptions = { threshold: 0, shared: false };
const FINAL = 0x80;
const RSV1 = 0x40;

let server: Server;
let client: RawClient;
let socket: ServerSocket | undefined;
let heard: string[];

beforeEach(() => {
  server = createServer({ host: '127.0.0.1' });
  heard = [];
  socket = undefined;
});

afterEach(async () => {
  client.destroy();
  await server.close({ deadlineMs: 1000 });
  await until('all streams to be freed', () => codec.liveStreams() === 0);
});

/** Opens a socket. @returns the extensions that were answered; undefined for none */
async function open(
  offer: string | undefined,
  deflate: boolean | DeflateOptions = OWN,
): Promise<string | undefined> {
  server.websocket('/', {
    deflate,
    open: (opened) => {
      socket = opened;
    },
    message: (_socket, data, isBinary) => {
      heard.push(isBinary ? `binary ${(data as Buffer).toString('hex')}` : `text ${data}`);
    },
  });
  client = new RawClient((await server.listen()).port);
  const head = await client.upgrade('/', { 'Sec-WebSocket-Extensions': offer });
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  await until('the open handler', () => socket !== undefined);
  return /^sec-websocket-extensions: (.*)\r$/im.exec(head)?.[1];
}

/** Sends texts, one frame each. */
async function sent(...texts: readonly string[]): Promise<readonly RawFrame[]> {
  for (const text of texts) socket?.send(text);
  await until('every frame', () => rawFrames(client.received).length === texts.length);
  return rawFrames(client.received);
}

/** Why the server has failed the connection; it is not told to a handler before the client has left. */
async function closeCode(): Promise<number | undefined> {
  const frames = rawFrames(await client.untilEnd());
  expect(heard).toEqual([]);
  return frames.at(-1)?.payload.readUInt16BE(0);
}

const inflate = (peer: DeflatePeer, frame: RawFrame | undefined): string =>
  String(peer.inflate(frame?.payload ?? Buffer.of()));

describe('section 5: negotiation', () => {
  test('5: nothing is answered to whom offers nothing, and RSV1 stays clear', async () => {
    expect(await open(undefined)).toBeUndefined();
    expect((await sent(TEXT))[0]).toEqual({ first: FINAL | 1, payload: Buffer.from(TEXT) });
  });

  test('5: an offer that is declined leaves a connection without the extension', async () => {
    expect(await open(`${PMD}; unheard_of`)).toBeUndefined();
    expect((await sent(TEXT))[0]?.first).toBe(FINAL | 1);
  });

  test('5.1: one extension is answered, of the first offer that can be accepted', async () => {
    const offers = `${PMD}; unheard_of, ${PMD}; server_max_window_bits=12, ${PMD}`;
    expect(await open(offers)).toBe(`${PMD}; server_max_window_bits=12`);
  });
});

describe('section 6: framing', () => {
  test('6: RSV1 marks what is compressed; the opcode and FIN are the message’s', async () => {
    await open(PMD);
    const [frame] = await sent(TEXT);
    expect(frame?.first).toBe(FINAL | RSV1 | 1);
    expect(inflate(new DeflatePeer(), frame)).toBe(TEXT);
  });

  test('6: a message may go without compression, between others', async () => {
    await open(PMD, { ...OWN, threshold: 100 });
    const frames = await sent(TEXT, 'short', TEXT);
    expect(frames.map(({ first }) => first & RSV1)).toEqual([RSV1, 0, RSV1]);
    const peer = new DeflatePeer({ takesOver: true });
    expect([inflate(peer, frames[0]), inflate(peer, frames[2])]).toEqual([TEXT, TEXT]);
  });

  test('6.1: control frames are not compressed', async () => {
    await open(PMD);
    client.send(clientFrame({ opcode: 9, payload: 'ping ping ping ping' }));
    socket?.ping(Buffer.from('are you there'));
    await until('a pong and a ping', () => rawFrames(client.received).length === 2);
    socket?.close(1000, 'bye bye bye bye');
    await until('the close', () => rawFrames(client.received).length === 3);
    const first = rawFrames(client.received).map((frame) => frame.first);
    expect(first.sort()).toEqual([FINAL | 8, FINAL | 9, FINAL | 10]);
  });

  test.each([
    ['6.1: RSV1 of a control frame', clientFrame({ opcode: 9, rsv: COMPRESSED })],
    [
      '6.1: RSV1 of a later fragment',
      Buffer.concat([
        clientFrame({ fin: false, payload: 'a' }),
        clientFrame({ opcode: 0, rsv: COMPRESSED, payload: 'b' }),
      ]),
    ],
  ])('%s fails the connection', async (_title, bytes) => {
    await open(PMD);
    client.send(bytes);
    expect(await closeCode()).toBe(1002);
  });

  test('6: RSV1 without the extension fails the connection', async () => {
    await open(undefined);
    client.send(compressedFrame('a'));
    expect(await closeCode()).toBe(1002);
  });

  test('6.2: fragments of a compressed message are one message, control frames between', async () => {
    await open(PMD);
    const payload = new DeflatePeer().compress(TEXT);
    client.send(clientFrame({ rsv: COMPRESSED, fin: false, payload: payload.subarray(0, 5) }));
    client.send(clientFrame({ opcode: 9 }));
    client.send(clientFrame({ opcode: 0, payload: payload.subarray(5) }));
    await until('the message', () => heard.length > 0);
    expect(heard).toEqual([`text ${TEXT}`]);
    await until('the pong', () => rawFrames(client.received).length > 0);
    expect(rawFrames(client.received)).toEqual([{ first: FINAL | 10, payload: Buffer.of() }]);
  });
});

describe('section 7.1.1: context takeover', () => {
  test('7.1.1.1: accepted, it is answered, and no message refers to another', async () => {
    const answer = await open(`${PMD}; server_no_context_takeover`);
    expect(answer).toBe(`${PMD}; server_no_context_takeover`);
    const frames = await sent(TEXT, TEXT);
    for (const frame of frames) expect(inflate(new DeflatePeer(), frame)).toBe(TEXT);
    expect(frames[1]).toEqual(frames[0]);
  });

  test('7.1.1.1: without it one context goes through all messages', async () => {
    await open(PMD);
    const frames = await sent(TEXT, TEXT);
    expect(frames[1]?.payload.length).toBeLessThan(frames[0]?.payload.length ?? 0);
    const peer = new DeflatePeer({ takesOver: true });
    for (const frame of frames) expect(inflate(peer, frame)).toBe(TEXT);
  });

  test.each([
    ['taken over', PMD, true],
    ['not taken over', `${PMD}; client_no_context_takeover`, false],
  ])('7.1.1.2: the client’s context, %s', async (_how, offer, takesOver) => {
    await open(offer);
    const peer = new DeflatePeer({ takesOver });
    for (let i = 0; i < 3; i++) {
      client.send(clientFrame({ rsv: COMPRESSED, payload: peer.compress(TEXT) }));
    }
    await until('three messages', () => heard.length === 3);
    expect(heard).toEqual(Array(3).fill(`text ${TEXT}`));
  });
});

describe('section 7.1.2: windows', () => {
  /** What a smaller window cannot refer back to: noise of 20,000 units, twice. */
  const noise = Array.from({ length: 20_000 }, (_, i) =>
    String.fromCharCode(33 + (((i * i * 7919 + i * 104_729) >>> 5) % 90)),
  ).join('');

  test.each([8, 9, 10, 12, 15])(
    '7.1.2.1: a limit of 2^%d is kept to, and answered',
    async (bits) => {
      const answer = await open(`${PMD}; server_max_window_bits=${bits}`);
      expect(answer).toBe(`${PMD}; server_max_window_bits=${bits}`);
      const [frame] = await sent(noise + noise);
      // An inflater with the window alone, which refuses what lies further back.
      expect(inflate(new DeflatePeer({ windowBits: bits }), frame)).toBe(noise + noise);
    },
  );

  test('7.1.2.1: the answer may limit what was not offered', async () => {
    expect(await open(PMD, { ...OWN, serverMaxWindowBits: 9 })).toBe(
      `${PMD}; server_max_window_bits=9`,
    );
  });

  test('7.1.2.2: the client is limited only when it takes the parameter', async () => {
    expect(await open(PMD, { ...OWN, clientMaxWindowBits: 10 })).toBeUndefined();
  });

  test('7.1.2.2: and then by no more than it said', async () => {
    const answer = await open(`${PMD}; client_max_window_bits=11`, {
      ...OWN,
      clientMaxWindowBits: 13,
    });
    expect(answer).toBe(`${PMD}; client_max_window_bits=11`);
  });
});

describe('section 7.2: payloads', () => {
  test('7.2.1: the tail 00 00 ff ff is left out, and the data is whole without it', async () => {
    await open(PMD);
    const frames = await sent(TEXT, 'b', TEXT);
    for (const { payload } of frames) {
      expect(payload.subarray(-4)).not.toEqual(Buffer.of(0, 0, 0xff, 0xff));
    }
    const peer = new DeflatePeer({ takesOver: true });
    expect(frames.map((frame) => inflate(peer, frame))).toEqual([TEXT, 'b', TEXT]);
  });

  test('7.2.3.6: an empty message has a payload, of one byte', async () => {
    await open(PMD);
    const [frame] = await sent('');
    expect(frame).toEqual({ first: FINAL | RSV1 | 1, payload: Buffer.of(0) });
  });

  test.each([
    ['7.2.3.1: one block', 'f248cdc9c90700'],
    ['7.2.3.3: a block without compression', '000500faff48656c6c6f00'],
    ['7.2.3.4: a last block', 'f348cdc9c9070000'],
    ['7.2.3.5: two blocks', 'f248050000 00ffffcac9c90700'.replaceAll(' ', '')],
  ])('7.2.2: is read: %s', async (_title, hex) => {
    await open(PMD);
    client.send(clientFrame({ rsv: COMPRESSED, payload: Buffer.from(hex, 'hex') }));
    await until('the message', () => heard.length > 0);
    expect(heard).toEqual(['text Hello']);
  });

  test('7.2.2: what is not DEFLATE fails the connection', async () => {
    await open(PMD);
    client.send(clientFrame({ rsv: COMPRESSED, payload: Buffer.of(0xff, 0xff, 0xff) }));
    expect(await closeCode()).toBe(1007);
  });
});
