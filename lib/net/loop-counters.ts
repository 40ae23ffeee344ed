// What the engine counts, read from the header that it shares with the loop.

import {
  HEADER_FLUSH_COUNT,
  HEADER_QUEUED_BYTES,
  HEADER_QUEUED_BYTES_MAX,
  HEADER_QUEUED_CONNECTIONS,
  HEADER_RECEIVED_BYTES,
  HEADER_SEND_CALLS,
  HEADER_SENT_BYTES,
} from '../native/layout.ts';
import type { SendBuffer } from './send-buffer.ts';
import type { LoopStats } from './types.ts';

export class LoopCounters {
  readonly #buffer: SendBuffer;

  constructor(buffer: SendBuffer) {
    this.#buffer = buffer;
  }

  /** send(2) and sendmsg(2) calls so far; wraps at 2^32. */
  get sendCalls(): number {
    return (this.#buffer.header[HEADER_SEND_CALLS] as number) >>> 0;
  }

  get queuedBytes(): number {
    return this.#buffer.wide(HEADER_QUEUED_BYTES);
  }

  get queuedConnections(): number {
    return this.#buffer.header[HEADER_QUEUED_CONNECTIONS] as number;
  }

  get stats(): LoopStats {
    const buffer = this.#buffer;
    return {
      batches: buffer.batch,
      flushes: (buffer.header[HEADER_FLUSH_COUNT] as number) >>> 0,
      sendCalls: this.sendCalls,
      sentBytes: buffer.wide(HEADER_SENT_BYTES),
      receivedBytes: buffer.wide(HEADER_RECEIVED_BYTES),
      queuedBytes: this.queuedBytes,
      queuedBytesMax: buffer.wide(HEADER_QUEUED_BYTES_MAX),
      queuedConnections: this.queuedConnections,
    };
  }
}
