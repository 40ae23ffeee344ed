// The chunked transfer coding (RFC 9112 7.1) on borrowed bytes: it copies nothing and keeps only its
// state. Extensions and trailers are checked, bounded and discarded.
//
//   size -> [extension] -> LF -> data -> CR -> LF -> size ...   last chunk -> trailer lines -> CR LF

import { COLON, CR, FIELD_VALUE, HEX_PLUS_ONE, LF, TOKEN_LOWER } from './characters.ts';
import { HTTP_FAULTS, type HttpFault } from './faults.ts';
import { CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX } from './limits.ts';

const State = {
  size: 0,
  extensionName: 1,
  extensionValue: 2,
  extensionToken: 3,
  extensionQuoted: 4,
  extensionEscaped: 5,
  extensionEnd: 6,
  sizeLf: 7,
  data: 8,
  dataCr: 9,
  dataLf: 10,
  trailerStart: 11,
  trailerName: 12,
  trailerValue: 13,
  trailerLf: 14,
  endLf: 15,
  done: 16,
} as const;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/**
 * Names that speak of framing, routing or the connection and come too late here (RFC 9110 6.5.1).
 */
const TRAILER_FORBIDDEN = ['content-length', 'transfer-encoding', 'host', 'connection', 'upgrade'];
const TRAILER_NAME_COMPARED_MAX = 20;

export type ChunkEvent = 'more' | 'data' | 'end' | 'fault';

export class ChunkedDecoder {
  /** Where reading stopped, after each call. */
  position = 0;
  /** After 'data': the range of body bytes. */
  dataStart = 0;
  dataEnd = 0;
  fault: HttpFault | undefined;

  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #isNameEmpty = true;
  #trailerBytes = 0;
  #trailerName = '';

  /** Reads on in `bytes[start, end)`, up to the next event. */
  read(bytes: Uint8Array, start: number, end: number): ChunkEvent {
    let at = start;
    while (at < end) {
      if (this.#state === State.data) return this.#takeData(at, end);
      const fault = this.#step(bytes[at] ?? 0);
      if (fault !== undefined) {
        this.fault = fault;
        this.position = at;
        return 'fault';
      }
      at++;
      if (this.#state === State.done) {
        this.position = at;
        return 'end';
      }
    }
    this.position = at;
    return 'more';
  }

  #takeData(at: number, end: number): ChunkEvent {
    this.dataStart = at;
    this.dataEnd = Math.min(end, at + this.#size);
    this.#size -= this.dataEnd - at;
    this.position = this.dataEnd;
    if (this.#size === 0) this.#state = State.dataCr;
    return 'data';
  }

  #step(byte: number): HttpFault | undefined {
    const state = this.#state;
    if (state === State.size) return this.#stepSize(byte);
    if (state < State.sizeLf) return this.#stepExtension(byte);
    if (state >= State.trailerStart) return this.#stepTrailer(byte);
    if (state === State.dataCr) return this.#expect(byte, CR, State.dataLf, HTTP_FAULTS.chunkEnd);
    if (state === State.dataLf) return this.#expect(byte, LF, State.size, HTTP_FAULTS.chunkEnd);
    const next = this.#size === 0 ? State.trailerStart : State.data;
    return this.#expect(byte, LF, next, HTTP_FAULTS.chunkSize);
  }

  #stepSize(byte: number): HttpFault | undefined {
    const digit = HEX_PLUS_ONE[byte] ?? 0;
    if (digit !== 0) {
      if (this.#digits === CHUNK_SIZE_DIGITS_MAX) return HTTP_FAULTS.chunkSize;
      this.#size = this.#size * 16 + digit - 1;
      this.#digits++;
      return undefined;
    }
    if (this.#digits === 0) return HTTP_FAULTS.chunkSize;
    this.#digits = 0;
    return this.#endOfExtension(byte, HTTP_FAULTS.chunkSize);
  }

  /**
   * *( ";" token [ "=" ( token / quoted-string ) ] ), without the whitespace that RFC 9112 calls
   * bad.
   */
  #stepExtension(byte: number): HttpFault | undefined {
    if (++this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) return HTTP_FAULTS.chunkExtension;
    switch (this.#state) {
      case State.extensionName:
        if (this.#takeTokenByte(byte)) return undefined;
        if (this.#isNameEmpty) return HTTP_FAULTS.chunkExtension;
        if (byte !== EQUALS) return this.#endOfExtension(byte, HTTP_FAULTS.chunkExtension);
        this.#state = State.extensionValue;
        return undefined;
      case State.extensionValue:
        this.#isNameEmpty = true;
        this.#state = byte === QUOTE ? State.extensionQuoted : State.extensionToken;
        if (byte === QUOTE || this.#takeTokenByte(byte)) return undefined;
        return HTTP_FAULTS.chunkExtension;
      case State.extensionToken:
        if (this.#takeTokenByte(byte)) return undefined;
        return this.#endOfExtension(byte, HTTP_FAULTS.chunkExtension);
      case State.extensionQuoted:
        if (byte === QUOTE) this.#state = State.extensionEnd;
        else if (byte === BACKSLASH) this.#state = State.extensionEscaped;
        else if (FIELD_VALUE[byte] === 0) return HTTP_FAULTS.chunkExtension;
        return undefined;
      case State.extensionEscaped:
        this.#state = State.extensionQuoted;
        return FIELD_VALUE[byte] === 0 ? HTTP_FAULTS.chunkExtension : undefined;
      default:
        return this.#endOfExtension(byte, HTTP_FAULTS.chunkExtension);
    }
  }

  #takeTokenByte(byte: number): boolean {
    if (TOKEN_LOWER[byte] === 0) return false;
    this.#isNameEmpty = false;
    return true;
  }

  /** After a size or an extension: another extension, or the end of the line. */
  #endOfExtension(byte: number, fault: HttpFault): HttpFault | undefined {
    if (byte === SEMICOLON) {
      this.#isNameEmpty = true;
      this.#state = State.extensionName;
      return undefined;
    }
    return this.#expect(byte, CR, State.sizeLf, fault);
  }

  #stepTrailer(byte: number): HttpFault | undefined {
    if (++this.#trailerBytes > TRAILER_BYTES_MAX) return HTTP_FAULTS.trailerLength;
    switch (this.#state) {
      case State.trailerStart:
        this.#trailerName = '';
        if (byte === CR) {
          this.#state = State.endLf;
          return undefined;
        }
        this.#state = State.trailerName;
        return this.#stepTrailerName(byte);
      case State.trailerName:
        return this.#stepTrailerName(byte);
      case State.trailerValue:
        if (FIELD_VALUE[byte] !== 0) return undefined;
        return this.#expect(byte, CR, State.trailerLf, HTTP_FAULTS.trailer);
      case State.trailerLf:
        return this.#expect(byte, LF, State.trailerStart, HTTP_FAULTS.trailer);
      default:
        return this.#expect(byte, LF, State.done, HTTP_FAULTS.trailer);
    }
  }

  #stepTrailerName(byte: number): HttpFault | undefined {
    const lower = TOKEN_LOWER[byte] ?? 0;
    if (lower !== 0) {
      if (this.#trailerName.length < TRAILER_NAME_COMPARED_MAX) {
        this.#trailerName += String.fromCharCode(lower);
      }
      return undefined;
    }
    if (this.#trailerName === '' || TRAILER_FORBIDDEN.includes(this.#trailerName)) {
      return HTTP_FAULTS.trailer;
    }
    return this.#expect(byte, COLON, State.trailerValue, HTTP_FAULTS.trailer);
  }

  #expect(byte: number, wanted: number, next: number, fault: HttpFault): HttpFault | undefined {
    if (byte !== wanted) return fault;
    this.#state = next;
    return undefined;
  }
}
