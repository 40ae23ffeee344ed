// The incremental request parser: pulls heads and ranges of body bytes out of whatever pieces arrive.
// It owns no socket, no timer and no body; only a head that was cut is copied.
//
//   head -> (data)* -> end -> head -> ...        fault: nothing more can be read

import { ChunkedDecoder } from './chunked-decoder.ts';
import type { HttpFault } from './faults.ts';
import { HeadScanner } from './head-scanner.ts';
import type { HttpHeadLimits } from './limits.ts';
import { isFault, type RequestHead, readHead } from './request-head.ts';

/** What read() found. */
export const ParseEvent = {
  /** Everything was consumed, more bytes are needed. */
  more: 0,
  /** `head` is set. */
  head: 1,
  /** `dataStart` and `dataEnd` are a range of body bytes. */
  data: 2,
  /** The message is complete; the next byte belongs to the next one. */
  end: 3,
  /** `fault` is set; the parser reads no further. */
  fault: 4,
} as const;
export type ParseEvent = (typeof ParseEvent)[keyof typeof ParseEvent];

const Phase = { head: 0, length: 1, chunked: 2, end: 3, fault: 4 } as const;

const STASH_BYTES_MIN = 1024;

export class RequestParser {
  /** Where reading stopped, after each call. */
  position = 0;
  head: RequestHead | undefined;
  dataStart = 0;
  dataEnd = 0;
  fault: HttpFault | undefined;

  readonly #scanner: HeadScanner;
  readonly #headBytesMax: number;
  #phase: number = Phase.head;
  #rest = 0;
  #chunks: ChunkedDecoder | undefined;
  /** The bytes so far of a head that was cut. */
  #stash: Buffer | undefined;
  #stashLength = 0;

  constructor(limits: HttpHeadLimits) {
    this.#scanner = new HeadScanner(limits);
    this.#headBytesMax = limits.headBytesMax;
  }

  /** True when no byte of the next request has come. */
  get isIdle(): boolean {
    return this.#phase === Phase.head && this.#stashLength === 0;
  }

  /** True between the first and the last byte of a head. */
  get isInHead(): boolean {
    return this.#phase === Phase.head && this.#stashLength > 0;
  }

  /** Body bytes that are still to come; -1 when nobody knows (chunked). */
  get bodyBytesLeft(): number {
    return this.#phase === Phase.chunked ? -1 : this.#rest;
  }

  /**
   * Reads on in `bytes[start, end)`, up to the next event. After 'end' it may be called with no
   * bytes.
   */
  read(bytes: Buffer, start: number, end: number): ParseEvent {
    switch (this.#phase) {
      case Phase.head:
        return this.#readHead(bytes, start, end);
      case Phase.length:
        return this.#readLength(start, end);
      case Phase.chunked:
        return this.#readChunked(bytes, start, end);
      case Phase.end:
        this.#phase = Phase.head;
        this.position = start;
        return ParseEvent.end;
      default:
        this.position = start;
        return ParseEvent.fault;
    }
  }

  #readHead(bytes: Buffer, start: number, end: number): ParseEvent {
    this.position = start;
    if (start === end) return ParseEvent.more;
    if (this.#stashLength > 0) return this.#readStashed(bytes, start, end);
    const scanner = this.#scanner;
    const result = scanner.scan(bytes, start, end);
    this.position = start + scanner.length;
    if (result === 'done') return this.#beginMessage(bytes, start);
    if (result === 'refused') return this.#refuse(scanner.fault);
    this.#stashBytes(bytes, start, end);
    return ParseEvent.more;
  }

  #readStashed(bytes: Buffer, start: number, end: number): ParseEvent {
    const before = this.#stashLength;
    const taken = Math.min(end - start, this.#headBytesMax - before);
    const stash = this.#stashBytes(bytes, start, start + taken);
    const result = this.#scanner.scan(stash, 0, this.#stashLength);
    this.position = start + taken;
    if (result === 'more') return ParseEvent.more;
    this.#stash = undefined;
    this.#stashLength = 0;
    if (result === 'refused') return this.#refuse(this.#scanner.fault);
    this.position = start + this.#scanner.length - before;
    return this.#beginMessage(stash, 0);
  }

  /**
   * Grows geometrically up to headBytesMax; the scanner refuses a head before it could be
   * exceeded.
   */
  #stashBytes(bytes: Buffer, start: number, end: number): Buffer {
    const needed = this.#stashLength + end - start;
    let stash = this.#stash;
    if (stash === undefined || stash.length < needed) {
      const doubled = Math.max(STASH_BYTES_MIN, needed, 2 * (stash?.length ?? 0));
      const grown = Buffer.allocUnsafeSlow(Math.min(doubled, this.#headBytesMax));
      stash?.copy(grown, 0, 0, this.#stashLength);
      this.#stash = stash = grown;
    }
    bytes.copy(stash, this.#stashLength, start, end);
    this.#stashLength = needed;
    return stash;
  }

  #beginMessage(bytes: Buffer, base: number): ParseEvent {
    const head = readHead(this.#scanner, bytes, base);
    this.#scanner.reset();
    if (isFault(head)) return this.#refuse(head);
    this.head = head;
    if (head.contentLength > 0) {
      this.#rest = head.contentLength;
      this.#phase = Phase.length;
    } else if (head.contentLength < 0) {
      this.#chunks = new ChunkedDecoder();
      this.#phase = Phase.chunked;
    } else {
      this.#phase = Phase.end;
    }
    return ParseEvent.head;
  }

  #readLength(start: number, end: number): ParseEvent {
    this.position = start;
    if (start === end) return ParseEvent.more;
    this.dataStart = start;
    this.dataEnd = Math.min(end, start + this.#rest);
    this.position = this.dataEnd;
    this.#rest -= this.dataEnd - start;
    if (this.#rest === 0) this.#phase = Phase.end;
    return ParseEvent.data;
  }

  #readChunked(bytes: Buffer, start: number, end: number): ParseEvent {
    const chunks = this.#chunks;
    if (chunks === undefined) return ParseEvent.fault;
    const event = chunks.read(bytes, start, end);
    this.position = chunks.position;
    switch (event) {
      case 'data':
        this.dataStart = chunks.dataStart;
        this.dataEnd = chunks.dataEnd;
        return ParseEvent.data;
      case 'end':
        this.#chunks = undefined;
        this.#phase = Phase.head;
        return ParseEvent.end;
      case 'fault':
        return this.#refuse(chunks.fault);
      default:
        return ParseEvent.more;
    }
  }

  #refuse(fault: HttpFault | undefined): ParseEvent {
    this.fault = fault;
    this.#phase = Phase.fault;
    return ParseEvent.fault;
  }
}
