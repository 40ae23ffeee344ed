// What a handler sees of a request. Everything beyond the method and the path is made when it is asked for.

import { SluiceError } from '../base/errors.ts';
import type { RouteParams } from '../http/path-table.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { RequestBody } from './http-body.ts';
import type { TrustedProxies } from './http-client-address.ts';
import type { ServerRequest } from './types.ts';

/** What a request needs from its exchange. */
export interface RequestHost {
  readonly body: RequestBody;
  readonly aborted: boolean;
  readonly signal: AbortSignal;
}

const NO_PARAMS: RouteParams = Object.freeze(Object.create(null) as Record<string, string>);

export class HttpRequest implements ServerRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  params: RouteParams = NO_PARAMS;

  readonly #head: RequestHead;
  #host: RequestHost | undefined;
  readonly #remoteAddress: string;
  readonly #proxies: TrustedProxies | undefined;
  #headers: Record<string, string> | undefined;
  #query: URLSearchParams | undefined;

  constructor(
    head: RequestHead,
    host: RequestHost,
    remoteAddress: string,
    proxies: TrustedProxies | undefined,
  ) {
    this.#head = head;
    this.#host = host;
    this.#remoteAddress = remoteAddress;
    this.#proxies = proxies;
    this.method = head.method;
    this.url = head.target;
    const question = head.resource.indexOf('?');
    this.path = question === -1 ? head.resource : head.resource.substring(0, question);
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#head.resource.substring(this.path.length));
    return this.#query;
  }

  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= joinFields(this.#head.fields);
    return this.#headers;
  }

  header(name: string): string | undefined {
    if (this.#headers !== undefined) return this.#headers[name];
    const { fields } = this.#head;
    let found: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== name) continue;
      // A repeated field is joined: the record does that.
      if (found !== undefined) return this.headers[name];
      found = fields[i + 1];
    }
    return found;
  }

  get ip(): string {
    const address = this.#remoteAddress;
    return this.#proxies === undefined
      ? address
      : this.#proxies.clientAddress(address, this.headers['x-forwarded-for']);
  }

  get aborted(): boolean {
    return this.#host?.aborted ?? false;
  }

  get signal(): AbortSignal {
    return this.#requireHost().signal;
  }

  bytes(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#requireHost().body.readWhole(
        (body, isBorrowed) => resolve(isBorrowed ? Buffer.from(body) : body),
        reject,
      );
    });
  }

  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8');
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
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

  /** Its connection speaks another protocol now: lets go of what only HTTP needs. */
  detach(): void {
    this.#host = undefined;
  }

  #requireHost(): RequestHost {
    if (this.#host === undefined) {
      throw new SluiceError('ERR_STATE', 'The request has become a WebSocket.');
    }
    return this.#host;
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
