// A FrameSink that writes down what it is told, and a way to feed a parser from a poisoned slab.

import { FrameParser } from '../../lib/websocket/frame-parser.ts';
import type { FrameSink } from '../../lib/websocket/frame-sink.ts';
import type { Violation } from '../../lib/websocket/protocol.ts';
import { Unmasker } from '../../lib/websocket/unmask.ts';
import { referenceFrames } from './reference-frames.ts';

const POISON = 0xdd;

export class FrameRecorder implements FrameSink {
  readonly events: string[] = [];
  readonly kept: Buffer[] = [];
  readonly violations: Violation[] = [];
  onEvent: ((event: string) => void) | undefined;

  onText(text: string): void {
    this.#add(`text ${text}`);
  }

  onBinary(data: Buffer): void {
    this.kept.push(data);
    this.#add(`binary ${data.toString('hex')}`);
  }

  onPing(payload: Buffer): void {
    this.kept.push(payload);
    this.#add(`ping ${payload.toString('hex')}`.trimEnd());
  }

  onPong(payload: Buffer): void {
    this.#add(`pong ${payload.toString('hex')}`.trimEnd());
  }

  onCloseFrame(code: number, reason: string): void {
    this.#add(`close ${code} ${reason}`.trimEnd());
  }

  onViolation(violation: Violation): void {
    this.violations.push(violation);
    this.#add(`${violation.code} ${violation.closeCode}`);
  }

  onTurnSpent(): void {
    this.#add('turn spent');
  }

  #add(event: string): void {
    this.events.push(event);
    this.onEvent?.(event);
  }
}

export const MESSAGE_BYTES_MAX_DEFAULT = 1024 * 1024;

/**
 * Feeds the pieces through a slab at odd offsets, overwriting it after each call: with the scan of
 * TypeScript and with the native one, of which the result must be the same.
 */
export function parsePieces(
  pieces: readonly Buffer[],
  messageBytesMax: number = MESSAGE_BYTES_MAX_DEFAULT,
): FrameRecorder {
  const plain = feedPieces(pieces, messageBytesMax, new Unmasker());
  const scanned = feedPieces(pieces, messageBytesMax, new Unmasker(referenceFrames, 0));
  if (plain.events.join('\n') === scanned.events.join('\n')) return scanned;
  throw new Error(`native scan: ${scanned.events.join(', ')}; else: ${plain.events.join(', ')}`);
}

function feedPieces(
  pieces: readonly Buffer[],
  messageBytesMax: number,
  unmasker: Unmasker,
): FrameRecorder {
  const recorder = new FrameRecorder();
  const parser = new FrameParser(recorder, messageBytesMax, unmasker);
  const longest = Math.max(0, ...pieces.map((piece) => piece.length));
  const slab = Buffer.alloc(longest + 16, POISON);
  let offset = 0;
  for (const piece of pieces) {
    offset = (offset + 3) % 8;
    piece.copy(slab, offset);
    parser.push(slab, offset, offset + piece.length);
    slab.fill(POISON);
  }
  return recorder;
}
