// What the compressed connections of a server share: the compressors that keep no context, one per set
// of parameters, and the inflaters that are lent for the length of a message. Memory of connections with
// a context of their own is not here, see message-deflater.ts and message-inflater.ts.

import type { NativeDeflate } from '../native/binding.ts';
import {
  DEFLATE_FORGET,
  DEFLATE_IF_SMALLER,
  DEFLATE_TEXT,
  WORD_END,
  WORD_FLAGS,
  WORD_OUT_END,
  WORD_OUT_START,
  WORD_START,
} from '../native/deflate-layout.ts';
import type { DeflateAgreement } from './deflate-negotiation.ts';
import { type ResolvedDeflate, WINDOW_BITS_MAX } from './deflate-options.ts';
import { asFastBuffer, type FastBuffer } from './fast-buffer.ts';
import { SERVER_HEADER_BYTES_MAX } from './frame-encoder.ts';

/** Most messages fit into this when they are inflated, and are decoded where they lie. */
const SCRATCH_BYTES = 64 * 1024;
/** Inflaters that wait for the next message which does not arrive in one piece. */
const IDLE_INFLATERS_MAX = 16;
const NO_STREAM = -1;
/** FIN and RSV1 (RFC 7692 section 6). */
const FINAL_COMPRESSED = 0xc0;
/** More than zlib adds when a message does not shrink, in every window and memory level. */
const FLUSH_BYTES = 16;

/** Bytes that a frame with a compressed payload of `length` bytes may need; core/deflate.cc agrees. */
export function deflateBound(length: number): number {
  const stored = length + ((length + 7) >>> 3) + ((length + 63) >>> 6);
  return stored + FLUSH_BYTES + SERVER_HEADER_BYTES_MAX;
}

export class DeflateStreams {
  readonly native: NativeDeflate;
  /** Where frames to one connection are written. */
  readonly slab: Buffer;
  /** Where messages are inflated to; whoever inflates consumes it before anybody else does. */
  readonly scratch: FastBuffer = asFastBuffer(Buffer.allocUnsafeSlow(SCRATCH_BYTES));
  readonly #shared = new Map<string, SharedDeflater>();
  readonly #idle: number[] = [];
  readonly #agreements = new Map<string, DeflateAgreement>();
  #isClosed = false;

  /** @param slab the loop's send slab */
  constructor(native: NativeDeflate, slab: Buffer) {
    this.native = native;
    this.slab = slab;
  }

  /** One object for all connections that have agreed on the same; at most 288 are possible. */
  intern(agreement: DeflateAgreement): DeflateAgreement {
    const known = this.#agreements.get(agreement.answer);
    if (known !== undefined) return known;
    this.#agreements.set(agreement.answer, agreement);
    return agreement;
  }

  /** The compressor without context for these parameters. */
  sharedDeflater(agreement: DeflateAgreement, options: ResolvedDeflate): SharedDeflater {
    const { level, memLevel, threshold } = options;
    const { serverWindowBits } = agreement;
    const key = `${serverWindowBits} ${level} ${memLevel} ${threshold}`;
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      const open = (): number =>
        this.#isClosed ? NO_STREAM : this.native.openDeflater(serverWindowBits, level, memLevel);
      shared = new SharedDeflater(this, threshold, open);
      this.#shared.set(key, shared);
    }
    return shared;
  }

  /**
   * An inflater for one message, with the largest window. @returns -1 when there is no memory, or
   * after close()
   */
  lendInflater(): number {
    if (this.#isClosed) return NO_STREAM;
    return this.#idle.pop() ?? this.native.openInflater(WINDOW_BITS_MAX);
  }

  takeBackInflater(stream: number): void {
    if (!this.#isClosed && this.#idle.length < IDLE_INFLATERS_MAX) this.#idle.push(stream);
    else this.native.closeInflater(stream);
  }

  /**
   * Compresses a message into a frame at out[start…], which has room for deflateBound(length).
   * @param length bytes of the data; for a text as many as it may need at most
   * @param isAlone the message refers to nothing before it, and is not wanted when it does not shrink
   * @returns the frame's length; 0 when the message is better sent as it is
   */
  deflate(
    stream: number,
    opcode: number,
    data: string | Uint8Array,
    length: number,
    isAlone: boolean,
    out: Uint8Array,
    start: number,
  ): number {
    const { words } = this.native;
    words[WORD_START] = 0;
    words[WORD_END] = length;
    words[WORD_OUT_START] = start;
    words[WORD_OUT_END] = start + deflateBound(length);
    words[WORD_FLAGS] =
      FINAL_COMPRESSED |
      opcode |
      (typeof data === 'string' ? DEFLATE_TEXT : 0) |
      (isAlone ? DEFLATE_FORGET | DEFLATE_IF_SMALLER : 0);
    return this.native.deflate(stream, data, out);
  }

  /** Same, into memory of its own. @returns undefined when the message is better sent as it is */
  encode(
    stream: number,
    opcode: number,
    data: string | Uint8Array,
    isAlone: boolean,
  ): Buffer | undefined {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const frame = Buffer.allocUnsafeSlow(deflateBound(bytes.length));
    const length = this.deflate(stream, opcode, bytes, bytes.length, isAlone, frame, 0);
    return length === 0 ? undefined : frame.subarray(0, length);
  }

  /** Frees what is shared. Connections free what is theirs. */
  close(): void {
    this.#isClosed = true;
    for (const shared of this.#shared.values()) shared.close();
    for (const stream of this.#idle) this.native.closeInflater(stream);
    this.#shared.clear();
    this.#idle.length = 0;
  }
}

/**
 * A compressor that keeps no context: what it writes, every connection of its parameters can read. Its
 * memory is taken for the first message.
 */
export class SharedDeflater {
  readonly #streams: DeflateStreams;
  readonly #threshold: number;
  readonly #open: () => number;
  #stream = NO_STREAM;

  constructor(streams: DeflateStreams, threshold: number, open: () => number) {
    this.#streams = streams;
    this.#threshold = threshold;
    this.#open = open;
  }

  /** The native stream; negative when there is no memory, or the server has closed. */
  get stream(): number {
    if (this.#stream < 0) this.#stream = this.#open();
    return this.#stream;
  }

  /** Whether a message should be compressed, as MessageDeflater.wants() has it. */
  wants(length: number, compress: boolean | undefined): boolean {
    return compress ?? length >= this.#threshold;
  }

  /**
   * A compressed frame in memory of its own, for bytes that go to many.
   * @returns undefined when the message is better sent as it is
   */
  encode(opcode: number, data: string | Uint8Array): Buffer | undefined {
    const { stream } = this;
    return stream < 0 ? undefined : this.#streams.encode(stream, opcode, data, true);
  }

  /** Frees the stream. */
  close(): void {
    if (this.#stream >= 0) this.#streams.native.closeDeflater(this.#stream);
    this.#stream = NO_STREAM;
  }
}
