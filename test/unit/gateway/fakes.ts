// Small fakes at the seams of the server: a request, a response and a socket that only remember.

import type {
  BodySource,
  RouteHandler,
  SendOutcome,
  Server,
  ServerRequest,
  ServerResponse,
  TlsInfo,
} from '../../../lib/server/types.ts';

export interface FakeRequestOptions {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ip?: string;
  readonly body?: string | Buffer;
  readonly tls?: TlsInfo;
  /** The body never arrives by itself: finishBody or failBody ends it. */
  readonly isSlow?: boolean;
}

export class FakeRequest implements ServerRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly params = {};
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly aborted = false;
  readonly secure: boolean;
  readonly tls: TlsInfo | undefined;
  readonly signal = new AbortController().signal;
  bodyLimit: number | undefined;
  bodyAsked = false;
  #body: Buffer;
  #isSlow: boolean;
  #whole: ((body: Buffer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(options: FakeRequestOptions = {}) {
    const url = new URL(options.url ?? '/', 'http://gateway');
    this.method = options.method ?? 'GET';
    this.url = options.url ?? '/';
    this.path = url.pathname;
    this.query = url.searchParams;
    this.headers = options.headers ?? {};
    this.ip = options.ip ?? '192.0.2.1';
    this.tls = options.tls;
    this.secure = options.tls !== undefined;
    this.#body = Buffer.from(options.body ?? '');
    this.#isSlow = options.isSlow ?? false;
  }

  header(name: string): string | undefined {
    return this.headers[name];
  }

  bytes(): Promise<Buffer> {
    return Promise.resolve(this.#body);
  }

  text(): Promise<string> {
    return Promise.resolve(this.#body.toString());
  }

  json(): Promise<unknown> {
    return Promise.resolve(JSON.parse(this.#body.toString()));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    yield this.#body;
  }

  onBody(whole: (body: Buffer) => void, failed: (error: Error) => void): void {
    this.bodyAsked = true;
    this.#whole = whole;
    this.#failed = failed;
    if (!this.#isSlow) whole(this.#body);
  }

  limitBody(bytesMax: number): void {
    this.bodyLimit = bytesMax;
  }

  finishBody(): void {
    this.#whole?.(this.#body);
  }

  failBody(): void {
    this.#failed?.(new Error('gone'));
  }
}

export class FakeResponse implements ServerResponse {
  code = 0;
  headers: Record<string, string> = {};
  body = '';
  headSent = false;
  finished = false;
  pendingBytes = 0;

  status(code: number): this {
    this.code = code;
    return this;
  }

  header(name: string, value: string): this {
    this.headers[name.toLowerCase()] = value;
    return this;
  }

  write(chunk: string | Uint8Array): this {
    this.body += Buffer.from(chunk as Uint8Array).toString();
    return this;
  }

  end(body: string | Uint8Array = ''): this {
    if (this.finished) throw new Error('answered twice');
    this.body += typeof body === 'string' ? body : Buffer.from(body).toString();
    this.headSent = true;
    this.finished = true;
    return this;
  }

  drained(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async stream(source: BodySource): Promise<boolean> {
    for await (const chunk of source) this.write(chunk);
    this.end();
    return true;
  }

  json(value: unknown): this {
    return this.header('Content-Type', 'application/json').end(JSON.stringify(value));
  }

  redirect(location: string, status = 302): this {
    return this.status(status).header('Location', location).end();
  }

  onFinish(): this {
    return this;
  }

  get problem(): Record<string, unknown> {
    return JSON.parse(this.body) as Record<string, unknown>;
  }
}

/** Accepts `room` characters, then is above its mark until drain() is called. */
export class FakeSocket {
  readonly sent: string[] = [];
  readonly topics = new Set<string>();
  readonly request: ServerRequest;
  readonly protocol = 'sluice.v1';
  readonly highMark: number;
  readonly queueBytes: number;
  isOpen = true;
  isPaused = false;
  pendingBytes = 0;
  closed: { code: number; reason: string } | undefined;
  /** false: everything is taken at once. */
  isSlow: boolean;

  constructor(options: { isSlow?: boolean; queueBytes?: number; request?: ServerRequest } = {}) {
    this.isSlow = options.isSlow ?? false;
    this.queueBytes = options.queueBytes ?? 1_000;
    this.highMark = this.queueBytes / 2;
    this.request = options.request ?? new FakeRequest();
  }

  send(data: string | Uint8Array): SendOutcome {
    if (!this.isOpen || this.pendingBytes >= this.queueBytes) return 'dropped';
    this.sent.push(String(data));
    if (this.isSlow) this.pendingBytes += data.length;
    return this.pendingBytes >= this.highMark ? 'queued' : 'sent';
  }

  ping(): SendOutcome {
    return 'sent';
  }

  close(code = 1000, reason = ''): void {
    this.isOpen = false;
    this.closed ??= { code, reason };
  }

  terminate(): void {
    this.isOpen = false;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  subscribe(topic: string): boolean {
    this.topics.add(topic);
    return true;
  }

  unsubscribe(topic: string): boolean {
    return this.topics.delete(topic);
  }

  /** What was sent, parsed. */
  get messages(): Record<string, unknown>[] {
    return this.sent.map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

/** Remembers the routes that are added to it. */
export class FakeServer {
  readonly routes = new Map<string, RouteHandler>();

  get(path: string, handler: RouteHandler): this {
    return this.route('GET', path, handler);
  }

  route(method: string, path: string, handler: RouteHandler): this {
    this.routes.set(`${method} ${path}`, handler);
    return this;
  }

  asServer(): Server {
    return this as unknown as Server;
  }

  async call(route: string, request: FakeRequest): Promise<FakeResponse> {
    const response = new FakeResponse();
    await this.routes.get(route)?.(request, response);
    return response;
  }
}
