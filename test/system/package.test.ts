// The package as a stranger gets it: packed, unpacked into a project of its own, each of its entries imported,
// and a server of a few lines on the installed one. Its dependencies and the built addons are lent by this
// repository, so that no registry is asked and nothing is compiled.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RUN_MS_MAX = 30_000;

const ECHO = `
import { createServer } from 'sluice';
import { WebSocket, WebSocketServer } from 'sluice/ws';

const server = createServer({ host: '127.0.0.1', port: 0 });
server.websocket('/', { message: (socket, data) => socket.send(data) });
await server.listen();
const socket = new globalThis.WebSocket('ws://127.0.0.1:' + server.port);
socket.onopen = () => socket.send('packed');
socket.onmessage = async ({ data }) => {
  console.log(data, typeof WebSocket, typeof WebSocketServer);
  socket.close();
  await server.close();
};
`;

let project = '';
let installed = '';

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'sluice-package-'));
  const modules = join(project, 'node_modules');
  installed = join(modules, 'sluice');
  mkdirSync(installed, { recursive: true });
  const pack = ['pack', '--silent', '--ignore-scripts', `--pack-destination=${project}`];
  const tarball = execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' }).trim();
  execFileSync('tar', ['xzf', join(project, tarball), '--strip-components=1', '-C', installed]);
  symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  mkdirSync(join(installed, 'build/Release'), { recursive: true });
  for (const name of ['sluice.node', 'sluice_codec.node']) {
    cpSync(join(ROOT, 'build/Release', name), join(installed, 'build/Release', name));
  }
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

function run(source: string): string {
  const file = join(project, 'program.mjs');
  writeFileSync(file, source);
  // Node 20 has a global WebSocket only when asked for it.
  const options = ['--experimental-websocket', file];
  return execFileSync(process.execPath, options, { encoding: 'utf8', timeout: RUN_MS_MAX });
}

interface Manifest {
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
}

const manifest = (): Manifest => JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));

test('each entry loads from the packed package, and has its types beside it', () => {
  const entries = Object.entries(manifest().exports).filter(([name]) => name !== './package.json');
  expect(entries.map(([name]) => name)).toEqual(
    expect.arrayContaining(['.', './ws', './epoll', './client', './process', './workerman']),
  );
  for (const [, target] of entries) {
    if (typeof target === 'string') throw new Error(`an entry without types: ${target}`);
    expect(readFileSync(join(installed, target.types), 'utf8')).toContain('export');
  }
  const names = entries.map(([name]) => join('sluice', name));
  const counts = run(`
    const names = ${JSON.stringify(names)};
    const modules = await Promise.all(names.map((name) => import(name)));
    console.log(JSON.stringify(modules.map((one) => Object.keys(one).length)));
  `);
  expect(JSON.parse(counts)).toHaveLength(names.length);
  expect(Math.min(...(JSON.parse(counts) as number[]))).toBeGreaterThan(0);
});

test('a server of a few lines echoes on the packed package', () => {
  expect(run(ECHO).trim()).toBe('packed function function');
});
