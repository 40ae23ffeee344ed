// Drives a RequestParser as a connection does: pieces arrive in a slab that is poisoned after each.

import { HTTP_HEAD_LIMITS, type HttpHeadLimits } from '../../../lib/http/limits.ts';
import type { RequestHead } from '../../../lib/http/request-head.ts';
import { ParseEvent, RequestParser } from '../../../lib/http/request-parser.ts';

const POISON = 0xdd;
const OFFSET = 5;

export interface ParsedRequest {
  readonly head: RequestHead;
  readonly body: string;
  readonly isComplete: boolean;
}

export interface Parsed {
  readonly requests: readonly ParsedRequest[];
  /** Code of the fault, if any. */
  readonly fault: string | undefined;
  readonly status: number | undefined;
  readonly isIdle: boolean;
}

export function parseRequests(
  pieces: readonly Buffer[],
  limits: HttpHeadLimits = HTTP_HEAD_LIMITS,
): Parsed {
  const parser = new RequestParser(limits);
  const requests: { head: RequestHead; body: string; isComplete: boolean }[] = [];
  for (const piece of pieces) {
    const slab = slabFor(piece.length);
    slab.set(piece, OFFSET);
    const end = OFFSET + piece.length;
    let at = OFFSET;
    let event: ParseEvent;
    do {
      event = parser.read(slab, at, end);
      if (parser.position < at || parser.position > end) throw new Error('position outside');
      at = parser.position;
      const current = requests.at(-1);
      if (event === ParseEvent.head && parser.head !== undefined) {
        requests.push({ head: parser.head, body: '', isComplete: false });
      } else if (event === ParseEvent.data && current !== undefined) {
        current.body += slab.toString('latin1', parser.dataStart, parser.dataEnd);
      } else if (event === ParseEvent.end && current !== undefined) {
        current.isComplete = true;
      }
    } while (event !== ParseEvent.more && event !== ParseEvent.fault);
    slab.fill(POISON, OFFSET, end);
    if (event === ParseEvent.fault) break;
    if (at !== end) throw new Error('bytes were left over');
  }
  return {
    requests,
    fault: parser.fault?.code,
    status: parser.fault?.status,
    isIdle: parser.isIdle,
  };
}

/** One for all inputs: making one per piece is most of the time of a long fuzz. */
let shared = Buffer.alloc(0);

function slabFor(length: number): Buffer {
  if (shared.length < length + 2 * OFFSET) shared = Buffer.alloc(length + 2 * OFFSET, POISON);
  return shared;
}

export function request(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}
