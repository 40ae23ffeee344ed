// The agents' page: the files of the built console, read into memory when the gateway starts. No
// third party's code, nothing cached, nothing framed (contract.md section 3).

import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { mediaTypeOf, UNKNOWN_MEDIA_TYPE } from '../server/static/media-types.ts';
import type { Server, ServerRequest, ServerResponse } from '../server/types.ts';
import { sendProblem } from './problem.ts';

/** A console is a page, a script and a style: more is a mistake of the folder. */
const FILES_MAX = 200;
const BYTES_MAX = 16 * 1024 * 1024;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface StaticFile {
  readonly type: string;
  readonly bytes: Buffer;
}

export type ConsoleFiles = ReadonlyMap<string, StaticFile>;

/** The page says in this element where the agents' WebSocket is. */
const AGENTS_PATH_ELEMENT = /(<meta name="sluice-agents-path" content=")[^"]*(")/;

/**
 * The files under `folder` by their path in it; empty when it does not exist.
 * @param agentsPath written into the page
 */
export async function readConsole(folder: string, agentsPath: string): Promise<ConsoleFiles> {
  const files = new Map<string, StaticFile>();
  let bytesTotal = 0;
  for (const name of await listFiles(folder)) {
    const type = mediaTypeOf(name);
    // What has no type of the web has no business in a page: it is not served at all.
    if (type === UNKNOWN_MEDIA_TYPE || files.size >= FILES_MAX) continue;
    const bytes = await readFile(name);
    bytesTotal += bytes.length;
    if (bytesTotal > BYTES_MAX) break;
    files.set(relative(folder, name).split(sep).join('/'), { type, bytes });
  }
  const page = files.get('index.html');
  if (page !== undefined) {
    // The configuration lets only plain path characters through, so that nothing needs escaping.
    const text = page.bytes.toString().replace(AGENTS_PATH_ELEMENT, `$1${agentsPath}$2`);
    files.set('index.html', { type: page.type, bytes: Buffer.from(text) });
  }
  return files;
}

/** Serves `files` under a path, e.g. '/console/'; without the slash at its end it redirects. */
export function addConsoleRoutes(server: Server, configured: string, files: ConsoleFiles): void {
  const bare = configured.replace(/\/+$/, '');
  const path = `${bare}/`;
  const serve = (request: ServerRequest, response: ServerResponse): void =>
    serveFile(files, request.path.slice(path.length), response);
  server.get(`${path}*`, serve);
  if (bare !== '') {
    server.get(bare, (_request, response) => {
      response.status(308).header('Location', path).end();
    });
  }
}

function serveFile(files: ConsoleFiles, name: string, response: ServerResponse): void {
  if (files.size === 0) {
    sendProblem(response, 'unavailable', 'The console is not built: run `npm run build`.');
    return;
  }
  const file = files.get(name === '' ? 'index.html' : name);
  if (file === undefined) {
    sendProblem(response, 'not_found', 'There is no such file.');
    return;
  }
  response
    .status(200)
    .header('Content-Type', file.type)
    .header('Content-Security-Policy', POLICY)
    .header('Cache-Control', 'no-store')
    .header('Referrer-Policy', 'no-referrer')
    .header('X-Content-Type-Options', 'nosniff')
    .end(file.bytes);
}

async function listFiles(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
