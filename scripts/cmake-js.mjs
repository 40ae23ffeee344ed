#!/usr/bin/env node
// The addons by cmake-js, into build-cmake-js/, with the headers that came with Node: nothing is
// downloaded. For people who work with CMake; `npm run build` uses node-gyp.
//   node scripts/cmake-js.mjs [cmake-js options, e.g. --CDSLUICE_SANITIZE=address,undefined]

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PREFIX = dirname(dirname(process.execPath));

if (!existsSync(join(PREFIX, 'include/node/node.h'))) {
  console.error(`No headers in ${PREFIX}/include/node: install those of ${process.version}.`);
  process.exit(1);
}
const program = join(ROOT, 'node_modules/cmake-js/bin/cmake-js');
const args = ['compile', '--directory', ROOT, '--out', join(ROOT, 'build-cmake-js')];
const result = spawnSync(process.execPath, [program, ...args, ...process.argv.slice(2)], {
  stdio: 'inherit',
  // Where cmake-js looks before it thinks of a download.
  env: { ...process.env, npm_config_nodedir: PREFIX },
});
process.exit(result.status ?? 1);
