// The place of a fault in JSON; the judge of whether there is one is JSON.parse.

import { expect, test } from 'vitest';
import { findJsonFault } from '../../../lib/gateway/json-fault.ts';

const GOOD = '{"a": [1, -2.5e+3, "x\\u00e9\\n", {}, []], "b": {"c": null, "d": true},\n "": false}';

test.each<[string, number, number]>([
  ['', 1, 1],
  ['{\n  "a": 1,\n}', 3, 1],
  ['{\n  "a": 1\n  "b": 2}', 3, 3],
  ["{'a': 1}", 1, 2],
  ['{"a": hunter2}', 1, 7],
  ['{"a": "hunter2', 1, 7],
  ['{"a": "hunter2"', 1, 16],
  ['[1, 2,]', 1, 7],
  ['[1 2]', 1, 4],
  ['{"a" 1}', 1, 6],
  ['{} {}', 1, 4],
  ['[}', 1, 2],
  ['{"a": 01}', 1, 8],
  ['// why\n{}', 1, 1],
])('%j fails at %i:%i', (text, line, col) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(findJsonFault(text)).toEqual({ line, col });
});

test('of a good text, whatever is left out or put in, JSON.parse thinks the same', () => {
  const isJson = (text: string): boolean => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  for (let at = 0; at <= GOOD.length; at++) {
    const rests = [GOOD.slice(at), GOOD.slice(at + 1)];
    for (const put of ['', ' ', ',', ':', '"', '0', '{', '}', '[', ']', '\\', '\n', '\ufeff']) {
      for (const rest of rests) {
        const text = GOOD.slice(0, at) + put + rest;
        expect(findJsonFault(text) === undefined, text).toBe(isJson(text));
      }
    }
  }
});
