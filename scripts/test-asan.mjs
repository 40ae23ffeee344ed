#!/usr/bin/env node
// Builds both addons with AddressSanitizer and UndefinedBehaviorSanitizer beside the normal build,
// proves with nm that the instrumentation is in, and runs the tests of lib/net, the codecs and the parsers on them. To be run
// inside an npm script: node-gyp finds Node's headers through npm's configuration.
//   npm run test:asan [-- vitest filters]

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** A copy of the sources: node-gyp always builds into the folder of its binding.gyp. */
const FOLDER = join(ROOT, 'build-asan');
const ADDON = join(FOLDER, 'build/Release/sluice.node');
const CODEC = join(FOLDER, 'build/Release/sluice_codec.node');
/** `-Dsanitize=…` is silently ignored by node-gyp; gyp variables are passed as long options. */
const SANITIZE = '--sanitize=address,undefined';
const PROOFS = ['__asan_report_load', '__ubsan_handle'];
/** Not freed-memory.test.ts, which is about glibc's allocator: ASan has its own. */
const TESTS = [
  'test/integration/tls',
  'test/integration/net-',
  'test/integration/codec-',
  'test/fuzz/deflate',
  'test/fuzz/http',
  'test/fuzz/websocket',
];
const PROJECTS = ['--project', 'integration', '--project', 'fuzz'];
/** Of each fuzz test, unless more are asked for. */
const FUZZ_CASES = '5000';

function fail(message) {
  console.error(message);
  process.exit(1);
}

function capture(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (result.status !== 0) fail(`${command} failed: ${result.error?.message ?? result.stderr}`);
  return result.stdout.trim();
}

function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    stdio: 'inherit',
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) fail(`${command} ${args.join(' ')} failed.`);
}

/** @returns {number} time of the newest file below a folder */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isFresh() {
  if (!existsSync(ADDON) || !existsSync(CODEC)) return false;
  const built = Math.min(statSync(ADDON).mtimeMs, statSync(CODEC).mtimeMs);
  return [join(ROOT, 'native'), join(ROOT, 'binding.gyp')].every((path) => newest(path) < built);
}

/** Headers beside the node binary, where there are some: nothing is downloaded then. */
function headerOptions() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function build() {
  mkdirSync(FOLDER, { recursive: true });
  const options = { recursive: true, preserveTimestamps: true };
  for (const path of ['native', 'binding.gyp', 'package.json']) {
    cpSync(join(ROOT, path), join(FOLDER, path), options);
  }
  const gyp = join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js');
  const verb = existsSync(join(FOLDER, 'build/Makefile')) ? ['build'] : ['configure', 'build'];
  const places = [`--directory=${FOLDER}`, ...headerOptions()];
  for (const step of verb) run(process.execPath, [gyp, step, '--silent', ...places, SANITIZE]);
}

function prove(addon) {
  const symbols = capture('nm', ['--dynamic', '--undefined-only', addon]);
  const missing = PROOFS.filter((proof) => !symbols.includes(proof));
  if (missing.length > 0) fail(`${addon} is not instrumented: no ${missing.join(', no ')} in it.`);
}

function main() {
  if (!isFresh()) build();
  for (const addon of [ADDON, CODEC]) prove(addon);
  const libraries = ['libasan.so', 'libubsan.so'].map((name) =>
    capture('g++', [`-print-file-name=${name}`]),
  );
  const filters = process.argv.slice(2);
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = ['run', ...PROJECTS, ...(filters.length > 0 ? filters : TESTS)];
  run(process.execPath, [vitest, ...args], {
    LD_PRELOAD: libraries.join(':'),
    SLUICE_ADDON: ADDON,
    SLUICE_CODEC: CODEC,
    SLUICE_FUZZ_CASES: process.env.SLUICE_FUZZ_CASES ?? FUZZ_CASES,
    // V8 never frees everything at exit, and worker threads end without running destructors.
    ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1:abort_on_error=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  });
}

main();
