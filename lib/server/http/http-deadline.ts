// The one deadline of an HTTP connection and what it stands for at the moment. Slow and standing still
// are different things: a body and an answer may take long as long as they move on.

import type { Connection } from '../../net/types.ts';
import type { HttpLimits } from './http-application.ts';

export type HttpPhase = 'off' | 'head' | 'idle' | 'body' | 'stalled' | 'handshake';

/**
 * A body that brings less than this within its timeout, and an answer of which less is taken, is
 * given up: the slowest rate that is borne.
 */
export const BODY_PROGRESS_BYTES = 4096;

export class HttpDeadline {
  readonly #connection: Connection;
  readonly #limits: HttpLimits;
  /** 'stale': the connection's timer still runs for a phase that is over. */
  #phase: HttpPhase | 'stale' = 'off';
  /** Bytes of the body received when the deadline was set. */
  #mark = 0;
  /** Bytes of answers that the client had taken when that was last looked at. */
  #takenSeen = 0;
  #isFirstHead = true;

  constructor(connection: Connection, limits: HttpLimits) {
    this.#connection = connection;
    this.#limits = limits;
  }

  /** A new connection must bring a head, not merely its first byte, within the head's time. */
  beginConnection(): void {
    this.#set('head');
  }

  /** A request was answered: silence counts from now. */
  endExchange(): void {
    this.#isFirstHead = false;
    this.#phase = 'stale';
  }

  /**
   * Says what the connection is in. The clock starts when the phase begins, not with every byte.
   * @param receivedBytes of the body so far
   */
  arm(phase: HttpPhase, receivedBytes: number): void {
    const next = phase === 'idle' && this.#isFirstHead ? 'head' : phase;
    const hasMoved = next === 'body' && receivedBytes - this.#mark >= BODY_PROGRESS_BYTES;
    if (next === this.#phase && !hasMoved) return;
    this.#mark = receivedBytes;
    this.#set(next);
  }

  off(): void {
    this.#set('off');
  }

  /**
   * The deadline passed. @returns what to end, or 'off' when there is progress and it was set
   * again
   */
  expire(): HttpPhase {
    const phase = this.#phase;
    this.#phase = 'off';
    if (phase === 'stale') return 'off';
    if (phase !== 'stalled' && phase !== 'idle') return phase;
    if (this.#connection.pendingBytes === 0) return phase === 'idle' ? 'idle' : 'off';
    // An answer is still on its way: it may take long, but it must move.
    if (!this.#hasTaken()) return 'stalled';
    this.#set(phase);
    return 'off';
  }

  /**
   * Whether the client has taken enough since the last look. What waits tells nothing: a source with
   * backpressure keeps that the same. There was no look when the phase began, which would cost every
   * answer a crossing: the first one lets whatever was taken before count.
   */
  #hasTaken(): boolean {
    const before = this.#takenSeen;
    this.#takenSeen = this.#connection.readCounters().takenBytes;
    return this.#takenSeen - before >= BODY_PROGRESS_BYTES;
  }

  #set(phase: HttpPhase): void {
    this.#phase = phase;
    this.#connection.setDeadline(this.#durationOf(phase));
  }

  #durationOf(phase: HttpPhase): number {
    switch (phase) {
      case 'head':
        return this.#limits.headTimeoutMs;
      case 'idle':
        return this.#limits.keepAliveTimeoutMs;
      case 'handshake':
        return this.#limits.handshakeTimeoutMs;
      case 'off':
        return 0;
      default:
        return this.#limits.bodyTimeoutMs;
    }
  }
}
