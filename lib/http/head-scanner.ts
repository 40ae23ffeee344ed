// Scans the bytes of a request head once, byte by byte, and can stop at any of them. It finds where the
// parts lie and refuses every byte that may not stand where it stands; it does not look at meanings.
//
//   start -> method -> target -> version -> line CR LF -> field start -> name -> value -> value LF
//     |                                                   ^     |                            |
//     +- CR LF (one)                                      +-----|----------------------------+
//                                                               +- CR LF: done

import { COLON, CR, FIELD_VALUE, HTAB, LF, SP, TARGET, TOKEN_LOWER } from './characters.ts';
import { HTTP_FAULTS, type HttpFault } from './faults.ts';
import { hashStep } from './field-names.ts';
import { KnownFields } from './known-fields.ts';
import { type HttpHeadLimits, METHOD_BYTES_MAX } from './limits.ts';

const State = {
  start: 0,
  startLf: 1,
  method: 2,
  target: 3,
  version: 4,
  lineCr: 5,
  lineLf: 6,
  fieldStart: 7,
  name: 8,
  valueStart: 9,
  value: 10,
  valueLf: 11,
  endLf: 12,
  done: 13,
} as const;

const VERSION_PREFIX = Uint8Array.from(Buffer.from('HTTP/', 'latin1'));
const VERSION_BYTES = 8;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
/** What a step returns instead of the next position when the head is refused. */
const REFUSED = -1;
/** Spans kept for reuse between requests: 32 fields. */
const SPANS_KEPT_MAX = 160;

/** Numbers per field in `spans`: name start and end, hash of the name, value start and end. */
export const SPAN_WIDTH = 5;

export type ScanResult = 'more' | 'done' | 'refused';

/**
 * All positions are relative to the first byte of the head, so that the bytes may move between
 * calls.
 */
export class HeadScanner {
  methodStart = 0;
  methodEnd = 0;
  targetEnd = 0;
  minorVersion = 1;
  fieldCount = 0;
  spans: number[] = [];
  /** Bytes scanned; after 'done' the length of the head. */
  length = 0;
  fault: HttpFault | undefined;
  /** A Host that was found valid: that of the next request is usually the same. */
  knownHost: string | undefined;

  /** What the head before this one had as its fields. */
  readonly known = new KnownFields();
  /** This one has the same. */
  isKnown = false;
  /** Where the fields begin. */
  fieldsStart = 0;

  readonly #limits: HttpHeadLimits;
  #state: number = State.start;
  #mark = 0;
  #hash = 0;

  constructor(limits: HttpHeadLimits) {
    this.#limits = limits;
  }

  /** Forgets the head. */
  reset(): void {
    this.#state = State.start;
    this.methodStart = 0;
    this.fieldCount = 0;
    this.length = 0;
    this.isKnown = false;
    if (this.spans.length > SPANS_KEPT_MAX) this.spans = [];
  }

  /**
   * Goes on where it stopped.
   * @param base where the first byte of the head is in `bytes`
   * @param end  where the received bytes end; bytes after the head are not touched
   */
  scan(bytes: Uint8Array, base: number, end: number): ScanResult {
    const limit = Math.min(end, base + this.#limits.headBytesMax);
    let at = base + this.length;
    while (at < limit && this.#state !== State.done) {
      at =
        this.#state < State.fieldStart
          ? this.#scanRequestLine(bytes, base, at, limit)
          : this.#scanField(bytes, base, at, limit);
      if (at === REFUSED) return 'refused';
    }
    this.length = at - base;
    if (this.#state === State.done) return 'done';
    if (this.length < this.#limits.headBytesMax) return 'more';
    this.fault = this.#state <= State.target ? HTTP_FAULTS.targetLength : HTTP_FAULTS.headLength;
    return 'refused';
  }

  #scanRequestLine(bytes: Uint8Array, base: number, at: number, limit: number): number {
    switch (this.#state) {
      case State.start:
        return this.#scanStart(bytes, base, at);
      case State.startLf:
        return this.#expect(bytes, at, LF, State.start, HTTP_FAULTS.lineEnd);
      case State.method:
        return this.#scanMethod(bytes, base, at, limit);
      case State.target:
        return this.#scanTarget(bytes, base, at, limit);
      case State.version:
        return this.#scanVersion(bytes, base, at, limit);
      case State.lineCr:
        return this.#expect(bytes, at, CR, State.lineLf, HTTP_FAULTS.versionSyntax);
      default:
        return this.#scanLineLf(bytes, base, at, limit);
    }
  }

  #scanField(bytes: Uint8Array, base: number, at: number, limit: number): number {
    switch (this.#state) {
      case State.fieldStart:
        return this.#scanFieldStart(bytes, base, at);
      case State.name:
        return this.#scanName(bytes, base, at, limit);
      case State.valueStart:
        return this.#scanValueStart(bytes, base, at, limit);
      case State.value:
        return this.#scanValue(bytes, base, at, limit);
      case State.valueLf:
        return this.#expect(bytes, at, LF, State.fieldStart, HTTP_FAULTS.lineEnd);
      default:
        return this.#expect(bytes, at, LF, State.done, HTTP_FAULTS.lineEnd);
    }
  }

  /**
   * One empty line before the request is allowed: old clients send it after a body (RFC 9112
   * 2.2).
   */
  #scanStart(bytes: Uint8Array, base: number, at: number): number {
    if (bytes[at] === CR) {
      if (at !== base) return this.#refuse(HTTP_FAULTS.emptyLine);
      this.#state = State.startLf;
      return at + 1;
    }
    this.methodStart = at - base;
    this.#state = State.method;
    return at;
  }

  #scanMethod(bytes: Uint8Array, base: number, at: number, limit: number): number {
    while (at < limit && TOKEN_LOWER[bytes[at] ?? 0] !== 0) at++;
    if (at - base - this.methodStart > METHOD_BYTES_MAX) {
      return this.#refuse(HTTP_FAULTS.methodLength);
    }
    if (at === limit) return at;
    this.methodEnd = at - base;
    if (bytes[at] !== SP || this.methodEnd === this.methodStart) {
      return this.#refuse(HTTP_FAULTS.method);
    }
    this.#state = State.target;
    return at + 1;
  }

  #scanTarget(bytes: Uint8Array, base: number, at: number, limit: number): number {
    while (at < limit && TARGET[bytes[at] ?? 0] !== 0) at++;
    const length = at - base - this.methodEnd - 1;
    if (length > this.#limits.targetBytesMax) return this.#refuse(HTTP_FAULTS.targetLength);
    if (at === limit) return at;
    if (bytes[at] !== SP || length === 0) return this.#refuse(HTTP_FAULTS.target);
    this.targetEnd = at - base;
    this.#state = State.version;
    return at + 1;
  }

  /** "HTTP/" DIGIT "." DIGIT: at once when it is what nearly everybody sends, else one byte per step. */
  #scanVersion(bytes: Uint8Array, base: number, at: number, limit: number): number {
    if (at - base === this.targetEnd + 1 && at + VERSION_BYTES <= limit && isHttp11(bytes, at)) {
      this.minorVersion = 1;
      this.#state = State.lineCr;
      return at + VERSION_BYTES;
    }
    const index = at - base - this.targetEnd - 1;
    const byte = bytes[at] ?? 0;
    const isDigit = byte >= DIGIT_0 && byte <= DIGIT_9;
    if (index < VERSION_PREFIX.length) {
      if (byte !== VERSION_PREFIX[index]) return this.#refuse(HTTP_FAULTS.versionSyntax);
    } else if (index === 6 ? byte !== DOT : !isDigit) {
      return this.#refuse(HTTP_FAULTS.versionSyntax);
    }
    if (index === 5) this.#mark = byte;
    if (index === VERSION_BYTES - 1) {
      this.minorVersion = byte - DIGIT_0;
      if (this.#mark !== DIGIT_0 + 1 || this.minorVersion > 1) {
        return this.#refuse(HTTP_FAULTS.version);
      }
      this.#state = State.lineCr;
    }
    return at + 1;
  }

  #scanLineLf(bytes: Uint8Array, base: number, at: number, limit: number): number {
    const next = this.#expect(bytes, at, LF, State.fieldStart, HTTP_FAULTS.lineEnd);
    if (next === REFUSED) return next;
    this.fieldsStart = next - base;
    if (!this.known.matches(bytes, next, limit)) return next;
    this.isKnown = true;
    this.#state = State.done;
    return next + this.known.length;
  }

  #scanFieldStart(bytes: Uint8Array, base: number, at: number): number {
    const byte = bytes[at];
    if (byte === CR) {
      this.#state = State.endLf;
      return at + 1;
    }
    if (byte === SP || byte === HTAB) return this.#refuse(HTTP_FAULTS.fold);
    if (this.fieldCount >= this.#limits.headerCountMax) {
      return this.#refuse(HTTP_FAULTS.fieldCount);
    }
    this.#mark = at - base;
    this.#hash = 0;
    this.#state = State.name;
    return at;
  }

  #scanName(bytes: Uint8Array, base: number, at: number, limit: number): number {
    let hash = this.#hash;
    for (; at < limit; at++) {
      const lower = TOKEN_LOWER[bytes[at] ?? 0] ?? 0;
      if (lower === 0) break;
      hash = hashStep(hash, lower);
    }
    this.#hash = hash;
    if (at === limit) return at;
    const nameEnd = at - base;
    if (bytes[at] !== COLON || nameEnd === this.#mark) return this.#refuse(HTTP_FAULTS.fieldName);
    const span = this.fieldCount * SPAN_WIDTH;
    this.spans[span] = this.#mark;
    this.spans[span + 1] = nameEnd;
    this.spans[span + 2] = hash;
    this.#state = State.valueStart;
    return at + 1;
  }

  #scanValueStart(bytes: Uint8Array, base: number, at: number, limit: number): number {
    while (at < limit && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    if (at === limit) return at;
    this.#mark = at - base;
    this.#state = State.value;
    return at;
  }

  #scanValue(bytes: Uint8Array, base: number, at: number, limit: number): number {
    while (at < limit && FIELD_VALUE[bytes[at] ?? 0] !== 0) at++;
    if (at === limit) return at;
    if (bytes[at] !== CR) {
      return this.#refuse(bytes[at] === LF ? HTTP_FAULTS.lineEnd : HTTP_FAULTS.fieldValue);
    }
    let valueEnd = at;
    const valueStart = base + this.#mark;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--;
    const span = this.fieldCount * SPAN_WIDTH;
    this.spans[span + 3] = this.#mark;
    this.spans[span + 4] = valueEnd - base;
    this.fieldCount++;
    this.#state = State.valueLf;
    return at + 1;
  }

  #expect(bytes: Uint8Array, at: number, byte: number, next: number, fault: HttpFault): number {
    if (bytes[at] !== byte) return this.#refuse(fault);
    this.#state = next;
    return at + 1;
  }

  #refuse(fault: HttpFault): number {
    this.fault = fault;
    return REFUSED;
  }
}

function isHttp11(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < VERSION_PREFIX.length; i++) {
    if (bytes[at + i] !== VERSION_PREFIX[i]) return false;
  }
  return bytes[at + 5] === DIGIT_0 + 1 && bytes[at + 6] === DOT && bytes[at + 7] === DIGIT_0 + 1;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SP || byte === HTAB;
}
