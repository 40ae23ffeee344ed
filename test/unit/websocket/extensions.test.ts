// The grammar of Sec-WebSocket-Extensions: RFC 6455 section 9.1.

import { describe, expect, test } from 'vitest';
import { parseExtensions } from '../../../lib/websocket/extensions.ts';
import { checkHandshake } from '../../../lib/websocket/handshake.ts';

/** `name; a; b=1` with one space behind separators, as the parser has understood it. */
function readBack(value: string): string[] | undefined {
  return parseExtensions(value)?.map(({ name, parameters }) =>
    [
      name,
      ...parameters.map((p) => (p.value === undefined ? p.name : `${p.name}=${p.value}`)),
    ].join('; '),
  );
}

describe('section 9.1: what is well-formed', () => {
  test.each<[string, string[]]>([
    ['foo', ['foo']],
    ['foo, bar; baz=2', ['foo', 'bar; baz=2']],
    ['foo; a; b=1; c="2"', ['foo; a; b=1; c=2']],
    [' foo ;\ta = 1 ,bar ', ['foo; a=1', 'bar']],
    ['foo;a=1;a=2', ['foo; a=1; a=2']],
    ['foo;a="1\\5"', ['foo; a=15']],
    ['foo;a="\\b\\c"', ['foo; a=bc']],
    ["x-~!#$%&'*+.^_`|", ["x-~!#$%&'*+.^_`|"]],
    [',foo,,bar,', ['foo', 'bar']],
  ])('%s', (value, expected) => {
    expect(readBack(value)).toEqual(expected);
  });

  test('an absent field offers nothing', () => {
    expect(parseExtensions(undefined)).toEqual([]);
  });
});

describe('section 9.1: a malformed value MUST fail the connection', () => {
  const malformed = [
    '',
    ' ',
    ',',
    'foo;',
    'foo; ;a',
    'foo a',
    'foo; a b',
    'foo; a=',
    'foo; =1',
    'foo; a==1',
    'foo; a=1 2',
    'foo; a=""',
    'foo; a="1',
    'foo; a=1"',
    'foo; a="1 2"',
    'foo; a="1\\"',
    'foo; a="1;2"',
    'foo; a="\\\\"',
    'foo/bar',
    'fo\u00e9',
    'foo; a=1\u0001',
    '; foo',
    '=',
  ];
  test.each(malformed)('%j', (value) => {
    expect(parseExtensions(value)).toBeUndefined();
    const handshake = checkHandshake({
      method: 'GET',
      minorVersion: 1,
      headers: {
        upgrade: 'websocket',
        connection: 'Upgrade',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-extensions': value,
      },
    });
    expect(handshake).toMatchObject({ ok: false, status: 400 });
  });
});

test('a long field takes no longer than its length', () => {
  const value = `${'foo; a="'.repeat(2000)}`;
  const started = performance.now();
  expect(parseExtensions(value)).toBeUndefined();
  expect(parseExtensions('a;b=1,'.repeat(2000))).toHaveLength(2000);
  expect(performance.now() - started).toBeLessThan(500);
});
