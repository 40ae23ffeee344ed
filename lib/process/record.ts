// Records on a stream: length, protocol version, kind, payload. Control lines and the bus share it.
// Knows no socket and no kind.
//
//   0        4         5      6
//   +--------+---------+------+---------+
//   | length | version | kind | payload |      length: little-endian, of all that follows it
//   +--------+---------+------+---------+

export const RECORD_HEADER_BYTES = 6;
/** The protocol that this version speaks; the first record of a line agrees on one. */
export const RECORD_VERSION = 1;

const LENGTH_BYTES = 4;
const PREFIX_BYTES = RECORD_HEADER_BYTES - LENGTH_BYTES;

/** Gets records in order; `bytes[start, end)` is borrowed for the call. @returns false to stop */
export type RecordSink = (kind: number, bytes: Buffer, start: number, end: number) => boolean;

/** Writes the header before a payload of that many bytes. @returns where the payload goes */
export function writeRecordHeader(into: Buffer, at: number, kind: number, bytes: number): number {
  into.writeUInt32LE(bytes + PREFIX_BYTES, at);
  into[at + LENGTH_BYTES] = RECORD_VERSION;
  into[at + LENGTH_BYTES + 1] = kind;
  return at + RECORD_HEADER_BYTES;
}

/** A record of its own. */
export function encodeRecord(kind: number, payload: string): Buffer {
  const bytes = Buffer.byteLength(payload);
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + bytes);
  record.write(payload, writeRecordHeader(record, 0, kind, bytes), 'utf8');
  return record;
}

/** Cuts a stream into records. What is not complete waits as a copy of at most `bytesMax`. */
export class RecordReader {
  readonly #bytesMax: number;
  #rest: Buffer | undefined;
  #restBytes = 0;

  /** @param bytesMax of one record, its header included */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @returns false when the stream is no sequence of our records, or the sink has had enough */
  push(bytes: Buffer, start: number, end: number, sink: RecordSink): boolean {
    let at = start;
    while (this.#restBytes > 0) {
      const taken = this.#complete(bytes, at, end);
      if (taken < 0) return false;
      at += taken;
      const rest = this.#rest as Buffer;
      const length = recordLength(rest, 0, this.#restBytes);
      if (length === 0 || this.#restBytes < length) return true;
      this.#restBytes = 0;
      this.#rest = undefined;
      if (!sink(rest[5] as number, rest, RECORD_HEADER_BYTES, length)) return false;
    }
    return this.#whole(bytes, at, end, sink);
  }

  #whole(bytes: Buffer, start: number, end: number, sink: RecordSink): boolean {
    let at = start;
    while (at < end) {
      const length = recordLength(bytes, at, end - at);
      if (!this.#isAllowed(bytes, at, end - at, length)) return false;
      if (length === 0 || at + length > end) break;
      const kind = bytes[at + LENGTH_BYTES + 1] as number;
      if (!sink(kind, bytes, at + RECORD_HEADER_BYTES, at + length)) return false;
      at += length;
    }
    if (at < end) this.#keep(bytes, at, end);
    return true;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const length = recordLength(bytes, start, end - start);
    this.#rest = Buffer.allocUnsafe(Math.max(length, RECORD_HEADER_BYTES));
    this.#restBytes = bytes.copy(this.#rest, 0, start, end);
  }

  /** Adds to the record that waits. @returns bytes taken, or -1 when it is none of ours */
  #complete(bytes: Buffer, start: number, end: number): number {
    let taken = 0;
    // First the header, which says how much room the whole needs.
    for (let step = 0; step < 2; step++) {
      const rest = this.#rest as Buffer;
      const length = recordLength(rest, 0, this.#restBytes);
      if (!this.#isAllowed(rest, 0, this.#restBytes, length)) return -1;
      const target = length === 0 ? RECORD_HEADER_BYTES : length;
      if (rest.length < target) {
        this.#rest = Buffer.allocUnsafe(target);
        rest.copy(this.#rest, 0, 0, this.#restBytes);
      }
      const wanted = Math.min(target - this.#restBytes, end - start - taken);
      bytes.copy(this.#rest as Buffer, this.#restBytes, start + taken, start + taken + wanted);
      this.#restBytes += wanted;
      taken += wanted;
    }
    const rest = this.#rest as Buffer;
    const length = recordLength(rest, 0, this.#restBytes);
    return this.#isAllowed(rest, 0, this.#restBytes, length) ? taken : -1;
  }

  /** Length and version as far as they are known. */
  #isAllowed(bytes: Buffer, at: number, have: number, length: number): boolean {
    if (have >= LENGTH_BYTES) {
      const said = bytes.readUInt32LE(at) + LENGTH_BYTES;
      if (said < RECORD_HEADER_BYTES || said > this.#bytesMax) return false;
    }
    return length === 0 || bytes[at + LENGTH_BYTES] === RECORD_VERSION;
  }
}

/** Of the record that begins at `at`, header included; 0 while its header is not complete. */
function recordLength(bytes: Buffer, at: number, have: number): number {
  return have < RECORD_HEADER_BYTES ? 0 : bytes.readUInt32LE(at) + LENGTH_BYTES;
}
