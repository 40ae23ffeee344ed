// One list of native sources for all who build them: node-gyp, CMake, the native tests.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const lists = JSON.parse(read('native/sources.json')) as Readonly<Record<string, string[]>>;

const sourcesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => `${folder}/${name}`);

test('every source is in the list of an addon, and nothing else is', () => {
  const listed = new Set([...(lists['sluice'] ?? []), ...(lists['sluice_codec'] ?? [])]);
  const there = [...sourcesBelow('native/core'), ...sourcesBelow('native/binding')];
  expect([...listed].sort()).toEqual(there.sort());
});

test('no list names a source twice', () => {
  for (const list of Object.values(lists)) expect(new Set(list).size).toBe(list.length);
});

test('binding.gyp, CMakeLists.txt and the native tests read the list and name no source', () => {
  expect(read('binding.gyp')).toContain('node native/sources.cjs sluice)');
  expect(read('binding.gyp')).toContain('node native/sources.cjs sluice_codec)');
  expect(read('CMakeLists.txt')).toContain('file(READ native/sources.json');
  expect(read('scripts/test-native.mjs')).toContain('native/sources.json');
  for (const file of ['binding.gyp', 'CMakeLists.txt', 'scripts/test-native.mjs']) {
    expect(read(file)).not.toMatch(/native\/(core|binding)\/\w+\.cc/);
  }
});

test('what the tests replace, the fake kernel has', () => {
  const kernel = read('test/native/fake_kernel.cc');
  for (const name of lists['wraps'] ?? []) expect(kernel).toContain(` __wrap_${name}(`);
});
