// Who takes part: how each server is started, and what it can do. Bun and Deno come from npm into
// build-native/peers, nginx from Debian; who cannot be had is left out, and the page says so.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { LineProcess } from './measure.mjs';
import { program } from './rows.mjs';

const root = new URL('..', import.meta.url).pathname;
const folder = join(root, 'build-native', 'peers');
const script = (name) => join(root, 'bench', 'servers', `${name}.mjs`);

/** Versions are held so that figures can be compared. */
const PACKAGES = {
  bun: { package: '@oven/bun-linux-x64@1.4.5', file: '@oven/bun-linux-x64/bin/bun' },
  deno: { package: '@deno/linux-x64-glibc@2.9.6', file: '@deno/linux-x64-glibc/deno' },
};

/** Why a peer is not in the tables, by its name. */
export const missing = new Map();
/** What the peers said of their versions. */
export const versions = new Map();

/** The program of a peer that comes as an npm package, or undefined. */
function packaged(name) {
  const { package: wanted, file } = PACKAGES[name];
  const program = join(folder, 'node_modules', file);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const npm = ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
    spawnSync('npm', [...npm, ...Object.values(PACKAGES).map((entry) => entry.package)], { stdio: 'ignore' });
  }
  if (existsSync(program)) return program;
  missing.set(name, `${wanted} could not be installed`);
  return undefined;
}

function nginxProgram() {
  const program = '/usr/sbin/nginx';
  if (!existsSync(program) && process.getuid?.() === 0) {
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'nginx'], { stdio: 'ignore' });
  }
  if (existsSync(program)) return program;
  missing.set('nginx', 'the Debian package nginx could not be installed');
  return undefined;
}

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** Resolves when somebody listens on the port; nginx does not say so itself. */
async function listening(port) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const isOpen = await new Promise((done) => {
      const probe = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      probe.on('connect', () => probe.destroy());
    });
    if (isOpen) return;
    if (Date.now() > deadline) throw new Error(`nobody listens on ${port}`);
  }
}

const certificate = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };

/** A certificate (ECDSA P-256) for all servers. */
function ensureCertificate() {
  if (existsSync(certificate.cert)) return;
  mkdirSync(folder, { recursive: true });
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const out = ['-keyout', certificate.key, '-out', certificate.cert, '-days', '3650', '-subj', '/CN=127.0.0.1'];
  spawnSync('openssl', [...request, ...out], { stdio: 'ignore' });
  if (!existsSync(certificate.cert)) throw new Error('openssl is needed for the TLS tables');
}

/** The flags of a server for what a table wants: { tls, deflate, fanout }. */
function flagsOf({ tls = false, deflate = false, fanout = false }) {
  return [
    ...(tls ? [`--cert=${certificate.cert}`, `--key=${certificate.key}`] : []),
    ...(deflate ? ['--deflate'] : []),
    ...(fanout ? ['--fanout'] : []),
  ];
}

async function started(process_) {
  const { port } = await process_.nextWith('port');
  return { process: process_, pids: () => [process_.pid], port, stop: () => process_.stop() };
}

async function startNginx(program) {
  const place = mkdtempSync(join(folder, 'nginx-'));
  const port = await freePort();
  writeFileSync(
    join(place, 'nginx.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${place}/pid; error_log stderr warn;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path ${place}/body;
  proxy_temp_path ${place}/proxy; fastcgi_temp_path ${place}/f; uwsgi_temp_path ${place}/u; scgi_temp_path ${place}/s;
  server { listen 127.0.0.1:${port}; location = /hello { default_type text/plain; return 200 "hello"; } } }\n`,
  );
  const server = new LineProcess(program, ['-c', join(place, 'nginx.conf'), '-e', 'stderr']);
  await listening(port);
  const stop = async () => {
    await server.stop();
    rmSync(place, { recursive: true, force: true });
  };
  return { process: server, pids: () => [server.pid], port, stop };
}

/**
 * Servers by name; `start(needs)` gives { process, pids(), port, stop() }.
 * @param given peers of the command line: uws=DIR (uWebSockets.js), any other NAME=PROGRAM is started
 * with the same flags and prints {"port":N}
 */
export function contenders(given) {
  ensureCertificate();
  const node = (name) => (needs) =>
    started(new LineProcess(process.execPath, ['--expose-gc', script(name), ...flagsOf(needs)]));
  const all = new Map([
    ['floor', { start: () => started(new LineProcess(program('floor'), [])), can: ['floor'] }],
    ['sluice', { start: node('sluice'), can: ['echo', 'tls', 'deflate', 'fanout', 'http'] }],
    ['ws', { start: node('ws'), can: ['echo', 'tls', 'deflate', 'fanout'] }],
    ['node:http', { start: node('ws'), can: ['http'] }],
  ]);
  const bun = packaged('bun');
  if (bun !== undefined) {
    all.set('Bun', {
      start: (needs) => started(new LineProcess(bun, [script('bun'), ...flagsOf(needs)])),
      can: ['echo', 'tls', 'deflate', 'fanout', 'http'],
    });
    versions.set('Bun', PACKAGES.bun.package.split('@').at(-1));
  }
  const deno = packaged('deno');
  if (deno !== undefined) {
    const run = ['run', '--quiet', '--no-lock', '--allow-all', '--v8-flags=--expose-gc', script('deno')];
    // Deno does not take permessage-deflate as a server.
    all.set('Deno', {
      start: (needs) => started(new LineProcess(deno, [...run, ...flagsOf(needs)])),
      can: ['echo', 'tls', 'fanout', 'http'],
    });
    versions.set('Deno', PACKAGES.deno.package.split('@').at(-1));
  }
  const nginx = nginxProgram();
  if (nginx !== undefined) all.set('nginx', { start: () => startNginx(nginx), can: ['get'] });
  for (const [name, place] of given) all.set(name === 'uws' ? 'uWebSockets.js' : name, external(name, place));
  return all;
}

function external(name, place) {
  const can = ['echo', 'tls', 'deflate', 'fanout', 'http'];
  if (name === 'uws') {
    const start = (needs) =>
      started(new LineProcess(process.execPath, ['--expose-gc', script('uws'), resolve(place), ...flagsOf(needs)]));
    return { start, can };
  }
  return { start: (needs) => started(new LineProcess(resolve(place), flagsOf(needs))), can, collects: false };
}
