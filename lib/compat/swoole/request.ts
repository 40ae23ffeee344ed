// A request in the shape of Swoole\Http\Request: fields, query, form and cookies as records. All of them are
// made when they are asked for; the body is there before `request` is called.

import type { ServerRequest } from '../../server/types.ts';
import type { Client } from './clients.ts';

type Texts = Record<string, string>;

/** `server` of a request. */
export interface RequestServer {
  readonly request_method: string;
  readonly request_uri: string;
  readonly path_info: string;
  readonly query_string: string;
  /** Seconds since 1970. */
  readonly request_time: number;
  readonly request_time_float: number;
  readonly server_protocol: string;
  readonly server_port: number;
  readonly remote_port: number;
  readonly remote_addr: string;
}

const FORM = 'application/x-www-form-urlencoded';

export class Request {
  readonly fd: number;
  readonly #source: ServerRequest;
  readonly #client: Client;
  readonly #body: Buffer;
  readonly #at = Date.now();
  #server: RequestServer | undefined;
  #get: Texts | undefined;
  #post: Texts | undefined;
  #cookie: Texts | undefined;

  /** @param body the program's own */
  constructor(source: ServerRequest, client: Client, body: Buffer) {
    this.fd = client.fd;
    this.#source = source;
    this.#client = client;
    this.#body = body;
  }

  /** By name in lower case. */
  get header(): Readonly<Texts> {
    return this.#source.headers;
  }

  get server(): RequestServer {
    this.#server ??= this.#makeServer();
    return this.#server;
  }

  /** The query; of a repeated name the last value, as in PHP. */
  get get(): Texts {
    this.#get ??= textsOf(this.#source.query);
    return this.#get;
  }

  /** The fields of a urlencoded form; empty for any other body. */
  get post(): Texts {
    this.#post ??= this.#isForm ? textsOf(new URLSearchParams(this.#body.toString('utf8'))) : {};
    return this.#post;
  }

  get cookie(): Texts {
    this.#cookie ??= cookiesOf(this.#source.headers['cookie'] ?? '');
    return this.#cookie;
  }

  /** The body as it came. */
  rawContent(): Buffer {
    return this.#body;
  }

  getContent(): Buffer {
    return this.#body;
  }

  getMethod(): string {
    return this.#source.method;
  }

  isCompleted(): boolean {
    return true;
  }

  get #isForm(): boolean {
    const [type = ''] = (this.#source.headers['content-type'] ?? '').split(';');
    return type.trim().toLowerCase() === FORM;
  }

  #makeServer(): RequestServer {
    const { method, url, path } = this.#source;
    const question = url.indexOf('?');
    const { connection, port } = this.#client;
    return {
      request_method: method,
      request_uri: path,
      path_info: path,
      query_string: question === -1 ? '' : url.slice(question + 1),
      request_time: Math.floor(this.#at / 1000),
      request_time_float: this.#at / 1000,
      server_protocol: 'HTTP/1.1',
      server_port: port.port,
      remote_port: connection.remotePort,
      remote_addr: this.#source.ip,
    };
  }
}

/** Without a prototype: a field named like a method of Object is a field only. */
function emptyTexts(): Texts {
  return Object.create(null) as Texts;
}

function textsOf(pairs: URLSearchParams): Texts {
  const texts = emptyTexts();
  for (const [name, value] of pairs) texts[name] = value;
  return texts;
}

function cookiesOf(field: string): Texts {
  const texts = emptyTexts();
  for (const pair of field.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    texts[pair.slice(0, equals).trim()] = decoded(pair.slice(equals + 1).trim());
  }
  return texts;
}

/** What is no percent-encoding stays as it is. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  return /%(?![0-9a-fA-F]{2})/.test(text) ? text : decodeBytes(text);
}

function decodeBytes(text: string): string {
  const latin1 = text.replace(/%([0-9a-fA-F]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
