// An answer in the shape of Swoole\Http\Response. Whatever is asked of one that is over does nothing and says
// false, as there; what nobody may send (a line break in a field) is thrown.

import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs';
import { mediaTypeOf } from '../../server/static/media-types.ts';

/** Where an answer goes: a response of the server, or the decision about a handshake. */
export interface AnswerSink {
  readonly finished: boolean;
  status(code: number): unknown;
  header(name: string, value: string): unknown;
  write(chunk: string | Uint8Array): unknown;
  end(body?: string | Uint8Array): unknown;
  /** Ends the answer with what comes from there. Rejects as the source does. */
  stream(source: AsyncIterable<Uint8Array>): Promise<unknown>;
}

const HTML_TYPE = 'text/html; charset=utf-8';

export class Response {
  readonly fd: number;
  readonly #sink: AnswerSink;
  readonly #close: () => void;
  readonly #report: (error: unknown) => void;
  #hasType = false;

  constructor(fd: number, sink: AnswerSink, close: () => void, report: (error: unknown) => void) {
    this.fd = fd;
    this.#sink = sink;
    this.#close = close;
    this.#report = report;
  }

  /** @param value a list becomes one field, joined by commas */
  header(name: string, value: string | number | readonly string[]): boolean {
    if (this.#sink.finished) return false;
    if (name.toLowerCase() === 'content-type') this.#hasType = true;
    this.#sink.header(name, Array.isArray(value) ? value.join(', ') : String(value));
    return true;
  }

  setHeader(name: string, value: string | number | readonly string[]): boolean {
    return this.header(name, value);
  }

  /** A reason, if there is one, is not sent: HTTP has no use for it. */
  status(code: number, _reason?: string): boolean {
    if (this.#sink.finished) return false;
    this.#sink.status(code);
    return true;
  }

  setStatusCode(code: number, reason?: string): boolean {
    return this.status(code, reason);
  }

  /** @param expires seconds since 1970; 0: with the browser's session */
  cookie(
    name: string,
    value = '',
    expires = 0,
    path = '/',
    domain = '',
    secure = false,
    httponly = false,
    samesite = '',
  ): boolean {
    const coded = encodeURIComponent(value);
    return this.rawcookie(name, coded, expires, path, domain, secure, httponly, samesite);
  }

  setCookie(...args: Parameters<Response['cookie']>): boolean {
    return this.cookie(...args);
  }

  /** As cookie(), with the value as it is. */
  rawcookie(
    name: string,
    value = '',
    expires = 0,
    path = '/',
    domain = '',
    secure = false,
    httponly = false,
    samesite = '',
  ): boolean {
    let text = `${name}=${value}`;
    if (expires !== 0) text += `; Expires=${new Date(expires * 1000).toUTCString()}`;
    if (path !== '') text += `; Path=${path}`;
    if (domain !== '') text += `; Domain=${domain}`;
    if (secure) text += '; Secure';
    if (httponly) text += '; HttpOnly';
    if (samesite !== '') text += `; SameSite=${samesite}`;
    return this.header('Set-Cookie', text);
  }

  rawCookie(...args: Parameters<Response['rawcookie']>): boolean {
    return this.rawcookie(...args);
  }

  write(chunk: string | Uint8Array): boolean {
    if (this.#sink.finished) return false;
    this.#nameType();
    this.#sink.write(chunk);
    return true;
  }

  end(content?: string | Uint8Array): boolean {
    if (this.#sink.finished) return false;
    if (content !== undefined) this.#nameType();
    this.#sink.end(content);
    return true;
  }

  redirect(location: string, status = 302): boolean {
    if (this.#sink.finished) return false;
    this.status(status);
    this.header('Location', location);
    return this.end();
  }

  /**
   * Sends a part of a file, from `offset` on `length` bytes; 0: to its end.
   * @returns false when it cannot be read, or has not that much
   */
  sendfile(path: string, offset = 0, length = 0): boolean {
    if (this.#sink.finished) return false;
    const file = openFile(path, offset, length);
    if (file === undefined) return false;
    if (!this.#hasType) this.header('Content-Type', mediaTypeOf(path));
    this.#sink.header('Content-Length', String(file.length));
    if (file.length === 0) {
      closeSync(file.fd);
      return this.end();
    }
    const end = offset + file.length - 1;
    const source = createReadStream('', { fd: file.fd, start: offset, end });
    this.#sink.stream(source).catch(this.#report);
    return true;
  }

  /** False once it is over, or the client is gone. */
  isWritable(): boolean {
    return !this.#sink.finished;
  }

  /** Closes the connection. */
  close(): boolean {
    this.#close();
    return true;
  }

  #nameType(): void {
    if (!this.#hasType) this.header('Content-Type', HTML_TYPE);
  }
}

interface OpenFile {
  readonly fd: number;
  /** Bytes to be sent. */
  readonly length: number;
}

/** @returns undefined for a file that cannot be read, is none, or ends too early */
export function openFile(path: string, offset: number, length: number): OpenFile | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  const stat = fstatSync(fd);
  const wanted = length === 0 ? stat.size - offset : length;
  const isThere = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0;
  if (stat.isFile() && isThere && wanted >= 0 && offset + wanted <= stat.size) {
    return { fd, length: wanted };
  }
  closeSync(fd);
  return undefined;
}
