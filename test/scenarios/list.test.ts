// The list of issue 2: every scenario of messenger.md section 9 that is due stands here by its name.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const FOLDER = new URL('./', import.meta.url);
const RANGES: readonly (readonly [first: number, last: number])[] = [
  [1, 29],
  [31, 33],
  [36, 37],
  [41, 41],
  [49, 53],
];

test('every scenario that is due has a test with its name', () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.test.ts'));
  const texts = files.map((file) => readFileSync(new URL(file, FOLDER), 'utf8')).join('\n');
  const named = new Set(texts.match(/(?<=['"`])S\d\d(?= )/g));
  const due = RANGES.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  ).map((number) => `S${String(number).padStart(2, '0')}`);
  expect(due.filter((name) => !named.has(name))).toEqual([]);
});
