// What a parser tells of the frames that it reads: the seam between bytes and the session.

import type { Violation } from './protocol.ts';

/**
 * What the parser finds. Buffers belong to the receiver. Calls may throw; the parser is then
 * useless.
 */
export interface FrameSink {
  onText(text: string): void;
  onBinary(data: Buffer): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** The peer's close frame; nothing comes after it. @param code 1005 when the frame had none */
  onCloseFrame(code: number, reason: string): void;
  /** The peer broke the protocol; nothing comes after it. */
  onViolation(violation: Violation): void;
  /** The chunk has been inflated to more than its share: other connections should come before the rest. */
  onTurnSpent(): void;
}
