// An HttpConnection on the memory transport, and a strict little reader for what it answers.

import type { TrustedProxies } from '../../../../lib/server/admission/http-client-address.ts';
import {
  HTTP_LIMITS,
  type HttpApplication,
  type HttpLimits,
} from '../../../../lib/server/http/http-application.ts';
import { HttpConnection } from '../../../../lib/server/http/http-connection.ts';
import type { UpgradeExchange } from '../../../../lib/server/http/http-upgrade.ts';
import { Router } from '../../../../lib/server/http/router.ts';
import { type MemoryConnection, MemoryLoop } from '../../../support/memory-transport.ts';

/** Mon, 01 Jan 2024 00:00:00 GMT */
export const NOW = 1_704_067_200_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Fixture {
  readonly connection: MemoryConnection;
  readonly http: HttpConnection;
  readonly errors: unknown[];
}

export interface FixtureOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly upgrade?: (exchange: UpgradeExchange) => boolean;
  readonly trustedProxies?: TrustedProxies;
  readonly now?: () => number;
}

/** @param routes is called with an empty router */
export function connectHttp(
  routes: (router: Router) => void,
  options: FixtureOptions = {},
): Fixture {
  const router = new Router();
  routes(router);
  const errors: unknown[] = [];
  const application: HttpApplication = {
    router,
    limits: { ...HTTP_LIMITS, ...options.limits },
    clock: { now: options.now ?? (() => NOW) },
    onError: (error) => errors.push(error),
    upgrade: options.upgrade ?? (() => false),
    ...(options.trustedProxies === undefined ? {} : { trustedProxies: options.trustedProxies }),
  };
  const made: HttpConnection[] = [];
  const connection = new MemoryLoop().connect((one) => {
    const http = new HttpConnection(one, application);
    made.push(http);
    return http;
  });
  const [http] = made;
  if (http === undefined) throw new Error('no owner was made');
  return { connection, http, errors };
}

/**
 * Takes the output apart, and fails on anything that does not add up.
 * @param methods of the requests, in order; answers to HEAD have no body
 */
export function readAnswers(output: string, methods: readonly string[] = []): Answer[] {
  const answers: Answer[] = [];
  let rest = output;
  let finals = 0;
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd === -1) throw new Error(`a head without end: ${rest}`);
    const [line = '', ...fields] = rest.slice(0, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\w -]+$/.exec(line)?.[1]);
    if (Number.isNaN(status)) throw new Error(`not a status line: ${line}`);
    const headers = Object.fromEntries(
      fields.map((field) => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 2),
      ]),
    );
    rest = rest.slice(headEnd + 4);
    const isFinal = status >= 200;
    const isBodiless = !isFinal || status === 204 || status === 304 || methods[finals] === 'HEAD';
    const { body, left } = isBodiless ? { body: '', left: rest } : readBody(headers, rest);
    if (isFinal) finals++;
    rest = left;
    answers.push({ status, headers, body });
  }
  return answers;
}

function readBody(
  headers: Readonly<Record<string, string>>,
  rest: string,
): { body: string; left: string } {
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest);
  const length = headers['content-length'];
  if (length === undefined) {
    if (headers['connection'] !== 'close') throw new Error('a body without a length');
    return { body: rest, left: '' };
  }
  if (rest.length < Number(length)) throw new Error('a body that is too short');
  return { body: rest.slice(0, Number(length)), left: rest.slice(Number(length)) };
}

function readChunks(rest: string): { body: string; left: string } {
  let body = '';
  for (;;) {
    const match = /^([0-9a-f]+)\r\n/.exec(rest);
    if (match?.[1] === undefined) throw new Error(`not a chunk: ${rest}`);
    const size = Number.parseInt(match[1], 16);
    const start = match[0].length;
    body += rest.slice(start, start + size);
    if (rest.slice(start + size, start + size + 2) !== '\r\n')
      throw new Error('a chunk without end');
    rest = rest.slice(start + size + 2);
    if (size === 0) return { body, left: rest };
  }
}

export function get(path: string, ...fields: readonly string[]): string {
  return `${[`GET ${path} HTTP/1.1`, 'Host: a', ...fields].join('\r\n')}\r\n\r\n`;
}

export function post(path: string, body: string, ...fields: readonly string[]): string {
  const head = [`POST ${path} HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`, ...fields];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

export function postChunked(path: string, ...chunks: readonly string[]): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `${head}${body}0\r\n\r\n`;
}
