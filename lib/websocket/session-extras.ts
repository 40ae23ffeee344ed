// What few sessions have, or all of them only at their end: made when the first of it is needed, so that
// an idle connection does not carry it.

import { FramePace, type FrameProgress } from './frame-pace.ts';
import type { InboundGate } from './inbound-gate.ts';
import { CLOSE_CODE } from './protocol.ts';
import type { Initiator } from './session-types.ts';
import type { StreamReader } from './stream-reader.ts';

export class SessionExtras {
  /** Made when something first holds messages back. */
  gate: InboundGate | undefined;
  /** Only with `streams`. */
  streams: StreamReader | undefined;
  /** Looks since the promise that is waited for was returned. */
  promiseSteps = 0;
  closeCode: number = CLOSE_CODE.abnormal;
  closeReason = '';
  initiator: Initiator | undefined;
  hasSentClose = false;
  hasHeardClose = false;
  /** What comes is discarded. */
  isDeaf = false;
  /** While a frame was in progress at the last look. */
  #pace: FramePace | undefined;
  /** The port's pending bytes at the last look. */
  #pendingSeen = 0;

  /** Whether nothing is to be parsed. */
  get isHeld(): boolean {
    return this.isDeaf || this.gate?.isShut === true;
  }

  /** The port has taken bytes since the last look. */
  isTaking(pending: number): boolean {
    const isTaking = pending < this.#pendingSeen;
    this.#pendingSeen = pending;
    return isTaking;
  }

  /** How many looks ago the frame in progress was first seen, or last had moved on. */
  lookAt(parser: FrameProgress): number {
    this.#pace ??= new FramePace();
    return this.#pace.look(parser);
  }

  /** No frame is in progress. */
  betweenFrames(): void {
    this.#pace = undefined;
  }
}
