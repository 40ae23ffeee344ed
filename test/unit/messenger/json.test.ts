// Long integers keep every digit; everything else is what JSON.parse makes of it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson, quoteLongIntegers } from '../../../lib/messenger/json.ts';

describe('parseJson', () => {
  test.each([
    ['{"id":17841400123456789}', { id: '17841400123456789' }],
    ['{"id": 9007199254740993 }', { id: '9007199254740993' }],
    ['[1234567890123456,-1234567890123456]', ['1234567890123456', '-1234567890123456']],
    ['{"a":{"b":[\n 12345678901234567890\n]}}', { a: { b: ['12345678901234567890'] } }],
    ['{"id":123456789012345}', { id: 123_456_789_012_345 }],
    ['{"at":1791200000412}', { at: 1_791_200_000_412 }],
    ['{"x":1.5e20}', { x: 1.5e20 }],
    ['{"x":1234567890123456.5}', { x: 1234567890123456.5 }],
    ['{"x":1234567890123456e2}', { x: 1234567890123456e2 }],
    ['{"t":": 1234567890123456, "}', { t: ': 1234567890123456, ' }],
    [
      String.raw`{"t":"\":1234567890123456","u":1234567890123456}`,
      { t: '":1234567890123456', u: '1234567890123456' },
    ],
    [
      String.raw`{"t":"\\","u":1234567890123456,"v":"\\\":1234567890123456"}`,
      { t: '\\', u: '1234567890123456', v: '\\":1234567890123456' },
    ],
    [' 1234567890123456789', '1234567890123456789'],
  ])('reads %s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  test.each([
    '',
    '{',
    '{"a":01234567890123456789}',
    '{"a":-}',
    '{"a":"1234567890123456}',
    '{"a": 1234567890123456x}',
    '\ufeff{}',
    '{"a":1234567890123456-1}',
  ])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  test('agrees with JSON.parse on everything without long integers', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(quoteLongIntegers(text))).toEqual(
          JSON.parse(text, (_key, value: unknown) => longAsText(value)),
        );
      }),
      { numRuns: 300 },
    );
  });

  test('keeps the digits of any long integer at any place', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 10n ** 15n, max: 10n ** 30n }), fc.string(), (id, noise) => {
        const text = `{"noise":${JSON.stringify(noise)},"id":${id},"list":[${id}, ${id}]}`;
        const digits = String(id);
        expect(parseJson(text)).toEqual({ noise, id: digits, list: [digits, digits] });
      }),
      { numRuns: 300 },
    );
  });
});

function longAsText(value: unknown): unknown {
  return typeof value === 'number' && /^-?\d{16,}$/.test(String(value)) ? String(value) : value;
}
