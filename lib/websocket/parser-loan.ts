// Parsers on loan: between two frames a connection needs none, so one serves all connections of a loop
// in turn. Who is cut inside a frame or a message keeps the parser until that is whole.

import { FrameParser } from './frame-parser.ts';
import type { FrameSink } from './frame-sink.ts';
import type { Unmasker } from './unmask.ts';

const ignore = (): void => undefined;

/** Whom a parser serves that nobody has: it must not keep the last one alive. */
const NOBODY: FrameSink = {
  onText: ignore,
  onBinary: ignore,
  onPing: ignore,
  onPong: ignore,
  onCloseFrame: ignore,
  onViolation: ignore,
  onTurnSpent: ignore,
};

export class ParserLoan {
  readonly unmasker: Unmasker;
  /** More than one is at hand only if a chunk was parsed inside of another one's: those are dropped. */
  #spare: FrameParser | undefined;

  constructor(unmasker: Unmasker) {
    this.unmasker = unmasker;
  }

  /** A parser between frames that pushes to `sink`. @param messageBytesMax as of FrameParser */
  lend(sink: FrameSink, messageBytesMax: number): FrameParser {
    const parser = this.#spare;
    if (parser === undefined) return new FrameParser(sink, messageBytesMax, this.unmasker);
    this.#spare = undefined;
    parser.serve(sink, messageBytesMax);
    return parser;
  }

  /** @param parser one that `isFree` */
  takeBack(parser: FrameParser): void {
    parser.serve(NOBODY, 0);
    this.#spare = parser;
  }
}
