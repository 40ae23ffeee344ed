// One response: collects status and fields, decides on the framing, writes. What it writes goes to the
// connection at once; the connection decides what comes after it.

import { SluiceError } from '../../base/errors.ts';
import type { RequestHead } from '../../http/request-head.ts';
import {
  checkField,
  checkStatus,
  type DateSource,
  isBodiless,
  statusLine,
} from '../../http/response-head.ts';
import { ERROR_NAMES } from '../../native/error-names.ts';
import { HIGH_WATER_BYTES, PENDING_BYTES_MAX } from '../../native/layout.ts';
import type { Connection } from '../../net/types.ts';
import type { BodySource, ServerResponse } from '../types.ts';
import { ResponseFields } from './response-fields.ts';
import { type Framing, streamedField, streamedFraming, wholeField } from './response-framing.ts';
import { ResponseStream } from './response-stream.ts';
import { ResponseWaiters } from './response-waiters.ts';

/** What a response needs from the connection that it belongs to. */
export interface ResponseHost {
  readonly connection: Connection;
  readonly date: DateSource;
  /** Asked once, when the head is written: may the connection stay open after this response? */
  mayKeepAlive(): boolean;
  /** Everything was handed to the connection. */
  responseFinished(): void;
  /** Bytes of a streamed response were written and some are pending. */
  responseStalled(): void;
  /** Nobody will get the answer. */
  responseAborted(): void;
  /** Something failed that no promise or throw can tell. */
  report(error: unknown): void;
}

const TEXT_TYPE = 'Content-Type: text/plain; charset=utf-8\r\n';
const DIGITS = /^[0-9]{1,15}$/;

export class HttpResponse implements ServerResponse {
  readonly #host: ResponseHost;
  readonly #isHead: boolean;
  readonly #minorVersion: number;
  #status = 200;
  #fields: ResponseFields | undefined;
  #framing: Framing = 'undecided';
  #declaredLength = -1;
  #writtenLength = 0;
  #wantsClose = false;
  #namesUpgrade = false;
  #state: 'open' | 'finished' | 'aborted' = 'open';
  #keepsAlive = false;
  #waiters: ResponseWaiters | undefined;

  constructor(host: ResponseHost, head: RequestHead) {
    this.#host = host;
    this.#isHead = head.method === 'HEAD';
    this.#minorVersion = head.minorVersion;
  }

  get statusCode(): number {
    return this.#status;
  }

  get headSent(): boolean {
    return this.#framing !== 'undecided';
  }

  get finished(): boolean {
    return this.#state !== 'open';
  }

  /** True when the head that was written lets the connection live on. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  get pendingBytes(): number {
    return this.#host.connection.pendingBytes;
  }

  /** Below the high mark no drain would ever be reported: that is resolved at once. */
  drained(): Promise<boolean> {
    if (this.#state === 'aborted') return Promise.resolve(false);
    if (this.#state === 'finished' || this.pendingBytes < HIGH_WATER_BYTES) {
      return Promise.resolve(this.#host.connection.isOpen);
    }
    return this.#needWaiters().drained();
  }

  status(code: number): this {
    checkStatus(code);
    this.#requireHeadOpen();
    this.#status = code;
    return this;
  }

  /**
   * Replaces a field of that name; Set-Cookie is added. Transfer-Encoding belongs to the server.
   */
  header(name: string, value: string): this {
    checkField(name, value);
    this.#requireHeadOpen();
    const lower = name.toLowerCase();
    if (lower === 'connection') this.#setConnection(value);
    else if (lower === 'content-length') this.#declareLength(value);
    else if (lower === 'transfer-encoding') refuseField(name);
    else {
      this.#fields ??= new ResponseFields();
      this.#fields.set(name, lower, value);
    }
    return this;
  }

  write(chunk: string | Uint8Array): this {
    if (this.#state === 'aborted') return this;
    this.#requireOpen();
    requireChunk(chunk);
    if (!this.headSent) this.#decideStreamed();
    const length = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length;
    if (length === 0) return this;
    this.#count(length);
    if (this.#framing === 'chunked') this.#writeChunk(chunk, length);
    else if (this.#framing !== 'none') this.#send(chunk, length, '');
    if (this.pendingBytes > 0) this.#host.responseStalled();
    return this;
  }

  end(body?: string | Uint8Array): this {
    if (this.#state === 'aborted') return this;
    this.#requireOpen();
    if (body !== undefined) requireChunk(body);
    if (!this.headSent) this.#writeWhole(body);
    else this.#endStream(body);
    this.#finish();
    return this;
  }

  json(value: unknown): this {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new SluiceError('ERR_ARG_TYPE', 'JSON has no text for that.');
    if (this.#fields?.has('content-type') !== true) this.header('Content-Type', 'application/json');
    return this.end(text);
  }

  redirect(location: string, status = 302): this {
    if (!(status >= 300 && status <= 399)) {
      throw new SluiceError('ERR_ARG_RANGE', `Not a redirecting status: ${status}`);
    }
    return this.status(status).header('Location', location).end();
  }

  stream(source: BodySource): Promise<boolean> {
    return new ResponseStream(this, source).run();
  }

  /** True when a body would not be sent: the answer to HEAD, or a status without one. */
  get isBodyless(): boolean {
    return this.#isHead || isBodiless(this.#status);
  }

  /** Sends the head of a streamed answer now, if it was not sent. */
  sendHead(): void {
    if (this.#state === 'open' && !this.headSent) this.#decideStreamed();
  }

  report(error: unknown): void {
    this.#host.report(error);
  }

  /** The rest will not come: whoever reads must see that it is missing. */
  cut(): void {
    if (this.#state !== 'open') return;
    this.#host.connection.reset();
    this.abort();
  }

  onFinish(callback: (sent: boolean) => void): this {
    if (this.#state === 'open') this.#needWaiters().onFinish(callback);
    else callback(this.#state === 'finished');
    return this;
  }

  /** The handler's fields were meant for another answer: how to cache it, how it is coded. */
  dropFields(): void {
    this.#fields = undefined;
  }

  /** The server's own answer instead of the handler's; the connection closes after it. */
  answerAlone(status: number, body: string | undefined): void {
    this.#declaredLength = -1;
    this.#wantsClose = true;
    this.status(status).end(body);
  }

  /**
   * The client is gone, or the server answered in the handler's place: everything later is
   * ignored.
   */
  abort(): void {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    this.#host.responseAborted();
    this.#settle(false);
  }

  /** The connection's queue has room again. */
  connectionDrained(): void {
    this.#waiters?.tellDrained(this.#host.connection.isOpen);
  }

  #setConnection(value: string): void {
    const option = value.toLowerCase();
    if (option === 'close') this.#wantsClose = true;
    else if (option === 'upgrade') this.#namesUpgrade = true;
    else if (option !== 'keep-alive') refuseField('Connection');
  }

  #declareLength(value: string): void {
    if (!DIGITS.test(value)) refuseField('Content-Length');
    this.#declaredLength = Number(value);
  }

  /**
   * The one-piece response: its length is known, and a short text leaves together with its head.
   */
  #writeWhole(body: string | Uint8Array | undefined): void {
    const length = bytesOf(body);
    const declared = this.#declaredLength;
    const isBodiless_ = isBodiless(this.#status);
    const hasNone = isBodiless_ || this.#isHead;
    if (declared >= 0 && !hasNone && declared !== length) {
      throw new SluiceError('ERR_STATE', 'The body has not the length that Content-Length says.');
    }
    this.#framing = hasNone ? 'none' : 'length';
    const isUnknown = this.#isHead && body === undefined;
    let framing = wholeField(this.#status, declared, isUnknown ? -1 : length);
    const isText = typeof body === 'string' && length > 0 && !isBodiless_;
    if (isText && this.#fields?.has('content-type') !== true) framing = TEXT_TYPE + framing;
    const head = this.#headText(framing);
    if (this.#framing === 'none' || body === undefined)
      this.#accepted(this.#host.connection.writeLatin1(head));
    else this.#send(body, length, head);
  }

  /** The head of a response whose length is not known yet, or was declared. */
  #decideStreamed(): void {
    const facts = {
      status: this.#status,
      declaredLength: this.#declaredLength,
      minorVersion: this.#minorVersion,
    };
    const framing = streamedFraming(facts);
    if (framing === 'close') this.#wantsClose = true;
    this.#framing = this.#isHead ? 'none' : framing;
    const head = this.#headText(streamedField(framing, facts));
    this.#accepted(this.#host.connection.writeLatin1(head));
  }

  #headText(framing: string): string {
    this.#keepsAlive = !this.#wantsClose && this.#host.mayKeepAlive();
    let text = this.#startText();
    text += framing;
    if (this.#namesUpgrade) text += 'Connection: Upgrade\r\n';
    if (!this.#keepsAlive) text += 'Connection: close\r\n';
    else if (this.#minorVersion === 0) text += 'Connection: keep-alive\r\n';
    return `${text}\r\n`;
  }

  /** Status line, date, and the handler's fields. */
  #startText(): string {
    const { date } = this.#host;
    const fields = this.#fields;
    if (fields?.has('date') === true) return statusLine(this.#status) + fields.text;
    const start = this.#status === 200 ? date.okStart : statusLine(this.#status) + date.field;
    return fields === undefined ? start : start + fields.text;
  }

  #writeChunk(chunk: string | Uint8Array, length: number): void {
    const { connection } = this.#host;
    const size = `${length.toString(16)}\r\n`;
    if (typeof chunk === 'string' && chunk.length === length) {
      this.#accepted(connection.writeLatin1(`${size}${chunk}\r\n`));
      return;
    }
    this.#send(chunk, length, size);
    if (this.#state === 'open') this.#accepted(connection.writeLatin1('\r\n'));
  }

  #endStream(body: string | Uint8Array | undefined): void {
    const length = bytesOf(body);
    if (body !== undefined && length > 0) {
      this.#count(length);
      if (this.#framing === 'chunked') this.#writeChunk(body, length);
      else if (this.#framing !== 'none') this.#send(body, length, '');
    }
    if (this.#framing === 'length' && this.#writtenLength !== this.#declaredLength) {
      this.#host.connection.reset();
      throw new SluiceError('ERR_STATE', 'The body is shorter than Content-Length says.');
    }
    if (this.#framing === 'chunked' && this.#state === 'open') {
      this.#accepted(this.#host.connection.writeLatin1('0\r\n\r\n'));
    }
  }

  #count(length: number): void {
    this.#writtenLength += length;
    if (this.#framing === 'length' && this.#writtenLength > this.#declaredLength) {
      throw new SluiceError('ERR_STATE', 'The body is longer than Content-Length says.');
    }
  }

  /** Sends `prefix` (latin1) and the body; one write when both are ASCII text. */
  #send(body: string | Uint8Array, length: number, prefix: string): void {
    const { connection } = this.#host;
    if (typeof body === 'string' && body.length === length) {
      this.#accepted(connection.writeLatin1(prefix + body));
      return;
    }
    if (prefix !== '' && !this.#accepted(connection.writeLatin1(prefix))) return;
    if (typeof body === 'string') this.#accepted(connection.writeUtf8(body));
    else this.#accepted(connection.write(body));
  }

  /**
   * A write that was refused leaves half a response behind: the connection cannot go on.
   * @throws SluiceError ERR_ARG_RANGE when that is not because the client is gone
   */
  #accepted(result: number): boolean {
    if (result >= 0) return true;
    this.#host.connection.reset();
    if (result === ERROR_NAMES.ENOBUFS) {
      // Its end aborts the response; before that, a stream would take this for a client that left.
      const text = `More than ${PENDING_BYTES_MAX} bytes would wait for the client: use stream().`;
      throw new SluiceError('ERR_ARG_RANGE', text);
    }
    this.abort();
    return false;
  }

  #finish(): void {
    if (this.#state !== 'open') return;
    this.#state = 'finished';
    this.#host.responseFinished();
    this.#settle(true);
  }

  #settle(sent: boolean): void {
    this.#waiters?.tellFinished(sent);
    this.connectionDrained();
  }

  #needWaiters(): ResponseWaiters {
    this.#waiters ??= new ResponseWaiters();
    return this.#waiters;
  }

  #requireOpen(): void {
    if (this.#state === 'finished') {
      throw new SluiceError('ERR_STATE', 'The response is finished.');
    }
  }

  #requireHeadOpen(): void {
    this.#requireOpen();
    if (this.headSent && this.#state === 'open') {
      throw new SluiceError('ERR_STATE', 'The head of the response was sent.');
    }
  }
}

/** Of a whole body; none is empty. */
function bytesOf(body: string | Uint8Array | undefined): number {
  if (body === undefined) return 0;
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length;
}

function requireChunk(chunk: unknown): void {
  if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
    throw new SluiceError('ERR_ARG_TYPE', 'A body is a string or a Uint8Array.');
  }
}

function refuseField(name: string): never {
  throw new SluiceError('ERR_ARG_RANGE', `This value of ${name} is the server's to set.`);
}
