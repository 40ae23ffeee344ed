// The bytes of one publish: plain frames, and per compressor what of them is better compressed. Each is
// encoded once, however many sockets it goes to.

import type { SharedDeflater } from '../../websocket/deflate-streams.ts';
import { encodeFrame, encodeTextFrames } from '../../websocket/frame-encoder.ts';

export class PublishFrames {
  /** For everybody: also who has agreed on compression takes them. */
  readonly plain: Buffer;
  readonly #opcode: number;
  readonly #messages: readonly (string | Uint8Array)[];
  readonly #compress: boolean | undefined;
  #compressed: Map<SharedDeflater, Buffer> | undefined;

  /** @param compress what the application wants; undefined leaves it to the thresholds */
  constructor(
    opcode: number,
    messages: readonly (string | Uint8Array)[],
    compress: boolean | undefined,
  ) {
    const [first = ''] = messages;
    this.#opcode = opcode;
    this.#messages = messages;
    this.#compress = compress;
    this.plain =
      messages.length === 1 ? encodeFrame(opcode, first) : encodeTextFrames(textsOf(messages));
  }

  /** The frames for a group. @param deflater undefined: plain ones */
  for(deflater: SharedDeflater | undefined): Buffer {
    if (deflater === undefined || !this.#isWorthIt(deflater)) return this.plain;
    this.#compressed ??= new Map();
    let frames = this.#compressed.get(deflater);
    if (frames === undefined) {
      frames = this.#encode(deflater);
      this.#compressed.set(deflater, frames);
    }
    return frames;
  }

  #isWorthIt(deflater: SharedDeflater): boolean {
    return this.#messages.some((message) => deflater.wants(message.length, this.#compress));
  }

  #encode(deflater: SharedDeflater): Buffer {
    const frames = this.#messages.map((message) => {
      const isWanted = deflater.wants(message.length, this.#compress);
      const frame = isWanted ? deflater.encode(this.#opcode, message) : undefined;
      return frame ?? encodeFrame(this.#opcode, message);
    });
    return frames.length === 1 ? (frames[0] ?? this.plain) : Buffer.concat(frames);
  }
}

/** Only texts are published several at once. */
function textsOf(messages: readonly (string | Uint8Array)[]): string[] {
  return messages.filter((message) => typeof message === 'string');
}
