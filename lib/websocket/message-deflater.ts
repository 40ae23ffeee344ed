// The sending half of permessage-deflate on one connection: whether a message is compressed, and its
// frame. A compressor of its own is made for the first message and freed by end().

import type { DeflateAgreement } from './deflate-negotiation.ts';
import type { ResolvedDeflate } from './deflate-options.ts';
import { type DeflateStreams, deflateBound, type SharedDeflater } from './deflate-streams.ts';
import { type FrameEncoder, type FramePort, SEND_BYTES_MAX } from './frame-encoder.ts';

/** Frames of longer messages are made in memory of their own rather than in the send slab. */
const DIRECT_BYTES_MAX = 256 * 1024;
/** Up to here a text's bytes are guessed at three per unit rather than counted. */
const GUESSED_LENGTH_MAX = 16 * 1024;
const BYTES_PER_UNIT_MAX = 3;
const NO_STREAM = -1;

export class MessageDeflater {
  /**
   * The compressor whose frames also go to others with the same agreement; undefined when this
   * connection has a context of its own.
   */
  readonly shared: SharedDeflater | undefined;
  readonly #streams: DeflateStreams;
  readonly #agreement: DeflateAgreement;
  readonly #options: ResolvedDeflate;
  #own = NO_STREAM;
  #isEnded = false;

  constructor(streams: DeflateStreams, agreement: DeflateAgreement, options: ResolvedDeflate) {
    this.#streams = streams;
    this.#agreement = agreement;
    this.#options = options;
    const isShared = agreement.serverNoContextTakeover;
    this.shared = isShared ? streams.sharedDeflater(agreement, options) : undefined;
  }

  /** The value of Sec-WebSocket-Extensions. */
  get extensions(): string {
    return this.#agreement.answer;
  }

  /**
   * Whether a message should be compressed.
   * @param length bytes, or UTF-16 units of a text
   * @param compress what the application wants; undefined leaves it to the threshold
   */
  wants(length: number, compress: boolean | undefined): boolean {
    return compress ?? length >= this.#options.threshold;
  }

  /**
   * Writes a message as one frame: a compressed one, or a plain one where that is shorter or there is
   * no memory, which every peer must take (RFC 7692 section 6).
   * @param opcode OPCODE.text or OPCODE.binary
   * @returns what the port's last call returned: pending bytes or -errno
   */
  write(port: FramePort, encoder: FrameEncoder, opcode: number, data: string | Uint8Array): number {
    const length = mostBytesOf(data);
    const pending =
      length > SEND_BYTES_MAX ? undefined : this.#compress(port, opcode, data, length);
    if (pending !== undefined) return pending;
    if (typeof data !== 'string') return encoder.bytes(port, opcode, data);
    return encoder.text(port, data);
  }

  /** Frees what this connection has. Nothing is compressed after it. */
  end(): void {
    this.#isEnded = true;
    if (this.#own >= 0) this.#streams.native.closeDeflater(this.#own);
    this.#own = NO_STREAM;
  }

  /** @returns undefined when nothing was written, and a context of its own has not seen the message */
  #compress(
    port: FramePort,
    opcode: number,
    data: string | Uint8Array,
    length: number,
  ): number | undefined {
    // First of all whether it can be sent: what the context has seen, the peer must see.
    const isDirect = length <= DIRECT_BYTES_MAX;
    const start = port.reserve(isDirect ? deflateBound(length) : 0);
    if (start < 0) return start;
    const stream = this.shared === undefined ? this.#openOwn() : this.shared.stream;
    if (stream < 0) return undefined;
    const streams = this.#streams;
    const isAlone = this.shared !== undefined;
    if (!isDirect) {
      const frame = streams.encode(stream, opcode, data, isAlone);
      return frame === undefined ? undefined : port.write(frame);
    }
    const written = streams.deflate(stream, opcode, data, length, isAlone, streams.slab, start);
    return written === 0 ? undefined : port.commit(written);
  }

  #openOwn(): number {
    if (this.#own < 0 && !this.#isEnded) {
      const { level, memLevel } = this.#options;
      const { serverWindowBits } = this.#agreement;
      this.#own = this.#streams.native.openDeflater(serverWindowBits, level, memLevel);
    }
    return this.#own;
  }
}

function mostBytesOf(data: string | Uint8Array): number {
  const { length } = data;
  if (typeof data !== 'string') return length;
  return length <= GUESSED_LENGTH_MAX ? BYTES_PER_UNIT_MAX * length : Buffer.byteLength(data);
}
