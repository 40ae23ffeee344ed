// Files of a folder over HTTP: which file a request means, whether the client has it already, which part
// it wants, in which stored coding. The store finds files, the body plans what is sent.

import { realpathSync } from 'node:fs';
import { SluiceError } from '../../base/errors.ts';
import { acceptedCodings } from '../../http/accept-encoding.ts';
import { type ByteRange, parseRanges } from '../../http/byte-ranges.ts';
import { formatHttpDate } from '../../http/http-date.ts';
import { evaluatePreconditions, rangeApplies } from '../../http/preconditions.ts';
import { checkField } from '../../http/response-head.ts';
import type { ServerRequest, ServerResponse, StaticFilesOptions } from '../http/http-types.ts';
import { mediaTypeOf } from './media-types.ts';
import {
  bodyInMemory,
  FileChangedError,
  planBody,
  readBody,
  type StaticBody,
} from './static-body.ts';
import { staticNameOf } from './static-name.ts';
import { isOpened, type StoredFile } from './static-open-files.ts';
import { StaticStore } from './static-store.ts';

const FRESH_MS_DEFAULT = 1000;
const FRESH_MS_MAX = 3_600_000;
/** Stored codings, the best first, and what they add to a file's name. */
const CODINGS = ['br', 'gzip'] as const;
const SUFFIXES = { br: '.br', gzip: '.gz' } as const;

type Coding = (typeof CODINGS)[number];

/** A file and the form in which it goes out. */
interface Found {
  readonly file: StoredFile;
  readonly coding: Coding | undefined;
}

export class StaticFiles {
  readonly #options: StaticFilesOptions;
  readonly #index: string | undefined;
  readonly #headers: readonly (readonly [string, string])[];
  readonly #clock: { now(): number };
  readonly #store: StaticStore;

  /**
   * @param directory must exist; its real path is taken now
   * @throws SluiceError ERR_SYSTEM when it does not, ERR_ARG_RANGE for options that cannot be sent
   */
  constructor(directory: string, options: StaticFilesOptions, clock: { now(): number }) {
    const { index = 'index.html', freshMs = FRESH_MS_DEFAULT } = options;
    this.#options = options;
    this.#index = index === false ? undefined : index;
    this.#headers = headersOf(options);
    this.#clock = clock;
    if (!(freshMs >= 0 && freshMs <= FRESH_MS_MAX)) {
      throw new SluiceError('ERR_ARG_RANGE', `freshMs is from 0 to ${FRESH_MS_MAX}.`);
    }
    const leavesRoot = options.symlinks === 'anywhere';
    const failed = (error: unknown): void => options.failed?.(error as Error, '');
    this.#store = new StaticStore({ root: rootOf(directory), freshMs, leavesRoot, clock, failed });
  }

  get store(): StaticStore {
    return this.#store;
  }

  /** The handler of a route that ends in '*'. A file that is in memory and fresh is answered at once. */
  handle(request: ServerRequest, response: ServerResponse): unknown {
    const wanted = staticNameOf(request.params['*'] ?? '', this.#options.dotfiles === true);
    const name = wanted?.isFolder === true ? this.#indexIn(wanted.name) : wanted?.name;
    if (name === undefined) return this.#answerMissing(request, response);
    const codings = this.#codingsFor(request);
    const found = this.#peek(name, codings);
    if (found === undefined) return this.#findAndSend(request, response, name, codings);
    return isOpened(found.file)
      ? this.#sendOpened(request, response, name, found)
      : this.#sendFromMemory(request, response, name, found);
  }

  #indexIn(folder: string): string | undefined {
    if (this.#index === undefined) return undefined;
    return folder === '' ? this.#index : `${folder}/${this.#index}`;
  }

  #codingsFor(request: ServerRequest): readonly Coding[] {
    if (this.#options.precompressed !== true) return [];
    return acceptedCodings(request.header('accept-encoding'), CODINGS);
  }

  /** @returns undefined when the file system must be asked */
  #peek(name: string, codings: readonly Coding[]): Found | undefined {
    for (const coding of codings) {
      const file = this.#store.peek(name + SUFFIXES[coding]);
      if (file === undefined) return undefined;
      if (file !== 'missing') return { file, coding };
    }
    const file = this.#store.peek(name);
    return file === undefined || file === 'missing' ? undefined : { file, coding: undefined };
  }

  async #findAndSend(
    request: ServerRequest,
    response: ServerResponse,
    name: string,
    codings: readonly Coding[],
  ): Promise<void> {
    let found: Found | 'missing' | 'folder' | 'busy';
    try {
      found = await this.#find(name, codings);
    } catch (error) {
      this.#options.failed?.(error as Error, name);
      response.status(500).end('Internal Server Error\n');
      return;
    }
    if (found === 'missing') this.#answerMissing(request, response);
    else if (found === 'folder') this.#answerFolder(request, response);
    else if (found === 'busy') answerBusy(response);
    else if (isOpened(found.file)) await this.#sendOpened(request, response, name, found);
    else await this.#sendFromMemory(request, response, name, found);
  }

  async #find(
    name: string,
    codings: readonly Coding[],
  ): Promise<Found | 'missing' | 'folder' | 'busy'> {
    for (const coding of codings) {
      const stored = await this.#store.find(name + SUFFIXES[coding], true);
      if (stored === 'busy') return stored;
      if (stored !== 'missing' && stored !== 'folder') return { file: stored, coding };
    }
    const plain = await this.#store.find(name, false);
    return typeof plain === 'string' ? plain : { file: plain, coding: undefined };
  }

  #sendFromMemory(
    request: ServerRequest,
    response: ServerResponse,
    name: string,
    found: Found,
  ): Promise<void> | undefined {
    const body = this.#begin(request, response, name, found);
    if (body === undefined) return undefined;
    const bytes = bodyInMemory(found.file, body);
    if (request.method === 'HEAD') response.header('Content-Length', String(body.length)).end();
    else if (bytes !== undefined) response.end(bytes);
    else return this.#stream(response, name, found.file, body);
    return undefined;
  }

  async #sendOpened(
    request: ServerRequest,
    response: ServerResponse,
    name: string,
    found: Found,
  ): Promise<void> {
    const { file } = found;
    try {
      const body = this.#begin(request, response, name, found);
      if (body !== undefined) await this.#stream(response, name, file, body);
    } finally {
      if (isOpened(file)) this.#store.release(file);
    }
  }

  /** A file that cannot be read on cuts the answer; that is the client's sign, `failed` the operator's. */
  async #stream(
    response: ServerResponse,
    name: string,
    file: StoredFile,
    body: StaticBody,
  ): Promise<void> {
    try {
      response.header('Content-Length', String(body.length));
      await response.stream(readBody(file, body));
    } catch (error) {
      const isExpected = error instanceof FileChangedError || isSystemError(error);
      if (!isExpected) throw error;
      this.#options.failed?.(error, name);
    }
  }

  /** Sets status and fields. @returns what is to be sent; undefined when the answer is complete */
  #begin(
    request: ServerRequest,
    response: ServerResponse,
    name: string,
    found: Found,
  ): StaticBody | undefined {
    const { etag, version } = found.file;
    const validators = { etag, modifiedMs: version.modifiedMs };
    const now = this.#clock.now();
    const field = (wanted: string): string | undefined => request.header(wanted);
    response.header('ETag', etag).header('Last-Modified', formatHttpDate(version.modifiedMs));
    for (const [header, value] of this.#headers) response.header(header, value);
    if (this.#options.precompressed === true) response.header('Vary', 'Accept-Encoding');
    const verdict = evaluatePreconditions(field, validators, now);
    if (verdict !== 'send') {
      response.status(verdict === 'unchanged' ? 304 : 412).end();
      return undefined;
    }
    const type = mediaTypeOf(name);
    const ranges = rangesOf(request, validators, version.size, now);
    if (ranges === 'refuse') {
      response.status(416).header('Content-Range', `bytes */${version.size}`).end();
      return undefined;
    }
    const body = planBody(version.size, type, ranges);
    response.header('Content-Type', body.contentType ?? type).header('Accept-Ranges', 'bytes');
    if (found.coding !== undefined) response.header('Content-Encoding', found.coding);
    if (body.contentRange !== undefined) response.header('Content-Range', body.contentRange);
    if (ranges !== undefined) response.status(206);
    return body;
  }

  #answerMissing(request: ServerRequest, response: ServerResponse): unknown {
    if (this.#options.notFound !== undefined) return this.#options.notFound(request, response);
    return response.status(404).end('Not Found\n');
  }

  /** Relative links in the index need the slash. Relative itself: a proxy may know another path. */
  #answerFolder(request: ServerRequest, response: ServerResponse): void {
    if (this.#index === undefined) {
      this.#answerMissing(request, response);
      return;
    }
    const last = request.path.slice(request.path.lastIndexOf('/') + 1);
    const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
    response.redirect(`./${last}/${query}`, 308);
  }
}

/** Only GET has ranges (RFC 9110 14.2). @returns undefined for the whole file */
function rangesOf(
  request: ServerRequest,
  validators: { etag: string; modifiedMs: number },
  size: number,
  now: number,
): readonly ByteRange[] | 'refuse' | undefined {
  const field = request.method === 'GET' ? request.header('range') : undefined;
  if (field === undefined) return undefined;
  if (!rangeApplies(request.header('if-range'), validators, now)) return undefined;
  const ranges = parseRanges(field, size);
  return ranges === 'ignore' ? undefined : ranges;
}

function answerBusy(response: ServerResponse): void {
  response.status(503).header('Retry-After', '1').end('Service Unavailable\n');
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

function headersOf(options: StaticFilesOptions): readonly (readonly [string, string])[] {
  const { cacheControl = 'no-cache', headers = {} } = options;
  const all = Object.entries({
    'Cache-Control': cacheControl,
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  for (const [name, value] of all) checkField(name, value);
  return all;
}

function rootOf(directory: string): string {
  try {
    return realpathSync(directory);
  } catch (cause) {
    const { errno, message } = cause as NodeJS.ErrnoException;
    throw new SluiceError('ERR_SYSTEM', message, { errno: errno ?? 0, syscall: 'realpath' });
  }
}
