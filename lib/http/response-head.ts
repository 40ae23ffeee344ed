// Writes response heads as text and decides nothing: what is in a head comes from its caller. Everything
// that a head could be split with is refused, since a line end in a value begins another response.

import { STATUS_CODES } from 'node:http';
import { SluiceError } from '../base/errors.ts';
import { isFieldValue, isToken } from './characters.ts';
import type { HttpFault } from './faults.ts';

export const CONTINUE_HEAD = 'HTTP/1.1 100 Continue\r\n\r\n';
const STATUS_MIN = 200;
const STATUS_MAX = 599;
const MS_PER_SECOND = 1000;

/** The Date field, made once per second (RFC 9110 6.6.1), and what most heads begin with. */
export class DateSource {
  /** One text per clock and second, not per connection. */
  static readonly #known = new WeakMap<{ now(): number }, DateSource>();
  readonly #clock: { now(): number };
  #second = Number.NaN;
  #text = '';
  #field = '';
  #okStart = '';

  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  /** The one of this clock, made when it is first asked for. */
  static of(clock: { now(): number }): DateSource {
    let source = DateSource.#known.get(clock);
    if (source === undefined) {
      source = new DateSource(clock);
      DateSource.#known.set(clock, source);
    }
    return source;
  }

  /** The date alone. */
  get text(): string {
    this.#update();
    return this.#text;
  }

  /** The field with its line end. */
  get field(): string {
    this.#update();
    return this.#field;
  }

  /** The status line of 200 and the field. */
  get okStart(): string {
    this.#update();
    return this.#okStart;
  }

  #update(): void {
    const second = Math.floor(this.#clock.now() / MS_PER_SECOND);
    if (second === this.#second) return;
    this.#second = second;
    this.#text = new Date(second * MS_PER_SECOND).toUTCString();
    this.#field = `Date: ${this.#text}\r\n`;
    this.#okStart = statusLine(200) + this.#field;
  }
}

/** @throws SluiceError ERR_ARG_RANGE when it is not a final status, 200..599 */
export function checkStatus(status: number): void {
  if (!Number.isInteger(status) || status < STATUS_MIN || status > STATUS_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `Not a final status: ${status}`);
  }
}

/** @throws SluiceError ERR_ARG_TYPE or ERR_ARG_RANGE when name or value may not stand in a head */
export function checkField(name: string, value: string): void {
  if (typeof name !== 'string' || typeof value !== 'string') {
    throw new SluiceError('ERR_ARG_TYPE', 'A header name and its value are strings.');
  }
  if (!isToken(name)) {
    throw new SluiceError('ERR_ARG_RANGE', `Not a header name: ${JSON.stringify(name)}`);
  }
  if (!isFieldValue(value)) {
    throw new SluiceError(
      'ERR_ARG_RANGE',
      `The value of ${name} has a character that is not allowed.`,
    );
  }
}

/** 'HTTP/1.1 200 OK' and its line end. */
export function statusLine(status: number): string {
  return status === 200
    ? 'HTTP/1.1 200 OK\r\n'
    : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
}

/** True when a response with this status never has content (RFC 9110 15.3.5, 15.3.6, 15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** The whole answer to a faulty request: short text, and the announcement of the close. */
export function faultResponse(fault: HttpFault, date: string): string {
  const body = `${fault.message}\n`;
  const type = 'Content-Type: text/plain; charset=utf-8';
  const fields = `Date: ${date}\r\n${type}\r\nContent-Length: ${body.length}\r\nConnection: close`;
  return `${statusLine(fault.status)}${fields}\r\n\r\n${body}`;
}
