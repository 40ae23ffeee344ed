// `npm test`: sets up what the tests need, builds, and runs every suite. Prints one line with the
// sum at the end. `--only NAME[,NAME]` runs some steps; `npm run test:unit` is the inner loop.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { bin, root, run } from './project.mjs';

const DEBIAN_PACKAGES = [
  { name: 'chromium', file: '/usr/bin/chromium' },
  { name: 'libgtest-dev', file: '/usr/include/gtest/gtest.h' },
  { name: 'cmake', file: '/usr/bin/cmake' },
  { name: 'strace', file: '/usr/bin/strace' },
  { name: 'openssl', file: '/usr/bin/openssl' },
  { name: 'curl', file: '/usr/bin/curl' },
  { name: 'libssl-dev', file: '/usr/include/openssl/ssl.h' },
  { name: 'zlib1g-dev', file: '/usr/include/zlib.h' },
  { name: 'nginx', file: '/usr/sbin/nginx' },
  { name: 'libnginx-mod-stream', file: '/usr/lib/nginx/modules/ngx_stream_module.so' },
  { name: 'haproxy', file: '/usr/sbin/haproxy' },
  { name: 'iproute2', file: '/usr/sbin/ip' },
  { name: 'systemd', file: '/usr/bin/systemd-socket-activate' },
];

function ensurePackages() {
  const missing = DEBIAN_PACKAGES.filter((wanted) => !existsSync(wanted.file)).map((p) => p.name);
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync('/usr/bin/apt-get')) {
    console.error(`sluice: the tests need Debian's packages: apt-get install ${missing.join(' ')}`);
    process.exit(1);
  }
  console.log(`sluice: installing ${missing.join(', ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { quiet: true, env });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
    quiet: true,
    env,
    failure: `apt-get could not install ${missing.join(' ')}`,
  });
}

const totals = { passed: 0, failed: 0 };

/** Adds up what vitest reported; a run that executed nothing is a failure. */
function vitest(projects) {
  const report = join(root, 'node_modules', '.sluice', 'vitest.json');
  mkdirSync(join(root, 'node_modules', '.sluice'), { recursive: true });
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  for (const project of projects) args.push('--project', project);
  const result = spawnSync(bin('vitest'), args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NODE_ENV: 'test' },
  });
  const summary = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {};
  totals.passed += summary.numPassedTests ?? 0;
  totals.failed += summary.numFailedTests ?? 0;
  const ran = (summary.numPassedTests ?? 0) > 0;
  if (result.status !== 0 || !ran) totals.failed = Math.max(totals.failed, 1);
  return result.status === 0 && ran;
}

function command(name, args) {
  const result = spawnSync(name, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status === 0) totals.passed++;
  else totals.failed++;
  return result.status === 0;
}

const STEPS = {
  types: () => command(bin('tsc'), ['-p', 'tsconfig.test.json']),
  lint: () =>
    command(bin('biome'), ['check', '--diagnostic-level=error', 'lib', 'test', 'scripts', 'bin']),
  native: () => command(process.execPath, ['scripts/test-native.mjs']),
  unit: () => vitest(['unit']),
  integration: () => vitest(['integration', 'scenarios']),
  system: () => vitest(['system']),
  e2e: () => vitest(['e2e']),
  fuzz: () => vitest(['fuzz']),
  asan: () => command(process.execPath, ['scripts/test-asan.mjs']),
};

const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice(7)
  .split(',');
const wanted = Object.keys(STEPS).filter((name) => only === undefined || only.includes(name));
if (only === undefined) ensurePackages();
build();

const broken = [];
for (const name of wanted) {
  const started = Date.now();
  console.log(`\n== ${name}`);
  const ok = STEPS[name]();
  console.log(
    `== ${name}: ${ok ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`,
  );
  if (!ok) broken.push(name);
}
if (broken.length > 0) console.error(`\nsluice: failed: ${broken.join(', ')}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exit(broken.length === 0 ? 0 : 1);
