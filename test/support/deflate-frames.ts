// Compressed messages made and read by node:zlib, which stands beside our own binding as the oracle, and a
// parser that inflates.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { loadCodec } from '../../lib/native/load-codec.ts';
import type { DeflateAgreement } from '../../lib/websocket/deflate-negotiation.ts';
import { DeflateStreams } from '../../lib/websocket/deflate-streams.ts';
import { FrameParser } from '../../lib/websocket/frame-parser.ts';
import { MessageInflater } from '../../lib/websocket/message-inflater.ts';
import { Unmasker } from '../../lib/websocket/unmask.ts';
import { FrameRecorder, MESSAGE_BYTES_MAX_DEFAULT } from './frame-recorder.ts';
import { clientFrame, type FrameShape } from './websocket-frames.ts';

const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const POISON = 0xdd;
/** FIN, RSV1. */
export const COMPRESSED = 4;

export const AGREEMENT: DeflateAgreement = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverWindowBits: 15,
  clientWindowBits: 15,
  answer: 'permessage-deflate',
};

export interface PeerOptions {
  /** What came before may be referred to. */
  readonly takesOver?: boolean;
  readonly windowBits?: number;
  readonly level?: number;
}

/** One side of a connection, in node:zlib: what it has sent or read is its dictionary. */
export class DeflatePeer {
  readonly #options: PeerOptions;
  #history = Buffer.alloc(0);

  constructor(options: PeerOptions = {}) {
    this.#options = options;
  }

  compress(data: string | Uint8Array): Buffer {
    const bytes = Buffer.from(data);
    if (bytes.length === 0) return Buffer.of(0);
    const { level = 6 } = this.#options;
    const compressed = deflateRawSync(bytes, { level, ...this.#common() });
    this.#remember(bytes);
    return compressed.subarray(0, -TAIL.length);
  }

  inflate(payload: Uint8Array): Buffer {
    const bytes = inflateRawSync(Buffer.concat([payload, TAIL]), this.#common());
    this.#remember(bytes);
    return bytes;
  }

  #common(): object {
    // node:zlib makes 9 of 8 when it compresses, and warns of nothing.
    const { windowBits = 15 } = this.#options;
    const dictionary = this.#history.length === 0 ? {} : { dictionary: this.#history };
    return { finishFlush: constants.Z_SYNC_FLUSH, windowBits, ...dictionary };
  }

  #remember(bytes: Buffer): void {
    if (this.#options.takesOver !== true) return;
    const { windowBits = 15 } = this.#options;
    this.#history = Buffer.concat([this.#history, bytes]).subarray(-(2 ** windowBits));
  }
}

/** A compressed message of one frame. */
export function compressedFrame(data: string | Uint8Array, shape: FrameShape = {}): Buffer {
  return clientFrame({ rsv: COMPRESSED, payload: new DeflatePeer().compress(data), ...shape });
}

export interface InflateRig {
  readonly agreement?: Partial<DeflateAgreement>;
  readonly messageBytesMax?: number;
}

/** Streams of this thread that tests make and close. @param slabBytes for what is written */
export function testStreams(slabBytes = 1024 * 1024): DeflateStreams {
  return new DeflateStreams(loadCodec().deflate, Buffer.alloc(slabBytes));
}

/** Feeds the pieces to a parser with permessage-deflate, through a slab that is poisoned each time. */
export function parseCompressed(
  pieces: readonly Buffer[],
  rig: InflateRig = {},
  streams: DeflateStreams = testStreams(0),
): FrameRecorder {
  const { messageBytesMax = MESSAGE_BYTES_MAX_DEFAULT } = rig;
  const recorder = new FrameRecorder();
  const inflater = new MessageInflater(
    streams,
    { ...AGREEMENT, ...rig.agreement },
    messageBytesMax,
  );
  const parser = new FrameParser(recorder, messageBytesMax, new Unmasker(), { inflater });
  const slab = Buffer.alloc(Math.max(0, ...pieces.map((piece) => piece.length)) + 16, POISON);
  let offset = 0;
  for (const piece of pieces) {
    offset = (offset + 3) % 8;
    piece.copy(slab, offset);
    parser.push(slab, offset, offset + piece.length);
    slab.fill(POISON);
  }
  parser.end();
  streams.close();
  return recorder;
}

/** A frame of a server, with its first byte: FIN, reserved bits, opcode. */
export interface RawFrame {
  readonly first: number;
  readonly payload: Buffer;
}

/** The frames of a server that are whole in what was received. */
export function rawFrames(bytes: Buffer): RawFrame[] {
  const frames: RawFrame[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const form = bytes[at + 1] ?? 0;
    const payloadAt = at + (form < 126 ? 2 : form === 126 ? 4 : 10);
    if (payloadAt > bytes.length) break;
    let length = form;
    if (form === 126) length = bytes.readUInt16BE(at + 2);
    if (form === 127) length = Number(bytes.readBigUInt64BE(at + 2));
    if (payloadAt + length > bytes.length) break;
    const payload = bytes.subarray(payloadAt, payloadAt + length);
    frames.push({ first: bytes[at] ?? 0, payload });
    at = payloadAt + length;
  }
  return frames;
}
