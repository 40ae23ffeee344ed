// Calls for a connection that another worker has: they are handed over, and the worker that has it does them.

import type { Siblings } from '../siblings/siblings.ts';
import {
  SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW,
  SWOOLE_ERROR_SESSION_CLOSED,
  SWOOLE_ERROR_SESSION_NOT_EXIST,
  SWOOLE_ERROR_WEBSOCKET_UNCONNECTED,
  WEBSOCKET_STATUS_ACTIVE,
  WEBSOCKET_STATUS_CLOSING,
} from './constants.ts';
import type { FrameData } from './frame.ts';
import { type OtherClients, serialOf } from './other-clients.ts';

/** Methods of the server that a sibling may ask for; the first argument is the connection. */
export const RELAYED = [
  ...['ping', 'disconnect', 'send', 'sendfile', 'close', 'pause', 'resume', 'protect', 'bind'],
] as const;

export interface PushWord {
  readonly kind: 'push';
  readonly fds: number[];
  readonly data: FrameData;
  readonly opcode: number;
  readonly flags: number;
}

export interface CallWord {
  readonly kind: 'call';
  readonly method: string;
  readonly args: readonly unknown[];
}

export class Relay {
  readonly #serial: number;
  readonly #siblings: Siblings;
  readonly #others: OtherClients;

  constructor(serial: number, siblings: Siblings, others: OtherClients) {
    this.#serial = serial;
    this.#siblings = siblings;
    this.#others = others;
  }

  /** It names a connection of another process, that may be gone. */
  isOther(fd: number): boolean {
    return Number.isSafeInteger(fd) && serialOf(fd) !== this.#serial;
  }

  /** @returns one of SWOOLE_ERROR_…; 0: handed over */
  push(fd: number, data: FrameData, opcode: number, flags: number): number {
    const error = this.#errorOf(fd, true);
    if (error !== 0) return error;
    const serial = serialOf(fd);
    const last = this.#siblings.lastTo(serial) as PushWord | undefined;
    // A broadcast carries its payload once.
    if (last?.kind === 'push' && last.opcode === opcode && last.flags === flags) {
      if (isSame(last.data, data)) {
        last.fds.push(fd);
        return 0;
      }
    }
    const own = typeof data === 'string' ? data : Buffer.from(data);
    const word: PushWord = { kind: 'push', fds: [fd], data: own, opcode, flags };
    return this.#hand(serial, word, data.length);
  }

  /** @param needsSocket it must be an open WebSocket */
  call(
    method: (typeof RELAYED)[number],
    needsSocket: boolean,
    args: [number, ...unknown[]],
  ): number {
    const [fd, data] = args;
    const error = this.#errorOf(fd, needsSocket);
    if (error !== 0) return error;
    const word: CallWord = { kind: 'call', method, args };
    const bytes = typeof data === 'string' || data instanceof Uint8Array ? data.length : 0;
    return this.#hand(serialOf(fd), word, bytes);
  }

  #hand(serial: number, word: PushWord | CallWord, bytes: number): number {
    return this.#siblings.send(serial, word, bytes) ? 0 : SWOOLE_ERROR_OUTPUT_BUFFER_OVERFLOW;
  }

  #errorOf(fd: number, needsSocket: boolean): number {
    const info = this.#others.get(fd);
    if (!this.#siblings.has(serialOf(fd))) return SWOOLE_ERROR_SESSION_NOT_EXIST;
    if (info === undefined) return this.#others.mayBeNew(fd) ? 0 : SWOOLE_ERROR_SESSION_NOT_EXIST;
    if (info.websocket_status === WEBSOCKET_STATUS_CLOSING) return SWOOLE_ERROR_SESSION_CLOSED;
    if (!needsSocket || info.websocket_status === WEBSOCKET_STATUS_ACTIVE) return 0;
    return SWOOLE_ERROR_WEBSOCKET_UNCONNECTED;
  }
}

function isSame(a: FrameData, b: FrameData): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
}
