// Workerman's Request over a request of the server: fields, query, cookies and form are parsed when they
// are asked for. The body is complete when a program sees it.

import { SluiceError } from '../../base/errors.ts';
import type { ServerRequest } from '../../server/types.ts';
import type { TcpConnection } from './tcp-connection.ts';

export type Values = Readonly<Record<string, unknown>>;

const EMPTY = Buffer.alloc(0);

export class Request {
  readonly connection: TcpConnection;
  /** The program's own. */
  context: Record<string, unknown> = {};
  readonly #request: ServerRequest;
  readonly #body: Buffer;
  #get: Values | undefined;
  #post: Values | undefined;
  #cookies: Values | undefined;

  /** @param body owned by the request */
  constructor(request: ServerRequest, connection: TcpConnection, body: Buffer = EMPTY) {
    this.#request = request;
    this.connection = connection;
    this.#body = body;
  }

  method(): string {
    return this.#request.method;
  }

  /** The request target, e.g. '/a?b=1'. */
  uri(): string {
    return this.#request.url;
  }

  path(): string {
    return this.#request.path;
  }

  queryString(): string {
    const question = this.uri().indexOf('?');
    return question === -1 ? '' : this.uri().slice(question + 1);
  }

  /** Parameters of the query: one, or all of them. `a[]=1&a[]=2` is a list. */
  get(): Values;
  get(name: string, fallback?: unknown): unknown;
  get(name?: string, fallback: unknown = null): unknown {
    this.#get ??= valuesOf(this.queryString());
    return pick(this.#get, name, fallback);
  }

  /**
   * Fields of a form or of a JSON object.
   * @throws SluiceError ERR_UNSUPPORTED for multipart/form-data
   */
  post(): Values;
  post(name: string, fallback?: unknown): unknown;
  post(name?: string, fallback: unknown = null): unknown {
    this.#post ??= this.#parseBody();
    return pick(this.#post, name, fallback);
  }

  /** A header field by its name in any case, or all with names in lower case. */
  header(): Readonly<Record<string, string>>;
  header(name: string, fallback?: string | null): string | null;
  header(name?: string, fallback: string | null = null): unknown {
    if (name === undefined) return this.#request.headers;
    return this.#request.header(name.toLowerCase()) ?? fallback;
  }

  cookie(): Values;
  cookie(name: string, fallback?: unknown): unknown;
  cookie(name?: string, fallback: unknown = null): unknown {
    this.#cookies ??= cookiesOf(this.header('cookie') ?? '');
    return pick(this.#cookies, name, fallback);
  }

  host(withoutPort = false): string | null {
    const host = this.header('host');
    return withoutPort && host !== null ? host.replace(/:\d*$/, '') : host;
  }

  /** The body as text. */
  rawBody(): string {
    return this.#body.toString('utf8');
  }

  /** The body as bytes; an addition to Workerman's interface, where strings are bytes. */
  bytes(): Buffer {
    return this.#body;
  }

  toString(): string {
    return `${this.method()} ${this.uri()}`;
  }

  #parseBody(): Values {
    const type = this.header('content-type') ?? '';
    if (/^multipart\//i.test(type)) {
      throw new SluiceError('ERR_UNSUPPORTED', 'multipart/form-data is not parsed; see bytes().');
    }
    if (!/\bjson\b/i.test(type)) return valuesOf(this.rawBody());
    try {
      const parsed: unknown = JSON.parse(this.rawBody());
      return typeof parsed === 'object' && parsed !== null ? (parsed as Values) : {};
    } catch {
      // As in Workerman: a body that is no JSON has no fields.
      return {};
    }
  }
}

function pick(values: Values, name: string | undefined, fallback: unknown): unknown {
  if (name === undefined) return values;
  return Object.hasOwn(values, name) ? values[name] : fallback;
}

/** A record without a prototype; names that end in '[]' are lists, of others the last one counts. */
function valuesOf(text: string): Values {
  const values = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of new URLSearchParams(text)) {
    if (!name.endsWith('[]')) values[name] = value;
    else {
      const key = name.slice(0, -2);
      const list = values[key];
      if (Array.isArray(list)) list.push(value);
      else values[key] = [value];
    }
  }
  return values;
}

function cookiesOf(text: string): Values {
  const values = Object.create(null) as Record<string, unknown>;
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0) values[pair.slice(0, equals).trim()] = decoded(pair.slice(equals + 1).trim());
  }
  return values;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone '%' is what the client has sent.
    return text;
  }
}
