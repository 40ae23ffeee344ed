// Writes a Response of the program through a response of the server: fields, a body, or a file.

import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { mediaTypeOf, UNKNOWN_MEDIA_TYPE } from '../../server/static/media-types.ts';
import type { ServerResponse } from '../../server/types.ts';
import type { FilePart, Response } from './response.ts';

const DEFAULT_TYPE = 'text/html;charset=utf-8';
/** Said by the codec itself. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['transfer-encoding', 'content-length']);

/**
 * @returns a promise while a file is being sent
 * @throws SluiceError ERR_ARG_RANGE for a status or field that cannot be sent
 */
export function answer(response: ServerResponse, answered: Response): Promise<unknown> | undefined {
  if (answered.file !== undefined) return answerFile(response, answered, answered.file);
  response.status(answered.getStatusCode());
  const streams = writeFields(response, answered);
  const body = answered.rawBody();
  if (!streams) response.end(body);
  else response.write(body);
  return undefined;
}

/** @returns whether the body comes in pieces: chunks or events */
function writeFields(response: ServerResponse, answered: Response, type = DEFAULT_TYPE): boolean {
  let hasType = false;
  let streams = false;
  for (const [name, value] of Object.entries(answered.getHeaders())) {
    const lower = name.toLowerCase();
    if (lower === 'content-type') hasType = true;
    if (lower === 'transfer-encoding') streams = true;
    if (lower === 'content-type' && String(value).startsWith('text/event-stream')) streams = true;
    if (OWN_FIELDS.has(lower)) continue;
    if (typeof value === 'string' || typeof value === 'number')
      response.header(name, String(value));
    else for (const each of value) response.header(name, each);
  }
  if (!hasType) response.header('Content-Type', type);
  return streams;
}

async function answerFile(
  response: ServerResponse,
  answered: Response,
  part: FilePart,
): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(part.file);
    const facts = await handle.stat();
    if (!facts.isFile()) {
      response.status(404).end('<h3>404 Not Found</h3>');
      return;
    }
    const rest = Math.max(0, facts.size - part.offset);
    const length = part.length === 0 ? rest : Math.min(part.length, rest);
    writeFileHead(response, answered, part.file, facts.mtime);
    response.header('Content-Length', String(length));
    if (length === 0) {
      response.end();
      return;
    }
    const end = part.offset + length - 1;
    const source = createReadStream('', { fd: handle, autoClose: false, start: part.offset, end });
    await response.stream(source);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (handle !== undefined || (code !== 'ENOENT' && code !== 'ENOTDIR')) throw error;
    response.status(404).end('<h3>404 Not Found</h3>');
  } finally {
    await handle?.close();
  }
}

function writeFileHead(
  response: ServerResponse,
  answered: Response,
  file: string,
  mtime: Date,
): void {
  const type = mediaTypeOf(file);
  response.status(answered.getStatusCode());
  response.header('Last-Modified', mtime.toUTCString());
  if (type === UNKNOWN_MEDIA_TYPE) {
    const name = basename(file).replace(/["\\\r\n]/g, '_');
    if (/^[\x20-\x7e]+$/.test(name)) {
      response.header('Content-Disposition', `attachment; filename="${name}"`);
    }
  }
  writeFields(response, answered, type);
}
