// The phone page's files fit together: ids, words in both languages, nothing of a third party.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PHONE_HEADERS, readPhoneFile } from '../../../lib/simulator/phone-files.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../../lib/simulator/phone/${name}`, import.meta.url), 'utf8');

const html = read('index.html');
const scripts = read('phone.js') + read('bubbles.js');
const words = read('words.js');

function wordsOf(language: string): Map<string, string> {
  const start = words.indexOf(`const ${language} = {`);
  const block = words.slice(start, words.indexOf('};', start));
  return new Map(
    [...block.matchAll(/^ {2}'?([\w.]+)'?: '(.*)',$/gm)].map((match) => [
      match[1] ?? '',
      match[2] ?? '',
    ]),
  );
}

const matches = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? '');

describe('the phone page', () => {
  test('speaks English and Chinese with the same words', () => {
    const english = wordsOf('english');
    const chinese = wordsOf('chinese');
    expect([...chinese.keys()]).toEqual([...english.keys()]);
    for (const [name, sentence] of chinese) {
      expect(matches(sentence, /\{(\w+)\}/g)).toEqual(
        matches(english.get(name) ?? '', /\{(\w+)\}/g),
      );
    }
  });

  test('uses only words that exist', () => {
    const used = [
      ...matches(html, /data-(?:word|label|placeholder)="(\w+)"/g),
      ...matches(scripts, /say\('([\w.]+)'/g),
      ...matches(scripts, /^ {2}(\w+): \{ kind:/gm).map((name) => `fault.${name}`),
    ];
    const known = wordsOf('english');
    expect(used.length).toBeGreaterThan(30);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });

  test('finds every element that it looks for, once', () => {
    const ids = matches(html, / id="([\w-]+)"/g);
    const wanted = matches(scripts, /byId\('([\w-]+)'/g);
    expect(new Set(ids).size).toBe(ids.length);
    expect(wanted.filter((id) => !ids.includes(id))).toEqual([]);
  });

  test('has every id that its comment promises to tests', () => {
    const list = /Stable ids for tests:([\s\S]*?)\./.exec(html)?.[1] ?? '';
    const promised = list.replace(/\([^)]*\)/g, '').split(/[\s,]+/);
    const names = promised.filter((name) => name !== '');
    const ids = matches(html, / id="([\w-]+)"/g);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !ids.includes(name))).toEqual([]);
  });

  test('labels every control', () => {
    for (const tag of html.match(/<(?:input|select|textarea|button)\b[^>]*>/g) ?? []) {
      const id = / id="([\w-]+)"/.exec(tag)?.[1] ?? '';
      const isLabelled =
        html.includes(`for="${id}"`) ||
        /data-(?:label|word)=/.test(tag) ||
        (tag.includes('checkbox') && html.includes(`<label class="check">${tag.slice(0, 6)}`));
      expect([tag, isLabelled]).toEqual([tag, true]);
    }
  });

  test('loads nothing from elsewhere and writes no markup', () => {
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect(scripts + words).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/,
    );
    expect(PHONE_HEADERS['Content-Security-Policy']).toContain("default-src 'none'");
  });

  test('is served file by file, and no other file', async () => {
    expect((await readPhoneFile(''))?.bytes.toString()).toBe(html);
    for (const name of matches(
      html + scripts,
      /(?:src|href|from)[= ]["'](?:\.\/)?([\w.]+\.(?:js|css))/g,
    )) {
      expect(await readPhoneFile(name)).toBeDefined();
    }
    for (const name of ['../limits.ts', 'constructor', 'phone.js/', '.', 'INDEX.HTML']) {
      expect(await readPhoneFile(name)).toBeUndefined();
    }
  });
});
