// Rate limit, errors of requests and of HTTP, fields of requests, register of sessions, housekeeping.

import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../lib/base/log.ts';
import { Disconnects } from '../../../lib/gateway/disconnect.ts';
import { Housekeeping } from '../../../lib/gateway/housekeeping.ts';
import {
  PAGE_LIMIT_DEFAULT,
  PAGE_LIMIT_MAX,
  REQUEST_ID_CHARS_MAX,
  RETENTION_INTERVAL_MS,
  SWEEP_INTERVAL_MS,
} from '../../../lib/gateway/limits.ts';
import {
  PROBLEMS,
  problemBody,
  problemOfStatus,
  sendProblem,
} from '../../../lib/gateway/problem.ts';
import { RateLimit } from '../../../lib/gateway/rate-limit.ts';
import { errorText, RequestError } from '../../../lib/gateway/request-error.ts';
import {
  conversationOf,
  idOf,
  limitOf,
  seqOf,
  textOf,
  toRequestError,
  wordOf,
} from '../../../lib/gateway/request-fields.ts';
import { Scope } from '../../../lib/gateway/scope.ts';
import type { Message, Session } from '../../../lib/gateway/session.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeResponse } from './fakes.ts';

describe('RateLimit', () => {
  test('lets a second of requests through at once, then one by one', () => {
    const rate = new RateLimit(4, 0);
    expect([1, 2, 3, 4, 5].map(() => rate.take(0))).toEqual([true, true, true, true, false]);
    expect(rate.retryAfterMs).toBe(250);
    expect(rate.take(249)).toBe(false);
    expect(rate.take(250)).toBe(true);
    expect(rate.take(250)).toBe(false);
  });

  test('never saves up more than a second, and survives a clock that stands', () => {
    const rate = new RateLimit(2, 0);
    expect(rate.take(60_000)).toBe(true);
    expect(rate.take(60_000)).toBe(true);
    expect(rate.take(59_000)).toBe(false);
    expect(rate.retryAfterMs).toBeGreaterThan(0);
  });
});

describe('problems', () => {
  test('carry type, title, status, detail, code and whether to try again', () => {
    expect(JSON.parse(problemBody('unavailable', 'Later.'))).toEqual({
      type: 'urn:sluice:error:unavailable',
      title: 'Unavailable',
      status: 503,
      detail: 'Later.',
      code: 'unavailable',
      retryable: true,
    });
  });

  test('are found by their status', () => {
    for (const status of [400, 401, 403, 429, 503]) {
      expect(PROBLEMS[problemOfStatus(status)].status).toBe(status);
    }
    expect(problemOfStatus(418)).toBe('internal');
  });

  test('are not sent into an answer that has begun', () => {
    const response = new FakeResponse();
    response.end('done');
    sendProblem(response, 'internal', 'x');
    expect(response.body).toBe('done');
  });
});

test('the error of a reply is JSON whatever the message is', () => {
  const error = new RequestError('stale', 'a "quoted"\nline', '{"seq":7}');
  expect(JSON.parse(errorText(error))).toEqual({
    code: 'stale',
    message: 'a "quoted"\nline',
    retryable: false,
    data: { seq: 7 },
  });
  expect(JSON.parse(errorText(new RequestError('rate_limited', 'x')))).toEqual({
    code: 'rate_limited',
    message: 'x',
    retryable: true,
  });
  expect(
    toRequestError({ code: 'taken', message: 'm', retryable: false, data: { claim: 1 } }).details,
  ).toBe('{"claim":1}');
});

describe('fields', () => {
  const session = { scope: new Scope(['100'], 'agent') } as Session;
  const message = (fields: object): Message => ({ type: 'x', ...fields });
  const codeOf = (read: () => unknown): unknown => {
    try {
      return read();
    } catch (error) {
      return error instanceof RequestError ? error.code : error;
    }
  };

  test.each([
    ['a', 'a'],
    ['x'.repeat(REQUEST_ID_CHARS_MAX), 'x'.repeat(REQUEST_ID_CHARS_MAX)],
    ['x'.repeat(REQUEST_ID_CHARS_MAX + 1), 'bad_request'],
    ['', 'bad_request'],
    [7, 'bad_request'],
    [undefined, 'bad_request'],
  ])('id %.20s is read as %.20s', (id, expected) => {
    expect(codeOf(() => idOf(message({ id })))).toBe(expected);
  });

  test.each([
    ['messenger/100/7', 'messenger/100/7'],
    ['messenger/100', 'messenger/100'],
    ['messenger/200/7', 'forbidden'],
    ['messenger/100/7/8', 'bad_request'],
    ['telegram/100/7', 'bad_request'],
    [null, 'bad_request'],
  ])('conversation %s is read as %s', (conversation, expected) => {
    expect(codeOf(() => conversationOf(session, message({ conversation })))).toBe(expected);
  });

  test.each([
    [undefined, undefined],
    [null, undefined],
    [0, 0],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2 ** 53, 'bad_request'],
    [-1, 'bad_request'],
    [1.5, 'bad_request'],
    ['1', 'bad_request'],
  ])('a seq of %s is read as %s', (seq, expected) => {
    expect(codeOf(() => seqOf(message({ seq }), 'seq'))).toBe(expected);
  });

  test.each([
    [undefined, PAGE_LIMIT_DEFAULT],
    [1, 1],
    [PAGE_LIMIT_MAX, PAGE_LIMIT_MAX],
    [PAGE_LIMIT_MAX + 1, 'bad_request'],
    [0, 'bad_request'],
    ['5', 'bad_request'],
  ])('a limit of %s is read as %s', (limit, expected) => {
    expect(codeOf(() => limitOf(message({ limit })))).toBe(expected);
  });

  test('words and texts are exactly those', () => {
    expect(codeOf(() => wordOf(message({ a: 'x' }), 'a', ['x', 'y']))).toBe('x');
    expect(codeOf(() => wordOf(message({ a: 'z' }), 'a', ['x', 'y']))).toBe('bad_request');
    expect(codeOf(() => textOf(message({ a: 'xy' }), 'a', 2))).toBe('xy');
    expect(codeOf(() => textOf(message({ a: 'xyz' }), 'a', 2))).toBe('bad_request');
  });
});

describe('housekeeping', () => {
  function start(retentionDays: number | undefined, answers: (boolean | Error)[] = []) {
    const clock = new ManualClock();
    const deleted: number[] = [];
    let sweeps = 0;
    const housekeeping = new Housekeeping({
      clock,
      log: silentLog,
      sweeps: [() => (sweeps += 1)],
      retention: {
        deleteBefore: (at) => {
          deleted.push(clock.now() - at);
          const answer = answers.shift() ?? false;
          if (answer instanceof Error) throw answer;
          return answer;
        },
        days: retentionDays,
      },
    });
    housekeeping.start();
    return { clock, deleted, housekeeping, sweeps: () => sweeps };
  }

  test('sweeps once a second until it is stopped', async () => {
    const { clock, housekeeping, sweeps } = start(undefined);
    await clock.advance(3 * SWEEP_INTERVAL_MS);
    expect(sweeps()).toBe(3);
    housekeeping.stop();
    await clock.advance(3 * SWEEP_INTERVAL_MS);
    expect(sweeps()).toBe(3);
    expect(clock.timerCount).toBe(0);
  });

  test('deletes piece by piece, then looks again after an hour; a fault does not end it', async () => {
    const { clock, deleted, housekeeping } = start(90, [true, true, false, new Error('disk')]);
    await clock.advance(10 * SWEEP_INTERVAL_MS);
    expect(deleted).toEqual([90, 90, 90].map((days) => days * 86_400_000));
    await clock.advance(2 * RETENTION_INTERVAL_MS);
    expect(deleted.length).toBe(5);
    housekeeping.stop();
  });

  test('keeps everything when nothing is set', async () => {
    const { clock, deleted, housekeeping } = start(undefined);
    await clock.advance(5 * SWEEP_INTERVAL_MS);
    expect(deleted).toEqual([]);
    housekeeping.stop();
  });
});

test('every reason to disconnect has a code that says whether to come back', () => {
  for (const { code, reason } of Object.values(Disconnects)) {
    expect([1011, 1012, 1013, 4001, 4002, 4008, 4400, 4401, 4409]).toContain(code);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  }
});
