#!/usr/bin/env node
// Builds native/core with its GoogleTest tests and runs them: once plain, once under
// AddressSanitizer and UndefinedBehaviorSanitizer. Incremental, into build-native/.
//   node scripts/test-native.mjs [--variant=plain|sanitized] [gtest options]

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** CMakeLists.txt and binding.gyp read the same lists. */
const LISTS = JSON.parse(readFileSync(join(ROOT, 'native/sources.json'), 'utf8'));
const TEST_FOLDER = 'test/native';
const HEADERS = [
  ['gtest/gtest.h', 'libgtest-dev'],
  ['openssl/ssl.h', 'libssl-dev'],
  ['zlib.h', 'zlib1g-dev'],
];
const SANITIZED = '-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer';
const VARIANTS = { plain: '-O2', sanitized: `-O1 -g ${SANITIZED}` };

/** @returns {string[]} paths below the root: native/core of both addons, and the tests */
function sources() {
  const core = [...LISTS.sluice, ...LISTS.sluice_codec].filter((file) =>
    file.startsWith('native/core/'),
  );
  const tests = readdirSync(join(ROOT, TEST_FOLDER)).filter((name) => name.endsWith('.cc'));
  return [...new Set(core), ...tests.sort().map((name) => join(TEST_FOLDER, name))];
}

function makefile(flags) {
  const files = sources();
  const objects = files.map((file) => `${basename(file, '.cc')}.o`);
  const wraps = LISTS.wraps.map((name) => `-Wl,--wrap=${name}`).join(' ');
  const lines = [
    'CXX ?= g++',
    `FLAGS = -std=gnu++20 -Wall -Wextra -Werror -fno-rtti ${flags}`,
    `native-tests: ${objects.join(' ')}`,
    `\t$(CXX) $(FLAGS) -o $@ $^ ${wraps} -lgtest -lgtest_main -lpthread -lssl -lcrypto -lz`,
  ];
  for (const [i, file] of files.entries()) {
    lines.push(`${objects[i]}: ${join(ROOT, file)}`, '\t$(CXX) $(FLAGS) -MMD -c -o $@ $<');
  }
  return `${lines.join('\n')}\n-include *.d\n`;
}

function run(command, args, options) {
  const result = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (result.error !== undefined) console.error(`${command}: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** The same loop of compiled objects as long as neither flags nor list of sources change. */
function build(variant) {
  const folder = join(ROOT, 'build-native', variant);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'Makefile');
  const text = makefile(VARIANTS[variant]);
  const isSame = existsSync(path) && readFileSync(path, 'utf8') === text;
  if (!isSame) writeFileSync(path, text);
  const jobs = `--jobs=${availableParallelism()}`;
  run('make', ['--silent', jobs, ...(isSame ? [] : ['--always-make'])], { cwd: folder });
  return join(folder, 'native-tests');
}

function main() {
  for (const [header, name] of HEADERS) {
    if (existsSync(join('/usr/include', header))) continue;
    console.error(`${header} is missing: install the Debian package ${name}.`);
    process.exit(1);
  }
  const chosen = process.argv.find((text) => text.startsWith('--variant='))?.slice(10);
  const options = process.argv.slice(2).filter((text) => !text.startsWith('--variant='));
  for (const variant of chosen === undefined ? Object.keys(VARIANTS) : [chosen]) {
    if (!(variant in VARIANTS)) {
      console.error(`Unknown variant "${variant}": use ${Object.keys(VARIANTS).join(' or ')}.`);
      process.exit(1);
    }
    const program = build(variant);
    console.log(`native tests, ${variant}`);
    run(program, ['--gtest_brief=1', ...options], { cwd: ROOT });
  }
}

main();
