// The error table: every row is reachable, and codes are read where Meta puts them.

import { describe, expect, test } from 'vitest';
import { ERROR_TABLE } from '../../../lib/messenger/error-table.ts';
import {
  classify,
  cleanReason,
  failureOf,
  readErrorBody,
  retryAfterOf,
} from '../../../lib/messenger/errors.ts';
import type { GraphErrorClass } from '../../../lib/messenger/types.ts';

const classOf = (code: number, subcode?: number, status = 400, isTransient = false): string =>
  classify(status, { code, ...(subcode === undefined ? {} : { subcode }), isTransient });

describe('the table', () => {
  test('names every pair once', () => {
    const pairs = ERROR_TABLE.map((row) => `${row.code}/${row.subcode ?? ''}`);
    expect(new Set(pairs).size).toBe(pairs.length);
    expect(pairs.length).toBeGreaterThan(80);
  });

  test.each(ERROR_TABLE)('$code/$subcode is $class', (row) => {
    expect(classOf(row.code, row.subcode)).toBe(row.class);
  });

  test.each(ERROR_TABLE.filter((row) => (row.subcode ?? 0) >= 1_000_000))(
    'subcode $subcode counts wherever it stands',
    (row) => {
      expect(classOf(row.subcode ?? 0)).toBe(row.class);
      expect(classOf(999_999, row.subcode)).toBe(row.class);
    },
  );
});

describe('classify', () => {
  test.each<[string, number, number | undefined, number, boolean, GraphErrorClass]>([
    ['S34 the closed window', 10, 2018278, 400, false, 'W'],
    ['S34 a dead message tag', 100, undefined, 400, false, 'P'],
    ['S37 sent although an error came back', 1, 1357046, 400, false, 'U'],
    ['S39 a custom limit', 613, undefined, 400, false, 'L'],
    ['a limit that calls itself temporary', 4, undefined, 403, true, 'L'],
    ['S43 an expired attachment', 100, 2018074, 400, false, 'P'],
    ['S44 a changed password', 190, 460, 400, false, 'T'],
    ['an unknown subcode of a dead token', 190, 1234567, 401, false, 'T'],
    ['S45 the wrong Page', 100, 2018001, 400, false, 'B'],
    ['another app’s thread, in the code', 2018300, undefined, 400, false, 'O'],
    ['a small subcode of another code', 100, 99, 400, false, 'P'],
    ['a bare permission error', 10, undefined, 403, false, 'T'],
    ['a permission code with a new subcode', 10, 7654321, 400, false, 'P'],
    ['an unknown code', 987, undefined, 400, false, 'P'],
    ['an unknown code that is temporary', 987, undefined, 400, true, 'U'],
    ['an unknown code under 429', 987, undefined, 429, false, 'L'],
    ['any code under 500', 100, undefined, 500, false, 'U'],
    ['any code under 503', 613, undefined, 503, false, 'U'],
  ])('%s', (_name, code, subcode, status, isTransient, expected) => {
    expect(classOf(code, subcode, status, isTransient)).toBe(expected);
  });

  test('without a code the status decides', () => {
    expect(classify(400, { isTransient: false })).toBe('P');
    expect(classify(429, { isTransient: false })).toBe('L');
  });
});

describe('failureOf', () => {
  test.each<[GraphErrorClass, string, boolean]>([
    ['L', 'rate_limited', true],
    ['R', 'unavailable', true],
    ['U', 'unavailable', false],
    ['T', 'page_paused', true],
    ['X', 'page_paused', true],
    ['W', 'window_closed', false],
    ['B', 'recipient_unavailable', false],
    ['P', 'rejected', false],
    ['O', 'not_owner', true],
  ])('class %s is %s for agents', (kind, code, retryable) => {
    const failure = failureOf(kind, 400, { isTransient: false, reason: 'Meta says so' });
    expect(failure).toMatchObject({ class: kind, code, retryable, meta: { status: 400 } });
    expect(failure.message.includes('Meta says so')).toBe(kind === 'P');
  });

  test('without an answer there is nothing of Meta', () => {
    expect(failureOf('U', undefined, undefined)).not.toHaveProperty('meta');
  });

  test('keeps Meta’s codes and drops its sentence', () => {
    const error = readErrorBody({
      error: {
        message: 'secret words',
        type: 'OAuthException',
        code: '190',
        error_subcode: 460,
        fbtrace_id: 'A1',
        is_transient: 'yes',
      },
    });
    expect(failureOf('T', 400, error).meta).toEqual({
      status: 400,
      code: 190,
      subcode: 460,
      type: 'OAuthException',
      fbtraceId: 'A1',
    });
    expect(JSON.stringify(failureOf('T', 400, error))).not.toContain('secret words');
  });
});

describe('readErrorBody', () => {
  test.each([undefined, null, 5, [], {}, { error: 'text' }, { error: null }])(
    'finds no envelope in %j',
    (body) => {
      expect(readErrorBody(body)).toBeUndefined();
    },
  );

  test('prefers the sentence that is meant for people', () => {
    expect(readErrorBody({ error: { message: 'a', error_user_msg: 'b' } })?.reason).toBe('b');
  });
});

describe('cleanReason', () => {
  test('removes secrets, tokens and long hexadecimal words', () => {
    const proof = 'ab'.repeat(32);
    const text = `Malformed EAAtestpagetoken1 for my-secret with ${proof}\nand more`;
    expect(cleanReason(text, ['my-secret', ''])).toBe('Malformed *** for *** with *** and more');
  });

  test('cuts long sentences', () => {
    expect(cleanReason('x'.repeat(301), [])).toHaveLength(300);
    expect(cleanReason(undefined, [])).toBeUndefined();
  });
});

describe('retryAfterOf', () => {
  const header = (...minutes: unknown[]): string =>
    JSON.stringify({
      '123': minutes.map((value) => ({
        type: 'messenger',
        estimated_time_to_regain_access: value,
      })),
    });

  test.each<[string, string | undefined, number | undefined]>([
    ['the longest wait in minutes', header(3, 19, 0), 19 * 60_000],
    ['nothing to wait', header(0), undefined],
    ['a wait without end', header(1e9), 24 * 60 * 60_000],
    [
      'other shapes',
      '{"a":5,"b":[1,null,{}],"c":[{"estimated_time_to_regain_access":"x"}]}',
      undefined,
    ],
    ['a list', '[]', undefined],
    ['no JSON', '{', undefined],
    ['no header', undefined, undefined],
  ])('%s', (_name, value, expected) => {
    expect(retryAfterOf(value)).toBe(expected);
  });
});
