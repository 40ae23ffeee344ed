// S41: long texts are split into parts that people can read, in order, each within its limit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitText, splitTextByBytes } from '../../../lib/messenger/text.ts';

const FAMILY = '👨‍👩‍👧‍👦';
const FLAG = '🇫🇷';
const ACCENT = 'e\u0301';

const bytes = (text: string): number => Buffer.byteLength(text);

describe('splitText', () => {
  test.each([0, 1, 1899, 1900])('a text of %d units stays whole', (length) => {
    const text = 'x'.repeat(length);
    expect(splitText(text)).toEqual(length === 0 ? [] : [text]);
  });

  test('one unit more makes two parts', () => {
    expect(splitText('x'.repeat(1901)).map((part) => part.length)).toEqual([1900, 1]);
  });

  test('S41 3,500 characters with an emoji at the cut', () => {
    const text = `${'x'.repeat(1895)}${FAMILY}${'y'.repeat(3500 - 1895 - FAMILY.length)}`;
    const parts = splitText(text);
    expect(parts.join('')).toBe(text);
    expect(parts.map((part) => part.length)).toEqual([1895, 1605]);
    expect(parts[1]?.startsWith(FAMILY)).toBe(true);
  });

  test.each<[string, string]>([
    ['a family', FAMILY],
    ['a flag', FLAG],
    ['a combining accent', ACCENT],
    ['a surrogate pair', '😀'],
    ['a Windows line break', '\r\n'],
    ['a Hangul syllable in parts', '\u1112\u1161\u11ab'],
  ])('never cuts through %s, wherever it stands', (_name, cluster) => {
    for (let before = 0; before <= 20; before++) {
      const parts = splitText(`${'x'.repeat(before)}${cluster.repeat(4)}`, 20);
      for (const part of parts) expect(part.replaceAll(cluster, '').replaceAll('x', '')).toBe('');
    }
  });

  test.each<[string, string, readonly string[]]>([
    ['a blank line', 'aaaa bbbb.\n\ncc dd ee ff', ['aaaa bbbb.\n\n', 'cc dd ee ff']],
    ['a line', 'aaaa bbbb. c\ncc dd ee', ['aaaa bbbb. c\n', 'cc dd ee']],
    ['a sentence', 'aaaa bbbb. cc dd ee', ['aaaa bbbb. ', 'cc dd ee']],
    [
      'a Chinese sentence',
      '一二三四五六七八。九十一二三四五六七',
      ['一二三四五六七八。', '九十一二三四五六七'],
    ],
    ['a word', 'aaaa bbbb cccc dddd', ['aaaa bbbb cccc ', 'dddd']],
    ['nothing', 'aaaabbbbccccddddeeee', ['aaaabbbbccccdddd', 'eeee']],
    ['a break that comes too early', 'aa aaaaaaaaaaaaaaaaaaa', ['aa aaaaaaaaaaaaa', 'aaaaaa']],
  ])('cuts at %s', (_name, text, parts) => {
    expect(splitText(text, 16)).toEqual(parts);
  });

  test('leaves out parts of white space, which Meta refuses', () => {
    expect(splitText(' '.repeat(40), 16)).toEqual([]);
    expect(splitText(`a${' '.repeat(40)}b`, 16).map((part) => part.trim())).toEqual(['a', 'b']);
  });

  test('cuts a character that is longer than the limit between its code points', () => {
    const zalgo = `a${'\u0301'.repeat(40)}`;
    expect(splitText(zalgo, 16).join('')).toBe(zalgo);
    expect(splitText('😀😀', 1).join('')).toBe('😀😀');
  });

  test('splits the longest text that agents may send in little time', () => {
    const text = `${FAMILY}${ACCENT} word. `.repeat(1100).slice(0, 20_000);
    const started = performance.now();
    expect(splitText(text).length).toBeGreaterThan(10);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('splitTextByBytes', () => {
  test('counts UTF-8 bytes, as Instagram does', () => {
    expect(splitTextByBytes('é'.repeat(500))).toHaveLength(1);
    expect(splitTextByBytes('é'.repeat(501)).map(bytes)).toEqual([1000, 2]);
    expect(splitTextByBytes('x'.repeat(1001)).map(bytes)).toEqual([1000, 1]);
  });

  test('keeps whole characters', () => {
    const parts = splitTextByBytes(FAMILY.repeat(60));
    for (const part of parts) expect(part.length % FAMILY.length).toBe(0);
  });
});

const pieces = fc.constantFrom(
  'a',
  ' ',
  '\n',
  '. ',
  '。',
  '😀',
  FAMILY,
  FLAG,
  ACCENT,
  '\r\n',
  '\ud800',
);
const text = fc.array(pieces, { maxLength: 60 }).map((list) => list.join(''));

test('every part is within its limit and nothing but white space is lost', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 8, max: 40 }), (whole, limit) => {
      const squeeze = (value: string): string => value.replace(/\s+/g, '');
      const byUnits = splitText(whole, limit);
      const byBytes = splitTextByBytes(whole, limit);
      for (const part of byUnits) expect(part.length).toBeLessThanOrEqual(limit);
      for (const part of byBytes) expect(bytes(part)).toBeLessThanOrEqual(limit);
      expect(squeeze(byUnits.join(''))).toBe(squeeze(whole));
      expect(squeeze(byBytes.join(''))).toBe(squeeze(whole));
    }),
    { numRuns: 500 },
  );
});
