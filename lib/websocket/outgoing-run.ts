// The hot path of sending: small texts of one connection are strung together with their headers as
// characters, and written with one call before the loop flushes. A run describes itself:
//
//   U+0081 char(length) text  U+0081 char(length) text ...      length in UTF-16 units, below 126
//
// If all texts are ASCII, the run in latin1 is exactly the bytes of the frames.

import type { FrameEncoder, FramePort } from './frame-encoder.ts';

/** Texts below this many UTF-16 units may go into a run. */
export const RUN_TEXT_LENGTH_MAX = 125;
/**
 * A run is written when it has this many messages or characters, to bound what waits as a string.
 */
export const RUN_MESSAGES_MAX = 256;
export const RUN_LENGTH_MAX = 16 * 1024;

const HEADERS: readonly string[] = Array.from(
  { length: RUN_TEXT_LENGTH_MAX + 1 },
  (_, length) => `\x81${String.fromCharCode(length)}`,
);

export class OutgoingRun {
  #run = '';
  #count = 0;

  /** Characters that wait: the bytes of the frames when they are ASCII. */
  get length(): number {
    return this.#run.length;
  }

  /**
   * Adds a text of at most RUN_TEXT_LENGTH_MAX units. @returns true when the run is full: it must be
   * flushed before the next one
   */
  add(text: string): boolean {
    // From the left, or there would be a string of header and text for each message.
    this.#run = this.#run + HEADERS[text.length] + text;
    return ++this.#count >= RUN_MESSAGES_MAX || this.#run.length >= RUN_LENGTH_MAX;
  }

  /** Writes everything that waits, in order. */
  flush(port: FramePort, encoder: FrameEncoder): void {
    const run = this.#run;
    const count = this.#count;
    if (count === 0) return;
    this.#run = '';
    this.#count = 0;
    // Each header's first character, U+0081, takes two bytes in UTF-8, its second one takes one byte.
    // Every other character beyond ASCII would add at least one byte more.
    if (Buffer.byteLength(run) === run.length + count) encoder.latin1(port, run);
    else writeOneByOne(run, port, encoder);
  }
}

function writeOneByOne(run: string, port: FramePort, encoder: FrameEncoder): void {
  for (let at = 0; at < run.length; ) {
    const textAt = at + 2;
    at = textAt + run.charCodeAt(at + 1);
    encoder.text(port, run.slice(textAt, at));
  }
}

/** Whether a text belongs into a run. */
export function fitsRun(text: string): boolean {
  return text.length <= RUN_TEXT_LENGTH_MAX;
}
