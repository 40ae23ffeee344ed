// What few sessions have, or all of them only at their end: made when the first of it is needed, so that
// an idle connection does not carry it.

import { FramePace, type FrameProgress } from './frame-pace.ts';
import { HOLD, type InboundGate } from './inbound-gate.ts';
import { CLOSE_CODE } from './protocol.ts';
import type { Delivery, Initiator } from './session-types.ts';
import type { StreamReader } from './stream-reader.ts';

/** The idle time is looked at in this many steps: no timer is touched when data comes. */
export const IDLE_STEPS = 2;

/** Of what it has yet to take, a peer on a slow line takes so many from look to look. */
export const TAKEN_BYTES_MIN = 1024;

const NOTHING_OWED: Delivery = { takenBytes: 0, owedBytes: 0 };

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
  /** At the last look. */
  #delivery: Delivery = NOTHING_OWED;

  /** Whether nothing is to be parsed. */
  get isHeld(): boolean {
    return this.isDeaf || this.gate?.isShut === true;
  }

  /**
   * A look at what the peer takes. @returns whether there was something to take at the last look,
   * and it has taken enough of that
   */
  isTaking(delivery: Delivery): boolean {
    const { takenBytes, owedBytes } = this.#delivery;
    this.#delivery = delivery;
    const least = Math.min(owedBytes, TAKEN_BYTES_MIN);
    return least > 0 && delivery.takenBytes - takenBytes >= least;
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
