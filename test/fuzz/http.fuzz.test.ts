// Seeded fuzz of the request parser, with Node's own llhttp as the oracle: what we accept it must accept,
// and both must agree on where every message ends. Where we refuse and it accepts, the reason must stand
// in STRICTER. SLUICE_FUZZ_SEED repeats a run, SLUICE_FUZZ_CASES sets its length.

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { HTTP_LIMITS, type HttpApplication } from '../../lib/server/http-application.ts';
import { HttpConnection } from '../../lib/server/http-connection.ts';
import { Router } from '../../lib/server/router.ts';
import { cutRandomly, seededRandom } from '../support/chunkings.ts';
import { MemoryLoop } from '../support/memory-transport.ts';
import { type Parsed, parseRequests } from '../unit/http/parse-requests.ts';
import { fuzzCases } from './cases.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
const CASES = fuzzCases('http');
/** Every so many cases also run through a whole HttpConnection. */
const CONNECTION_EVERY = 8;

/** Faults of ours where llhttp accepts: each is a rule of RFC 9112 that it leaves to others, or a bound. */
const STRICTER: Readonly<Record<string, string>> = {
  ERR_HTTP_HOST_MISSING: 'left to node:http',
  ERR_HTTP_HOST_REPEATED: 'left to node:http',
  ERR_HTTP_HOST: 'not looked at',
  ERR_HTTP_EXPECTATION: 'left to node:http',
  ERR_HTTP_EMPTY_LINE: 'any number of empty lines is skipped',
  ERR_HTTP_METHOD: 'a bare LF before the request is skipped',
  ERR_HTTP_TARGET: 'the fragment, quotes, angle brackets and bytes above ASCII pass',
  ERR_HTTP_VERSION: 'HTTP/0.9 and HTTP/2.0 pass',
  ERR_HTTP_CONTENT_LENGTH: 'a tab before the length passes',
  ERR_HTTP_TWO_LENGTHS: 'a length beside an empty Transfer-Encoding passes',
  ERR_HTTP_LINE_END: 'a bare CR before the request is skipped',
  ERR_HTTP_VERSION_SYNTAX: 'more than one space before the version passes',
  ERR_HTTP_TRANSFER_CODING: 'codings before chunked, and a tab, pass',
  ERR_HTTP_TRANSFER_CODING_VERSION: 'chunked in HTTP/1.0 passes',
  ERR_HTTP_CHUNK_SIZE: 'more digits pass',
  ERR_HTTP_CHUNK_EXTENSION: 'more bytes pass',
  ERR_HTTP_TRAILER: 'framing fields among the trailers, and an obs-fold there, pass',
  ERR_HTTP_BODY_LENGTH: 'more digits pass',
  ERR_HTTP_CONNECT: 'left to node:http',
};

/** Errors of llhttp where we accept, and what the input must have for it. */
const ACCEPTED_BEYOND: Readonly<Record<string, RegExp>> = {
  // Any token is a method (RFC 9110 9.1); the router answers 405.
  HPE_INVALID_METHOD: /./,
};

interface OracleMessage {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly string[];
  body: string;
  isComplete: boolean;
}

interface OracleParser {
  [key: number]: unknown;
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | (Error & { code: string });
  close(): void;
}

interface OracleClass {
  new (): OracleParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

interface HttpCommon {
  readonly HTTPParser: OracleClass;
  readonly methods: readonly string[];
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as HttpCommon;

test(`parses ${CASES} requests as llhttp does, seed ${SEED}`, () => {
  console.log(`http fuzz: seed ${SEED}, ${CASES} cases`);
  const seen = { accepted: 0, refused: 0, stricter: new Map<string, number>() };
  for (let i = 0; i < CASES; i++) {
    const random = seededRandom(SEED + i);
    const input = makeInput(random);
    const pieces = cutRandomly(input, random);
    try {
      const whole = parseRequests([input]);
      expect(parseRequests(pieces)).toEqual(whole);
      compare(input.toString('latin1'), whole, runOracle(input), seen);
      if (i % CONNECTION_EVERY === 0) runConnection(pieces, whole);
    } catch (error) {
      const text = JSON.stringify(input.toString('latin1'));
      throw new Error(`seed ${SEED + i}: ${text}`, { cause: error });
    }
  }
  console.log('http fuzz:', seen);
  // A fuzz that refuses or accepts nearly everything looks at nothing.
  expect(seen.accepted).toBeGreaterThan(CASES / 10);
  expect(seen.refused).toBeGreaterThan(CASES / 10);
});

function compare(
  text: string,
  ours: Parsed,
  oracle: { messages: OracleMessage[]; error: string | undefined },
  seen: { accepted: number; refused: number; stricter: Map<string, number> },
): void {
  for (const [i, request] of ours.requests.entries()) {
    const theirs = oracle.messages[i];
    if (theirs === undefined) {
      // A head of ours that it has not seen: it must have refused, for a reason that we know.
      const reason = ACCEPTED_BEYOND[oracle.error ?? ''];
      if (reason?.test(text) !== true) throw new Error(`accepted, but llhttp: ${oracle.error}`);
      return;
    }
    expect([theirs.method, theirs.url]).toEqual([request.head.method, request.head.target]);
    expect(theirs.fields).toEqual(request.head.fields);
    if (request.isComplete) {
      expect(theirs.isComplete).toBe(true);
      expect(theirs.body).toBe(request.body);
      seen.accepted++;
    }
    // It reads nothing after a message that closes; what stands there is nobody's.
    if (!request.head.keepAlive) return;
  }
  if (ours.fault === undefined) return;
  seen.refused++;
  const isInBody = ours.requests.at(-1)?.isComplete === false;
  const index = ours.requests.length - (isInBody ? 1 : 0);
  if (oracle.messages[index]?.isComplete !== true) return;
  seen.stricter.set(ours.fault, (seen.stricter.get(ours.fault) ?? 0) + 1);
  if (!(ours.fault in STRICTER)) throw new Error(`llhttp accepts what is ${ours.fault} here`);
}

function runOracle(input: Buffer): { messages: OracleMessage[]; error: string | undefined } {
  const messages: OracleMessage[] = [];
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  let early: string[] = [];
  let earlyUrl = '';
  parser[HTTPParser.kOnHeaders] = (fields: string[], url: string) => {
    if (messages.at(-1)?.isComplete === false) return;
    early = [...early, ...fields];
    earlyUrl += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    method: number,
    url: string | undefined,
  ) => {
    const all = [...early, ...(fields ?? [])].map((text, i) =>
      i % 2 === 0 ? text.toLowerCase() : text,
    );
    messages.push({
      method: methods[method] ?? String(method),
      url: earlyUrl + (url ?? ''),
      fields: all,
      body: '',
      isComplete: false,
    });
    early = [];
    earlyUrl = '';
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer) => {
    const last = messages.at(-1);
    if (last !== undefined) last.body += chunk.toString('latin1');
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const last = messages.at(-1);
    if (last !== undefined) last.isComplete = true;
  };
  const result = parser.execute(Buffer.from(input));
  parser.close();
  return { messages, error: typeof result === 'number' ? undefined : result.code };
}

const router = new Router();
router.add('POST', '/*', (request, response) => {
  request.onBody(
    (body) => response.end(body),
    () => undefined,
  );
});
router.add('GET', '/*', (_request, response) => response.end('ok'));

/** Whatever comes in: nothing throws, and a fault is answered last and closes. */
function runConnection(pieces: readonly Buffer[], parsed: Parsed): void {
  const errors: unknown[] = [];
  const application: HttpApplication = {
    router,
    limits: HTTP_LIMITS,
    clock: { now: () => 0 },
    onError: (error) => errors.push(error),
    upgrade: () => false,
  };
  const connection = new MemoryLoop().connect((one) => new HttpConnection(one, application));
  for (const piece of pieces) connection.feed(piece);
  expect(errors).toEqual([]);
  expect(connection.failures).toEqual([]);
  const mustClose =
    parsed.fault !== undefined || parsed.requests.some((one) => !one.head.keepAlive);
  if (mustClose && parsed.requests.every((one) => one.isComplete)) {
    expect(connection.state).toBe('closing');
  }
  const last = parsed.requests.at(-1);
  // Only POST waits for its body. Others were answered before it turned out to be faulty: the close is left.
  const isAnswered = last?.isComplete === false && last.head.method !== 'POST';
  const wasOpen = parsed.requests.every((one) => one.head.keepAlive && !one.head.expectsContinue);
  if (parsed.fault !== undefined && wasOpen && !isAnswered) {
    const answers = connection.outputText.split(/(?=HTTP\/1\.1 \d{3})/);
    expect(answers.at(-1)).toMatch(/^HTTP\/1\.1 [45]/);
  }
  connection.reap();
}

// ---- the generator --------------------------------------------------------

type Random = () => number;

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'get', 'FOO', 'CONNECT'];
const TARGETS = ['/', '/a?b=c', '/%41/../x', 'http://a/x', '*', '/|^', '//', '/a#b', 'a', ''];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.2',
  'http/1.1',
];
const FIELDS = [
  ...['X: y', 'Accept: */*', 'Connection: keep-alive', 'Connection: close', 'Expect: 100-continue'],
  ...['X-Empty:', 'X:\t a b ', 'Cookie: a=b', 'Host: b', 'Content-Length: 3', 'Content-Length: 0'],
  ...['Content-Length: 3, 3', 'Content-Length: +3', 'Transfer-Encoding: chunked', 'TE: trailers'],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, gzip', 'Trailer: X'],
  ...['Transfer-Encoding: xchunked', ' folded', 'Bad Name: x', 'X : y', 'X: \xe9', 'Keep-Alive: 1'],
  ...['Transfer-Encoding : chunked', 'Content-Length: 0003', 'Transfer-Encoding:', 'Upgrade: x'],
];
const CHUNK_LINES = [
  '3',
  '3;a',
  '3;a=b',
  '3;a="b"',
  '03',
  '3 ',
  '3;',
  '3; a',
  'A',
  '0x3',
  '-3',
  ';a',
];
const BYTES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ';',
  '0',
  '5',
  'a',
  '\x7f',
  '\x80',
  '"',
  ',',
  '=',
];

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}

/** One to three requests, most of them valid, then maybe some damage. How wild a case is differs by case. */
function makeInput(random: Random): Buffer {
  const oddness = random() < 0.5 ? 0.02 : random() * 0.4;
  let text = '';
  const count = 1 + Math.floor(random() * 3);
  for (let i = 0; i < count; i++) text += makeRequest(random, oddness);
  const damages = random() < 0.5 ? 0 : 1 + Math.floor(random() * 3);
  for (let i = 0; i < damages; i++) text = damage(random, text);
  return Buffer.from(text, 'latin1');
}

function makeRequest(random: Random, oddness: number): string {
  const isOdd = (): boolean => random() < oddness;
  const method = isOdd() ? pick(random, METHODS) : pick(random, ['GET', 'POST']);
  const target = isOdd() ? pick(random, TARGETS) : '/a';
  const version = isOdd() ? pick(random, VERSIONS) : 'HTTP/1.1';
  const lines = [`${method} ${target} ${version}`];
  if (!isOdd()) lines.push('Host: a');
  while (random() < 0.4)
    lines.push(isOdd() ? pick(random, FIELDS) : pick(random, FIELDS.slice(0, 3)));
  let body = '';
  const kind = random();
  if (kind < 0.3) {
    body = 'x'.repeat(Math.floor(random() * 20));
    lines.push(`Content-Length: ${isOdd() ? body.length + 1 : body.length}`);
  } else if (kind < 0.6) {
    lines.push('Transfer-Encoding: chunked');
    body = makeChunks(random, isOdd);
  }
  return `${isOdd() ? '\r\n' : ''}${lines.join('\r\n')}\r\n\r\n${body}`;
}

function makeChunks(random: Random, isOdd: () => boolean): string {
  let text = '';
  while (random() < 0.6) {
    const line = isOdd() ? pick(random, CHUNK_LINES) : pick(random, CHUNK_LINES.slice(0, 5));
    text += `${line}\r\nabc\r\n`;
  }
  const trailer = isOdd() ? `${pick(random, FIELDS)}\r\n` : '';
  return `${text}${isOdd() ? '00' : '0'}\r\n${trailer}\r\n`;
}

function damage(random: Random, text: string): string {
  const at = Math.floor(random() * (text.length + 1));
  const length = Math.floor(random() * 3);
  switch (Math.floor(random() * 5)) {
    case 0:
      return text.slice(0, at) + pick(random, BYTES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + length);
    case 2:
      return text.slice(0, at) + pick(random, BYTES) + text.slice(at + 1);
    case 3:
      return text.slice(0, at) + text.slice(Math.max(0, at - 8), at) + text.slice(at);
    default:
      return text.slice(0, at);
  }
}
