// Whether a session's messages may come: the reasons to hold them back, and the bytes that were read
// already when the first of them appeared. Knows no frames and no handlers.

/** Why nothing is delivered; several may hold at once. */
export const HOLD = {
  /** The application has called pause(). */
  application: 1,
  /** The promise of the last message has not settled (`serial`). */
  promise: 2,
  /** The chunks of a streamed message are not taken. */
  stream: 4,
  /** Other connections come first: the last chunk was inflated to more than its share. */
  turn: 8,
} as const;

/** What the gate opens and shuts. */
export interface GateKeeper {
  /** Ends the parsing of the chunk in hand after this message. */
  stopParsing(): void;
  resumeParsing(): void;
  pausePort(): void;
  resumePort(): void;
  /** Parses bytes that were kept. @returns the place after the last one that was consumed */
  replay(bytes: Buffer): number;
}

export class InboundGate {
  readonly #keeper: GateKeeper;
  #reasons = 0;
  #isReplaying = false;
  /**
   * What of the last chunk came behind the message that shut the gate. Bounded by what one read brings:
   * the port is paused before the next one.
   */
  #stash: Buffer | undefined;

  constructor(keeper: GateKeeper) {
    this.#keeper = keeper;
  }

  get isShut(): boolean {
    return this.#reasons !== 0;
  }

  has(reason: number): boolean {
    return (this.#reasons & reason) !== 0;
  }

  /** Nothing is delivered from now on, also nothing of the chunk in hand. */
  shut(reason: number): void {
    const wasOpen = this.#reasons === 0;
    this.#reasons |= reason;
    if (!wasOpen) return;
    this.#keeper.stopParsing();
    this.#keeper.pausePort();
  }

  /** Takes reasons away; without any left delivery goes on, never inside this call. */
  open(reasons: number): void {
    if ((this.#reasons & reasons) === 0) return;
    this.#reasons &= ~reasons;
    if (this.#reasons !== 0) return;
    this.#keeper.resumeParsing();
    if (this.#stash === undefined) this.#keeper.resumePort();
    else if (!this.#isReplaying) {
      this.#isReplaying = true;
      queueMicrotask(() => this.#replay());
    }
  }

  /** Keeps a copy of bytes that were not consumed. */
  keep(rest: Buffer): void {
    this.#stash = Buffer.concat(this.#stash === undefined ? [rest] : [this.#stash, rest]);
  }

  /** Forgets what was kept: nothing is delivered any more. */
  clear(): void {
    this.#stash = undefined;
  }

  #replay(): void {
    this.#isReplaying = false;
    const stash = this.#stash;
    if (this.#reasons !== 0 || stash === undefined) return;
    this.#stash = undefined;
    const at = this.#keeper.replay(stash);
    // No copy: the stash is nobody else's, and may hold thousands of messages.
    if (at < stash.length) this.#stash = stash.subarray(at);
    if (this.#reasons === 0) this.#keeper.resumePort();
  }
}
