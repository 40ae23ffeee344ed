// `npm run bench`: builds the load clients, measures every table, and writes docs/benchmarks.md.
//   node scripts/bench.mjs [--quick] [--only=echo,relay] [--print]
// --quick runs 4 pairs instead of 20 and never writes the document.

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { echoTables } from '../bench/echo.mjs';
import { relayTables } from '../bench/relay.mjs';
import { writeReport } from '../bench/report.mjs';
import { build } from './build.mjs';
import { root, run } from './project.mjs';

const PROGRAMS = ['echo_load', 'http_load', 'relay_load', 'floor'];
const SHARED = ['native/core/sha256.cc'];

function buildPrograms() {
  const out = join(root, 'build-native', 'bench');
  mkdirSync(out, { recursive: true });
  for (const name of PROGRAMS) {
    const source = join(root, 'bench', 'native', `${name}.cc`);
    const target = join(out, name);
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
    const shared =
      name === 'relay_load' ? SHARED.filter((file) => existsSync(join(root, file))) : [];
    run('g++', [
      '-std=gnu++20',
      '-O3',
      '-march=native',
      '-Wall',
      '-Wextra',
      '-o',
      target,
      source,
      ...shared,
    ]);
  }
}

const quick = process.argv.includes('--quick');
const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice(7)
  .split(',');
const wants = (name) => only === undefined || only.includes(name);

build();
buildPrograms();
const options = { pairs: quick ? 4 : 20, starts: quick ? 2 : 5, sliceMs: 1000 };
const tables = [];
if (wants('echo')) tables.push(...(await echoTables(options)));
if (wants('relay')) tables.push(...(await relayTables(options)));
if (!quick && only === undefined) writeReport(tables);
process.exit(0);
