// Seeded fuzz of the request parser, with Node's own llhttp as the oracle: what we accept it must accept,
// and both must agree on where every message ends and on its body. Where we refuse and it accepts, the reason
// must stand in STRICTER. Kept inputs (test/fuzz/corpus/http) and the refusal tables go first; the seeds of
// failing cases are added to the corpus. SLUICE_FUZZ_SEED repeats a run, SLUICE_FUZZ_CASES sets its length.

import { expect, test } from 'vitest';
import { HTTP_LIMITS, type HttpApplication } from '../../lib/server/http/http-application.ts';
import { HttpConnection } from '../../lib/server/http/http-connection.ts';
import { Router } from '../../lib/server/http/router.ts';
import { cutRandomly, seededRandom } from '../support/chunkings.ts';
import { MemoryLoop } from '../support/memory-transport.ts';
import * as refused from '../support/refused-requests.ts';
import { type Parsed, parseRequests } from '../unit/http/parse-requests.ts';
import { fuzzCases } from './cases.ts';
import { keepIfItFails, readCorpus } from './corpus.ts';
import { makeInput } from './http-inputs.ts';
import { isKnownOracle, Oracle, type OracleMessage, type Verdict } from './http-oracle.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
const CASES = fuzzCases('http');
/** Every so many cases also run through a whole HttpConnection. */
const CONNECTION_EVERY = 32;

interface Seen {
  accepted: number;
  refused: number;
  readonly stricter: Map<string, number>;
}

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
  ERR_HTTP_CONNECTION: 'longer lists of options pass',
};

/** Errors of llhttp where we accept, and what the input must have for it. */
const ACCEPTED_BEYOND: Readonly<Record<string, RegExp>> = {
  // Any token is a method (RFC 9110 9.1); the router answers 405.
  HPE_INVALID_METHOD: /./,
};

const oracle = new Oracle();

test('agrees with llhttp on every kept input and every form of the refusal tables', () => {
  const { inputs, seeds } = readCorpus('http');
  const seen: Seen = { accepted: 0, refused: 0, stricter: new Map() };
  const forms = [
    ...refused.REFUSED_HEADS,
    ...refused.REFUSED_FRAMINGS,
    ...refused.REFUSED_SMUGGLING,
  ].map(([, input]) => input);
  const bodies = [...refused.REFUSED_CHUNKS, ...refused.REFUSED_HIDING].map(([, body]) =>
    refused.chunked(body),
  );
  for (const text of [...inputs, ...forms, ...bodies]) {
    const input = Buffer.from(text + refused.SMUGGLED, 'latin1');
    check(input, seededRandom(input.length), true, seen);
  }
  for (const seed of seeds) runSeed(seed, true, seen);
  expect(inputs.length).toBeGreaterThan(50);
  expect(seen.refused).toBeGreaterThan(forms.length);
});

test(`parses ${CASES} requests as llhttp does, seed ${SEED}`, () => {
  console.log(`http fuzz: seed ${SEED}, ${CASES} cases, llhttp ${process.versions['llhttp']}`);
  const seen: Seen = { accepted: 0, refused: 0, stricter: new Map() };
  for (let i = 0; i < CASES; i++) {
    keepIfItFails('http', SEED + i, () => runSeed(SEED + i, i % CONNECTION_EVERY === 0, seen));
  }
  console.log('http fuzz:', seen);
  // A fuzz that refuses or accepts nearly everything looks at nothing.
  expect(seen.accepted).toBeGreaterThan(CASES / 10);
  expect(seen.refused).toBeGreaterThan(CASES / 10);
});

function runSeed(seed: number, throughConnection: boolean, seen: Seen): void {
  const random = seededRandom(seed);
  const input = makeInput(random);
  try {
    check(input, random, throughConnection, seen);
  } catch (error) {
    throw new Error(`seed ${seed}: ${JSON.stringify(input.toString('latin1'))}`, { cause: error });
  }
}

/** Whole and in pieces, against the oracle, and now and then through a connection. */
function check(input: Buffer, random: () => number, throughConnection: boolean, seen: Seen): void {
  const pieces = cutRandomly(input, random);
  const whole = parseRequests([input]);
  requireSame(parseRequests(pieces), whole);
  compare(input, whole, oracle.judge(input), seen);
  if (throughConnection) runConnection(pieces, whole);
}

/** By hand: half a million deep comparisons of a matcher take minutes. */
function requireSame(ours: Parsed, whole: Parsed): void {
  const isSame =
    ours.fault === whole.fault &&
    ours.isIdle === whole.isIdle &&
    ours.requests.length === whole.requests.length &&
    ours.requests.every((one, i) => {
      const other = whole.requests[i];
      return (
        other !== undefined &&
        one.body === other.body &&
        one.isComplete === other.isComplete &&
        one.head.method === other.head.method &&
        one.head.target === other.head.target &&
        one.head.resource === other.head.resource &&
        one.head.contentLength === other.head.contentLength &&
        one.head.keepAlive === other.head.keepAlive &&
        isSameList(one.head.fields, other.head.fields)
      );
    });
  if (!isSame) expect(ours).toEqual(whole);
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function compare(input: Buffer, ours: Parsed, verdict: Verdict, seen: Seen): void {
  for (const [i, request] of ours.requests.entries()) {
    const theirs = verdict.messages[i];
    if (theirs === undefined) {
      // A head of ours that it has not seen: it must have refused, for a reason that we know.
      const reason = ACCEPTED_BEYOND[verdict.error ?? ''];
      if (reason?.test(input.toString('latin1')) === true) return;
      throw new Error(`accepted, but llhttp: ${verdict.error}`);
    }
    compareMessage(request, theirs);
    if (request.isComplete) seen.accepted++;
    // It reads nothing after a message that closes; what stands there is nobody's.
    if (!request.head.keepAlive) return;
  }
  if (ours.fault === undefined) return;
  seen.refused++;
  const isInBody = ours.requests.at(-1)?.isComplete === false;
  const index = ours.requests.length - (isInBody ? 1 : 0);
  if (verdict.messages[index]?.isComplete !== true) return;
  seen.stricter.set(ours.fault, (seen.stricter.get(ours.fault) ?? 0) + 1);
  if (ours.fault in STRICTER || !isKnownOracle) return;
  throw new Error(`llhttp accepts what is ${ours.fault} here`);
}

function compareMessage(ours: Parsed['requests'][number], theirs: OracleMessage): void {
  const { head } = ours;
  const isSameHead =
    theirs.method === head.method &&
    theirs.url === head.target &&
    isSameList(theirs.fields, head.fields);
  if (!isSameHead) {
    expect([theirs.method, theirs.url, ...theirs.fields]).toEqual([
      head.method,
      head.target,
      ...head.fields,
    ]);
  }
  if (!ours.isComplete) return;
  if (!theirs.isComplete || theirs.body !== ours.body) {
    expect([theirs.isComplete, theirs.body]).toEqual([true, ours.body]);
  }
}

const loop = new MemoryLoop();
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
  loop.connections.length = 0;
  const connection = loop.connect((one) => new HttpConnection(one, application));
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
