// RFC 9110 13: the order of the conditions, strong and weak comparison, dates in three forms.

import { describe, expect, test } from 'vitest';
import { formatHttpDate, parseHttpDate } from '../../../lib/http/http-date.ts';
import { evaluatePreconditions, rangeApplies } from '../../../lib/http/preconditions.ts';

const MODIFIED = Date.UTC(1994, 10, 6, 8, 49, 37) + 250;
const NOW = MODIFIED + 60_000;
const CURRENT = { etag: '"v1"', modifiedMs: MODIFIED };
const AT = 'Sun, 06 Nov 1994 08:49:37 GMT';
const BEFORE = 'Sun, 06 Nov 1994 08:49:36 GMT';
const AFTER = 'Sun, 06 Nov 1994 08:49:38 GMT';

type Fields = Readonly<Record<string, string>>;

const verdictOf = (fields: Fields): string =>
  evaluatePreconditions((name) => fields[name], CURRENT, NOW);

describe('a condition', () => {
  test.each<[string, Fields, string]>([
    ['none', {}, 'send'],
    ['If-Match with the tag', { 'if-match': '"v1"' }, 'send'],
    ['If-Match with a list', { 'if-match': '"a", "v1" , "b"' }, 'send'],
    ['If-Match with a star', { 'if-match': '*' }, 'send'],
    ['If-Match with another tag', { 'if-match': '"v2"' }, 'failed'],
    ['If-Match with a weak tag', { 'if-match': 'W/"v1"' }, 'failed'],
    ['If-Match that is no list', { 'if-match': 'v1' }, 'failed'],
    ['If-Match, empty', { 'if-match': '' }, 'failed'],
    ['a tag behind a fault of the list', { 'if-match': '"a" b "v1"' }, 'failed'],
    ['If-Unmodified-Since the time', { 'if-unmodified-since': AT }, 'send'],
    ['If-Unmodified-Since before it', { 'if-unmodified-since': BEFORE }, 'failed'],
    ['If-Unmodified-Since nonsense', { 'if-unmodified-since': 'yesterday' }, 'send'],
    [
      'If-Match over If-Unmodified-Since',
      { 'if-match': '"v1"', 'if-unmodified-since': BEFORE },
      'send',
    ],
    ['If-None-Match with the tag', { 'if-none-match': '"v1"' }, 'unchanged'],
    ['If-None-Match with the tag, weak', { 'if-none-match': 'W/"v1"' }, 'unchanged'],
    ['If-None-Match with a star', { 'if-none-match': '*' }, 'unchanged'],
    ['If-None-Match with another tag', { 'if-none-match': '"v2", "v3"' }, 'send'],
    ['a tag with a comma', { 'if-none-match': '"a,", "v1"' }, 'unchanged'],
    ['If-Modified-Since the time', { 'if-modified-since': AT }, 'unchanged'],
    ['If-Modified-Since after it', { 'if-modified-since': AFTER }, 'unchanged'],
    ['If-Modified-Since before it', { 'if-modified-since': BEFORE }, 'send'],
    [
      'If-None-Match over If-Modified-Since',
      { 'if-none-match': '"v2"', 'if-modified-since': AFTER },
      'send',
    ],
    ['If-Match before If-None-Match', { 'if-match': '"v2"', 'if-none-match': '"v1"' }, 'failed'],
    [
      'If-Unmodified-Since before If-None-Match',
      { 'if-unmodified-since': BEFORE, 'if-none-match': '"v1"' },
      'failed',
    ],
  ])('%s', (_name, fields, verdict) => {
    expect(verdictOf(fields)).toBe(verdict);
  });
});

describe('If-Range', () => {
  test.each<[string, string | undefined, boolean]>([
    ['absent', undefined, true],
    ['with the tag', '"v1"', true],
    ['with another tag', '"v2"', false],
    ['with the tag, weak', 'W/"v1"', false],
    ['with the date', AT, true],
    ['with a later date: it must be exactly the same', AFTER, false],
    ['with nonsense', 'now', false],
  ])('%s', (_name, field, applies) => {
    expect(rangeApplies(field, CURRENT, NOW)).toBe(applies);
  });

  test('with a date is weak while the second of the change has not passed', () => {
    expect(rangeApplies(AT, CURRENT, MODIFIED + 999)).toBe(false);
    expect(rangeApplies(AT, CURRENT, MODIFIED + 1000)).toBe(true);
  });
});

describe('a date', () => {
  test.each<[string, number | undefined]>([
    [AT, Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sunday, 06-Nov-94 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sun Nov  6 08:49:37 1994', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sun Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
    ['Thursday, 06-Nov-08 08:49:37 GMT', Date.UTC(2008, 10, 6, 8, 49, 37)],
    ['Sun, 06 Nov 1994 08:49:37', undefined],
    ['Sun, 06 Nov 1994 08:49:37 UTC', undefined],
    ['Sun, 6 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 31 Nov 1994 08:49:37 GMT', undefined],
    ['Sun, 06 Abc 1994 08:49:37 GMT', undefined],
    ['Sun, 06 Nov 1994 24:49:37 GMT', undefined],
    ['784111777', undefined],
    ['', undefined],
  ])('%s', (text, ms) => {
    expect(parseHttpDate(text, Date.UTC(2026, 0, 1))).toBe(ms);
  });

  test('goes out as an IMF-fixdate and comes back', () => {
    expect(formatHttpDate(MODIFIED)).toBe(AT);
    expect(parseHttpDate(formatHttpDate(MODIFIED), NOW)).toBe(MODIFIED - 250);
  });
});

test('a long list costs no more than its length', () => {
  const started = performance.now();
  for (const list of [
    `"q",${' '.repeat(64_000)}y`,
    `"q"${' '.repeat(64_000)}y`,
    ' '.repeat(64_000),
  ]) {
    const field = (name: string): string | undefined =>
      name === 'if-none-match' ? list : undefined;
    expect(evaluatePreconditions(field, { etag: '"e"', modifiedMs: 0 }, NOW)).toBe('send');
  }
  expect(performance.now() - started).toBeLessThan(100);
});
