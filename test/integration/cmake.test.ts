// CMake's build is node-gyp's: the same sources for each addon and for the native tests, with the same
// flags. Configured in a folder of its own; compiling is what binding.gyp and the native step do anyway.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const lists = JSON.parse(read('native/sources.json')) as Readonly<Record<string, string[]>>;
const HEADERS = '/usr/include/node-headers-for-the-test';
/** What CMake adds for itself, and where files lie. */
const OWN_FLAGS = /^-(?:D\w+_EXPORTS|fPIC|o|c|isystem)$/;

interface Command {
  readonly command: string;
  readonly file: string;
}

let folder: string;
let commands: readonly Command[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cmake-'));
  const options = ['-DSLUICE_TESTS=ON', `-DCMAKE_JS_INC=${HEADERS}`];
  await promisify(execFile)('cmake', ['-S', ROOT, '-B', folder, ...options]);
  commands = JSON.parse(readFileSync(join(folder, 'compile_commands.json'), 'utf8')) as Command[];
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commandsOf = (target: string): Command[] =>
  commands.filter(({ command }) => command.includes(` CMakeFiles/${target}.dir/`));

const sourcesOf = (target: string): string[] =>
  commandsOf(target)
    .map(({ file }) => relative(ROOT, file))
    .sort();

/** The flags of a target that are not about files; all of its sources must have the same. */
function flagsOf(target: string): string[] {
  const found = new Set(
    commandsOf(target).map(({ command }) =>
      command
        .split(/\s+/)
        .filter((word) => word.startsWith('-') && !OWN_FLAGS.test(word))
        .sort()
        .join(' '),
    ),
  );
  expect(found.size).toBe(1);
  return [...found].join().split(' ');
}

/** The lists of quoted words that a .gypi gives for a name, those under conditions left out. */
function gypFlags(name: string): string[] {
  const [plain = ''] = read('native/flags.gypi').split("'conditions'");
  const list = new RegExp(`'${name}': \\[([^\\]]*)\\]`).exec(plain)?.[1] ?? '';
  return [...list.matchAll(/'([^']+)'/g)].map(([, word]) => word ?? '');
}

describe.each(['sluice', 'sluice_codec'])('the addon %s', (target) => {
  test('has the sources of the list', () => {
    expect(sourcesOf(target)).toEqual([...(lists[target] ?? [])].sort());
  });

  test('has the flags of native/flags.gypi', () => {
    const defines = gypFlags('defines').map((define) => `-D${define}`);
    const wanted = [...defines, ...gypFlags('cflags'), ...gypFlags('cflags_cc')];
    expect(wanted.length).toBeGreaterThan(5);
    expect(flagsOf(target)).toEqual(wanted.sort());
  });
});

test('the native tests have the core of both addons, the tests, and the fake kernel’s wraps', () => {
  const core = [...(lists['sluice'] ?? []), ...(lists['sluice_codec'] ?? [])];
  const wanted = new Set(core.filter((file) => file.startsWith('native/core/')));
  for (const name of readdirSync(join(ROOT, 'test/native'))) {
    if (name.endsWith('.cc')) wanted.add(`test/native/${name}`);
  }
  expect(sourcesOf('native-tests')).toEqual([...wanted].sort());
  const link = readFileSync(join(folder, 'CMakeFiles/native-tests.dir/link.txt'), 'utf8');
  const wraps = [...link.matchAll(/-Wl,--wrap=(\w+)/g)].map(([, name]) => name);
  expect(wraps.sort()).toEqual([...(lists['wraps'] ?? [])].sort());
});
