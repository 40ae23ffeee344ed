// Builds what is not up to date: the addons (node-gyp), the TypeScript (tsc), the pages (vite).
// `npm run build`, and the first step of `npm start` and `npm test`.

import { cpSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { missingHeaders } from '../native/codec-headers.cjs';
import { bin, contentHash, ensureInstalled, isFresh, root, run, stamp } from './project.mjs';

const nodePrefix = dirname(dirname(process.execPath));

/** Node's own headers beside the binary; node-gyp would otherwise want to download them. */
function headerOptions() {
  const header = join(nodePrefix, 'include', 'node', 'node_api.h');
  return existsSync(header) ? [`--nodedir=${nodePrefix}`] : [];
}

/** binding.gyp leaves the second addon out where its headers are missing. */
function addonFiles() {
  const names = ['sluice'];
  const missing = headerOptions().length > 0 ? missingHeaders(nodePrefix) : [];
  if (missing.length === 0) names.push('sluice_codec');
  return names.map((name) => `build/Release/${name}.node`);
}

function buildAddons() {
  const files = addonFiles();
  const hash = contentHash(
    ['native', 'binding.gyp'],
    `${process.arch} ${process.versions.modules} ${files.length}`,
  );
  if (isFresh('addon', hash, files)) return;
  console.log('sluice: building the native addons');
  const configured = existsSync(join(root, 'build', 'Makefile'));
  const steps = configured ? [['configure'], ['build']] : [['rebuild']];
  for (const step of steps) {
    run(bin('node-gyp'), [...step, '--release', '--loglevel=error', ...headerOptions()], {
      quiet: true,
      failure: 'the addons could not be built: python3, make and g++ (12 or newer) are needed',
    });
  }
  stamp('addon', hash);
}

function buildTypeScript() {
  const hash = contentHash(['lib', 'tsconfig.json', 'package.json']);
  if (isFresh('typescript', hash, ['dist/index.js'])) return;
  console.log('sluice: compiling TypeScript');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run(bin('tsc'), ['-p', 'tsconfig.json'], { failure: 'TypeScript does not compile' });
  if (existsSync(join(root, 'lib', 'simulator', 'phone'))) {
    cpSync(join(root, 'lib', 'simulator', 'phone'), join(root, 'dist', 'simulator', 'phone'), {
      recursive: true,
    });
  }
  stamp('typescript', hash);
}

function buildConsole() {
  const hash = contentHash(['lib/console', 'lib/client', 'package-lock.json']);
  if (isFresh('console', hash, ['dist/console/index.html'])) return;
  console.log('sluice: building the console');
  run(bin('vite'), ['build', '--config', 'lib/console/vite.config.ts', '--logLevel', 'warn'], {
    failure: 'the console could not be built',
  });
  stamp('console', hash);
}

export function build() {
  ensureInstalled();
  buildAddons();
  buildTypeScript();
  buildConsole();
}

if (process.argv[1] === join(root, 'scripts', 'build.mjs')) build();
