// A frame that was begun must move on. Data that trickles keeps a connection from being silent, so
// without this a peer could hold a half frame, and the memory behind it, for ever at a byte a minute.

/** A frame that brings less than this within twice the idle time is given up. */
export const FRAME_PROGRESS_BYTES = 4096;

/** What is looked at: the parser. */
export interface FrameProgress {
  /** Bytes of the frame in progress that have come; -1 between frames. */
  readonly frameProgress: number;
  /** Frames that came in pieces and are whole now: tells one frame in progress from the next. */
  readonly cutFrames: number;
}

export class FramePace {
  #frame = -1;
  #progress = 0;
  #looks = 0;

  /**
   * Called at equal times while a frame is in progress. @returns how many looks ago it was first seen,
   * or last had moved on
   */
  look({ frameProgress, cutFrames }: FrameProgress): number {
    const hasMoved = frameProgress - this.#progress >= FRAME_PROGRESS_BYTES;
    if (cutFrames === this.#frame && !hasMoved) return ++this.#looks;
    this.#frame = cutFrames;
    this.#progress = frameProgress;
    this.#looks = 0;
    return 0;
  }
}
