// What of a file goes into an answer, and in which wrapping: all of it, one range, or several as
// multipart/byteranges (RFC 9110 15.3.7). Reads large files piece by piece, as fast as they are taken.

import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import type { ByteRange } from '../../http/byte-ranges.ts';
import { readCachedNative } from '../../native/bytes.ts';
import { isOpened, type OpenedFile, type StoredFile, versionOf } from './static-open-files.ts';

/** Bytes of a file that are in memory per request. */
export const READ_BYTES = 128 * 1024;
const BOUNDARY_BYTES = 18;

/** A file was changed while it was being sent: the answer must not look whole. */
export class FileChangedError extends Error {}

interface Part {
  readonly head: string;
  readonly range: ByteRange;
}

export interface StaticBody {
  readonly length: number;
  /** undefined: the file's own. */
  readonly contentType: string | undefined;
  /** undefined for the whole file and for several ranges. */
  readonly contentRange: string | undefined;
  readonly parts: readonly Part[];
  readonly end: string;
}

/** @param ranges undefined for the whole file */
export function planBody(
  size: number,
  fileType: string,
  ranges: readonly ByteRange[] | undefined,
): StaticBody {
  const [only] = ranges ?? [];
  if (ranges === undefined || only === undefined) {
    const parts = size === 0 ? [] : [{ head: '', range: { first: 0, last: size - 1 } }];
    return { length: size, contentType: undefined, contentRange: undefined, parts, end: '' };
  }
  if (ranges.length === 1) {
    const contentRange = contentRangeOf(only, size);
    const parts = [{ head: '', range: only }];
    return { length: lengthOf(only), contentType: undefined, contentRange, parts, end: '' };
  }
  const boundary = randomBytes(BOUNDARY_BYTES).toString('hex');
  const parts = ranges.map((range, i) => ({
    head: partHead(i === 0, boundary, fileType, contentRangeOf(range, size)),
    range,
  }));
  const end = `\r\n--${boundary}--\r\n`;
  const length = parts.reduce((sum, part) => sum + part.head.length + lengthOf(part.range), 0);
  const contentType = `multipart/byteranges; boundary=${boundary}`;
  return { length: length + end.length, contentType, contentRange: undefined, parts, end };
}

/** The pieces of the body, in order. A piece is valid until the next one is asked for. */
export async function* readBody(
  file: StoredFile,
  body: StaticBody,
): AsyncGenerator<string | Uint8Array> {
  for (const { head, range } of body.parts) {
    if (head !== '') yield head;
    if (isOpened(file)) yield* readRange(file, range);
    else if (file.bytes !== undefined) yield file.bytes.subarray(range.first, range.last + 1);
  }
  if (body.end !== '') yield body.end;
}

/** The whole of a body that is in memory, when it is one piece. */
export function bodyInMemory(file: StoredFile, body: StaticBody): Buffer | undefined {
  const [part] = body.parts;
  if (file.bytes === undefined || body.parts.length > 1) return undefined;
  return part === undefined
    ? file.bytes
    : file.bytes.subarray(part.range.first, part.range.last + 1);
}

async function* readRange(file: OpenedFile, range: ByteRange): AsyncGenerator<Uint8Array> {
  // Given out again and again: whoever writes it into a response copies it.
  const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, lengthOf(range)));
  let position = range.first;
  while (position <= range.last) {
    const wanted = Math.min(buffer.length, range.last - position + 1);
    // The page cache first: a turn of Node's thread pool costs more than the bytes themselves.
    const cached = readCachedNative(buffer, 0, wanted, file.handle.fd, position);
    const bytesRead =
      cached > 0 ? cached : (await file.handle.read(buffer, 0, wanted, position)).bytesRead;
    if (bytesRead === 0) throw new FileChangedError('The file became shorter.');
    position += bytesRead;
    if (position > range.last) requireUnchanged(file);
    yield buffer.subarray(0, bytesRead);
  }
}

/** Looked at before the last piece leaves: a file that only grew still has what was announced. */
function requireUnchanged(file: OpenedFile): void {
  const now = versionOf(fstatSync(file.handle.fd));
  const { size, modifiedMs } = file.version;
  if (now.size > size || (now.size === size && now.modifiedMs === modifiedMs)) return;
  throw new FileChangedError('The file was changed.');
}

function lengthOf(range: ByteRange): number {
  return range.last - range.first + 1;
}

function contentRangeOf(range: ByteRange, size: number): string {
  return `bytes ${range.first}-${range.last}/${size}`;
}

function partHead(isFirst: boolean, boundary: string, type: string, contentRange: string): string {
  const start = isFirst ? '' : '\r\n';
  return `${start}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange}\r\n\r\n`;
}
