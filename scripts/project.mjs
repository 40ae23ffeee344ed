// What every script needs: the root, running a command, and building only what changed.
// A piece is rebuilt when the content of its inputs differs from the stamp of its last good build.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Runs a command in the root; its failure ends this process with the command's own output. */
export function run(command, args, options = {}) {
  const { quiet = false, env = {}, failure } = options;
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return result;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const why = result.error?.message ?? `exit ${result.status ?? result.signal}`;
  console.error(`sluice: ${failure ?? `${command} ${args.join(' ')} failed`} (${why})`);
  process.exit(1);
}

function* filesBelow(path) {
  const absolute = join(root, path);
  if (!existsSync(absolute)) return;
  const entries = readdirSync(absolute, { withFileTypes: true, recursive: true });
  for (const entry of entries) {
    if (entry.isFile()) yield join(entry.parentPath ?? entry.path, entry.name);
  }
}

/** One hash over the content of files and folders, in a stable order. */
export function contentHash(inputs, extra = '') {
  const hash = createHash('sha1').update(extra);
  for (const input of inputs) {
    const single = /\.[a-z]+$/.test(input);
    const files = single ? [join(root, input)] : [...filesBelow(input)].sort();
    for (const file of files) {
      if (!existsSync(file)) continue;
      hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
    }
  }
  return hash.digest('hex');
}

const stampFile = (name) => join(root, 'node_modules', '.sluice', `${name}.stamp`);

/** True when `name` was last built from exactly these inputs and its outputs are there. */
export function isFresh(name, hash, outputs) {
  const file = stampFile(name);
  if (!existsSync(file) || readFileSync(file, 'utf8') !== hash) return false;
  return outputs.every((output) => existsSync(join(root, output)));
}

export function stamp(name, hash) {
  mkdirSync(dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), hash);
}

/** Installs the locked dependencies when they are not the installed ones. */
export function ensureInstalled() {
  const hash = contentHash(['package-lock.json']);
  if (isFresh('install', hash, ['node_modules/undici/package.json'])) return;
  console.log('sluice: installing the locked dependencies');
  rmSync(join(root, 'node_modules', '.sluice'), { recursive: true, force: true });
  // Nothing we depend on needs its install script: binaries come inside the packages.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    quiet: true,
    failure: 'npm ci could not install the locked dependencies',
  });
  stamp('install', hash);
}
