// What few sessions have, or all of them only at their end: made when the first of it is needed, so that
// an idle connection does not carry it.

import { FramePace, type FrameProgress } from './frame-pace.ts';
import { HOLD, type InboundGate } from './inbound-gate.ts';
import { CLOSE_CODE } from './protocol.ts';
import type { Initiator } from './session-types.ts';
import type { StreamReader } from './stream-reader.ts';

/** The idle time is looked at in this many steps: no timer is touched when data comes. */
export const IDLE_STEPS = 2;

/** With `serial`: looks at the idle time that a handler's promise may take, twice that of a peer. */
const PROMISE_STEPS_MAX = 4 * IDLE_STEPS;

/** Looks at the idle time within which a frame in progress must move on. */
const FRAME_STEPS_MAX = 2 * IDLE_STEPS;

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

  /** A look at the promise that is waited for, if one is. */
  isPromiseLate(): boolean {
    if (this.gate?.has(HOLD.promise) !== true) return false;
    return ++this.promiseSteps >= PROMISE_STEPS_MAX;
  }

  /** A look at the frame in progress. @returns whether it has not moved on for too long */
  isFrameSlow(parser: FrameProgress): boolean {
    this.#pace ??= new FramePace();
    return this.#pace.look(parser) >= FRAME_STEPS_MAX;
  }

  /** No frame is in progress. */
  betweenFrames(): void {
    this.#pace = undefined;
  }
}
