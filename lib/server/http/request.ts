// What a handler sees of a request. Everything beyond the method and the path is made when it is asked for.

import { SluiceError } from '../../base/errors.ts';
import { HTTP_FAULTS, HttpError } from '../../http/faults.ts';
import type { RouteParams } from '../../http/path-table.ts';
import type { RequestHead } from '../../http/request-head.ts';
import type { TlsInfo } from '../../net/tls-info.ts';
import type { Connection } from '../../net/types.ts';
import type { TrustedProxies } from '../admission/http-client-address.ts';
import type { ServerRequest } from '../types.ts';
import type { RequestBody } from './http-body.ts';
import { packRequest, unpackRequest } from './packed-request.ts';

/** What a request needs from its exchange. */
export interface RequestHost {
  readonly body: RequestBody;
  readonly aborted: boolean;
  readonly signal: AbortSignal;
}

/** What of a head a request shows. */
type HeadParts = Pick<RequestHead, 'method' | 'target' | 'resource' | 'fields'>;

const NO_PARAMS: RouteParams = Object.freeze(Object.create(null) as Record<string, string>);

export class HttpRequest implements ServerRequest {
  readonly method: string;
  url: string;
  path: string;
  params: RouteParams = NO_PARAMS;

  /** Undefined once only the packed one is kept. */
  #head: HeadParts | undefined;
  /** See pack(). */
  #packed: string | undefined;
  #host: RequestHost | undefined;
  readonly #connection: Connection;
  readonly #proxies: TrustedProxies | undefined;
  #headers: Record<string, string> | undefined;
  #query: URLSearchParams | undefined;

  constructor(
    head: HeadParts,
    host: RequestHost | undefined,
    connection: Connection,
    proxies: TrustedProxies | undefined,
  ) {
    this.#head = head;
    this.#host = host;
    this.#connection = connection;
    this.#proxies = proxies;
    this.method = head.method;
    this.url = head.target;
    const question = head.resource.indexOf('?');
    this.path = question === -1 ? head.resource : head.resource.substring(0, question);
  }

  get query(): URLSearchParams {
    if (this.#query === undefined) {
      const { url } = this;
      const question = url.indexOf('?');
      this.#query = new URLSearchParams(question === -1 ? '' : url.substring(question));
    }
    return this.#query;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= joinFields(this.#fields());
    return this.#headers;
  }

  header(name: string): string | undefined {
    if (this.#headers !== undefined) return this.#headers[name];
    const fields = this.#fields();
    let found: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== name) continue;
      // A repeated field is joined: the record does that.
      if (found !== undefined) return this.headers[name];
      found = fields[i + 1];
    }
    return found;
  }

  get secure(): boolean {
    return this.#connection.isSecure;
  }

  get tls(): TlsInfo | undefined {
    return this.#connection.tlsInfo();
  }

  get ip(): string {
    const address = this.#connection.remoteAddress;
    return this.#proxies === undefined
      ? address
      : this.#proxies.clientAddress(address, this.header(this.#proxies.header));
  }

  get aborted(): boolean {
    return this.#host?.aborted ?? false;
  }

  get signal(): AbortSignal {
    return this.#requireHost().signal;
  }

  bytes(): Promise<Buffer> {
    return this.#read(ownedBytes);
  }

  text(): Promise<string> {
    return this.#read(textOf);
  }

  json(): Promise<unknown> {
    return this.#read(jsonOf);
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return this.#requireHost().body.iterate();
  }

  onBody(whole: (body: Buffer) => void, failed: (error: Error) => void): void {
    this.#requireHost().body.readWhole(whole, failed);
  }

  limitBody(bytesMax: number): void {
    this.#requireHost().body.limit(bytesMax);
  }

  /** What is kept of the request of a WebSocket. */
  pack(): string {
    const { url, path, params } = this;
    this.#packed ??= packRequest({ url, path, params, fields: this.#fields() });
    return this.#packed;
  }

  /** Of what pack() has returned. */
  static unpack(
    packed: string,
    connection: Connection,
    proxies: TrustedProxies | undefined,
  ): HttpRequest {
    const { url, path, params, fields } = unpackRequest(packed);
    const head = { method: 'GET', target: url, resource: path, fields };
    const request = new HttpRequest(head, undefined, connection, proxies);
    request.params = params;
    return request;
  }

  /**
   * Its connection speaks another protocol now: lets go of what only HTTP needs, and keeps strings
   * that hold no other string.
   */
  detach(): void {
    this.#host = undefined;
    if (this.#head === undefined) return;
    this.pack();
    const isPathAll = this.path === this.url;
    this.url = flatCopy(this.url);
    this.path = isPathAll ? this.url : flatCopy(this.path);
    this.#head = undefined;
    this.#headers = undefined;
    this.#query = undefined;
  }

  /** What it came on; for those who number connections, not for handlers. */
  static connectionOf(request: ServerRequest): Connection | undefined {
    return request instanceof HttpRequest ? request.#connection : undefined;
  }

  #fields(): readonly string[] {
    if (this.#head !== undefined) return this.#head.fields;
    return this.#packed === undefined ? [] : unpackRequest(this.#packed).fields;
  }

  /** One promise; what can be made of borrowed bytes at once is not copied first. */
  #read<Result>(convert: (body: Buffer, isBorrowed: boolean) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#requireHost().body.readWhole((body, isBorrowed) => {
        try {
          resolve(convert(body, isBorrowed));
        } catch (error) {
          reject(error);
        }
      }, reject);
    });
  }

  #requireHost(): RequestHost {
    if (this.#host === undefined) {
      throw new SluiceError('ERR_STATE', 'The request has become a WebSocket.');
    }
    return this.#host;
  }
}

/** What was cut out of a head keeps the whole head; a copy does not. All of it is latin1. */
function flatCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function ownedBytes(body: Buffer, isBorrowed: boolean): Buffer {
  return isBorrowed ? Buffer.from(body) : body;
}

function textOf(body: Buffer): string {
  return body.toString('utf8');
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new HttpError(HTTP_FAULTS.bodyJson, { cause });
  }
}

/** A record without a prototype: a field named like a method of Object is a field only. */
function joinFields(fields: readonly string[]): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const value = fields[i + 1] ?? '';
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers;
}
