// The small codecs behind static files: ranges, accepted codings, media types, names.

import { join, normalize } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptedCodings } from '../../../lib/http/accept-encoding.ts';
import { parseRanges, RANGES_MAX } from '../../../lib/http/byte-ranges.ts';
import { mediaTypeOf, UNKNOWN_MEDIA_TYPE } from '../../../lib/server/static/media-types.ts';
import { staticNameOf } from '../../../lib/server/static/static-name.ts';

describe('a Range field', () => {
  const SIZE = 100;
  const many = (count: number): string =>
    `bytes=${Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`).join(',')}`;

  test.each<[string, number, string]>([
    ['bytes=0-9', SIZE, '0-9'],
    ['bytes=90-', SIZE, '90-99'],
    ['bytes=-10', SIZE, '90-99'],
    ['bytes=-1000', SIZE, '0-99'],
    ['bytes=0-1000', SIZE, '0-99'],
    ['bytes=0-0', SIZE, '0-0'],
    ['bytes=99-99', SIZE, '99-99'],
    ['BYTES = 0-9', SIZE, '0-9'],
    ['bytes=0-9, 20-29', SIZE, '0-9 20-29'],
    ['bytes=20-29 ,\t0-9', SIZE, '20-29 0-9'],
    ['bytes=0-9,200-', SIZE, '0-9'],
    ['bytes=0-50,40-60', SIZE, '0-50 40-60'],
    ['bytes=100-', SIZE, 'refuse'],
    ['bytes=100-200,300-', SIZE, 'refuse'],
    ['bytes=-0', SIZE, 'refuse'],
    ['bytes=0-', 0, 'refuse'],
    ['bytes=-5', 0, 'refuse'],
    ['bytes=0-50,40-60,55-70', SIZE, 'refuse'],
    ['bytes=0-,0-,0-', SIZE, 'refuse'],
    [
      many(RANGES_MAX - 1),
      SIZE,
      many(RANGES_MAX - 1)
        .slice(6)
        .replaceAll(',', ' '),
    ],
    [many(RANGES_MAX), SIZE, many(RANGES_MAX).slice(6).replaceAll(',', ' ')],
    [many(RANGES_MAX + 1), SIZE, 'refuse'],
    ['bytes=9-0', SIZE, 'ignore'],
    ['bytes=', SIZE, 'ignore'],
    ['bytes=-', SIZE, 'ignore'],
    ['bytes=0-9,', SIZE, 'ignore'],
    ['bytes=a-b', SIZE, 'ignore'],
    ['bytes=0x1-5', SIZE, 'ignore'],
    ['bytes=+1-5', SIZE, 'ignore'],
    ['bytes=1 -5', SIZE, 'ignore'],
    ['bytes=0-9;a', SIZE, 'ignore'],
    ['bytes=0-9999999999999999', SIZE, 'ignore'],
    ['items=0-9', SIZE, 'ignore'],
    ['0-9', SIZE, 'ignore'],
    ['', SIZE, 'ignore'],
  ])('%s of %i', (field, size, expected) => {
    const ranges = parseRanges(field, size);
    const text =
      typeof ranges === 'string'
        ? ranges
        : ranges.map(({ first, last }) => `${first}-${last}`).join(' ');
    expect(text).toBe(expected);
  });
});

test('whatever a Range field says, its ranges lie inside the file', () => {
  const part = fc.stringMatching(/^[0-9 ,=bytes;-]{0,12}$/);
  const range = fc
    .tuple(fc.option(fc.nat(200), { nil: '' }), fc.option(fc.nat(200), { nil: '' }))
    .map(([first, last]) => `${first}-${last}`);
  const field = fc
    .array(fc.oneof(range, part), { minLength: 1, maxLength: RANGES_MAX + 2 })
    .map((parts) => `bytes=${parts.join(',')}`);
  fc.assert(
    fc.property(field, fc.nat(150), (text, size) => {
      const ranges = parseRanges(text, size);
      if (typeof ranges === 'string') return;
      expect(ranges.length).toBeGreaterThan(0);
      expect(ranges.length).toBeLessThanOrEqual(RANGES_MAX);
      for (const { first, last } of ranges) {
        expect(first >= 0 && first <= last && last < size).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

describe('Accept-Encoding', () => {
  test.each<[string | undefined, string]>([
    [undefined, ''],
    ['', ''],
    ['br', 'br'],
    ['gzip, deflate, br', 'br gzip'],
    ['GZIP', 'gzip'],
    ['gzip;q=1.0, br;q=0.5', 'gzip br'],
    ['gzip;q=0, br', 'br'],
    ['br;q=0', ''],
    ['*', 'br gzip'],
    ['*;q=0', ''],
    ['*;q=0.5, br;q=0', 'gzip'],
    ['identity, br;q=0.5', ''],
    ['identity;q=0.5, br;q=0.7', 'br'],
    ['identity;q=0, gzip', 'gzip'],
    ['br;q=2', ''],
    ['br;q=0.1234', ''],
    ['br ; q=0.5', 'br'],
    ['b r, gzip', 'gzip'],
  ])('%s', (field, expected) => {
    expect(acceptedCodings(field, ['br', 'gzip']).join(' ')).toBe(expected);
  });
});

test('media types go by the extension, whatever its case; the rest is bytes', () => {
  const types = ['a.html', 'a/b.JS', 'a.tar.gz', 'a.woff2'].map(mediaTypeOf);
  expect(types).toEqual([
    'text/html; charset=utf-8',
    'text/javascript; charset=utf-8',
    'application/gzip',
    'font/woff2',
  ]);
  for (const name of ['a', 'a.', '.html', 'a.js/b', 'a.constructor', 'a.__proto__']) {
    expect(mediaTypeOf(name)).toBe(UNKNOWN_MEDIA_TYPE);
  }
});

describe('a name below the root', () => {
  test.each<[string, string | undefined]>([
    ['a.txt', 'a.txt'],
    ['a/b/c', 'a/b/c'],
    ['a b\\c:d', 'a b\\c:d'],
    ['a..b', 'a..b'],
    ['', '/'],
    ['a/', 'a/'],
    ['..', undefined],
    ['../a', undefined],
    ['a/..', undefined],
    ['a/../b', undefined],
    ['.', undefined],
    ['a/./b', undefined],
    ['/', undefined],
    ['/etc/passwd', undefined],
    ['a//b', undefined],
    ['a//', undefined],
    ['a\0.txt', undefined],
    ['.env', undefined],
    ['.git/config', undefined],
    ['a/.b', undefined],
  ])('%j', (rest, expected) => {
    const found = staticNameOf(rest, false);
    const text = found === undefined ? undefined : found.name + (found.isFolder ? '/' : '');
    expect(text).toBe(expected);
  });

  test('may begin with a dot when that is allowed, but still climbs nowhere', () => {
    expect(staticNameOf('.well-known/a', true)?.name).toBe('.well-known/a');
    expect(staticNameOf('.well-known/../a', true)).toBeUndefined();
  });

  test('never leads out of the root, whatever it is made of', () => {
    const piece = fc.constantFrom('..', '.', '/', '//', 'a', '\0', '%2e', '\\', 'b.txt', ' ', '');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, allowsDotfiles) => {
        const found = staticNameOf(pieces.join(''), allowsDotfiles);
        if (found === undefined) return;
        const path = join('/root', found.name);
        expect(path === '/root' || path.startsWith('/root/')).toBe(true);
        // Nothing was tidied up on the way: the name is the one that the rules were checked on.
        expect(path).toBe(normalize(`/root/${found.name}`).replace(/(.)\/$/, '$1'));
      }),
      { numRuns: 5000 },
    );
  });
});
