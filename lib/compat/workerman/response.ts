// Workerman's Response, Chunk and ServerSentEvents: descriptions of an answer that connection.send() writes.

export type HeaderValue = string | number | readonly string[];
export type Headers = Readonly<Record<string, HeaderValue>>;

export interface CookieOptions {
  readonly maxAge?: number;
  readonly path?: string;
  readonly domain?: string;
  readonly secure?: boolean;
  readonly httpOnly?: boolean;
  readonly sameSite?: string;
}

export interface FilePart {
  readonly file: string;
  readonly offset: number;
  /** 0: to the end. */
  readonly length: number;
}

export class Response {
  file: FilePart | undefined;
  #status: number;
  #headers: Record<string, HeaderValue>;
  #body: string | Uint8Array;

  constructor(status = 200, headers: Headers = {}, body: string | Uint8Array = '') {
    this.#status = status;
    this.#headers = { ...headers };
    this.#body = body;
  }

  header(name: string, value: HeaderValue): this {
    this.#headers[name] = value;
    return this;
  }

  withHeader(name: string, value: HeaderValue): this {
    return this.header(name, value);
  }

  withHeaders(headers: Headers): this {
    Object.assign(this.#headers, headers);
    return this;
  }

  withoutHeader(name: string): this {
    delete this.#headers[name];
    return this;
  }

  getHeader(name: string): HeaderValue | null {
    return this.#headers[name] ?? null;
  }

  getHeaders(): Headers {
    return this.#headers;
  }

  withStatus(code: number): this {
    this.#status = code;
    return this;
  }

  getStatusCode(): number {
    return this.#status;
  }

  withBody(body: string | Uint8Array): this {
    this.#body = body;
    return this;
  }

  rawBody(): string | Uint8Array {
    return this.#body;
  }

  /** Answers with a file, or 404 when it is not there when it is sent. @param length 0: to its end */
  withFile(file: string, offset = 0, length = 0): this {
    this.file = { file, offset, length };
    return this;
  }

  cookie(name: string, value = '', options: CookieOptions = {}): this {
    const { maxAge, path, domain, sameSite } = options;
    let text = `${name}=${encodeURIComponent(value)}`;
    if (domain) text += `; Domain=${domain}`;
    if (maxAge !== undefined) text += `; Max-Age=${maxAge}`;
    if (path) text += `; Path=${path}`;
    if (options.secure === true) text += '; Secure';
    if (options.httpOnly === true) text += '; HttpOnly';
    if (sameSite) text += `; SameSite=${sameSite}`;
    const before = this.#headers['Set-Cookie'];
    const list = Array.isArray(before) ? before : before === undefined ? [] : [String(before)];
    this.#headers['Set-Cookie'] = [...list, text];
    return this;
  }
}

/** A piece of an answer that was begun with Transfer-Encoding: chunked; an empty one is the last. */
export class Chunk {
  readonly body: string | Uint8Array;

  constructor(body: string | Uint8Array) {
    this.body = body;
  }
}

export interface SentEvent {
  readonly event?: string;
  readonly data?: string;
  readonly id?: string | number;
  readonly retry?: number;
}

/** An event of an answer that was begun with Content-Type: text/event-stream. */
export class ServerSentEvents {
  readonly #event: SentEvent;

  constructor(event: SentEvent) {
    this.#event = event;
  }

  toString(): string {
    const { event, data, id, retry } = this.#event;
    let text = '';
    if (event !== undefined) text += `event: ${oneLine(event)}\n`;
    if (id !== undefined) text += `id: ${oneLine(String(id))}\n`;
    if (retry !== undefined) text += `retry: ${retry}\n`;
    if (data !== undefined) text += `data: ${data.split(/\r\n|\r|\n/).join('\ndata: ')}\n`;
    return `${text}\n`;
  }
}

/** A line break would begin another field. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
