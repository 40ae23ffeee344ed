// The relay tables: signed webhooks to agents, durable on our side, not on the other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { setTimeout as rest } from 'node:timers/promises';
import { compare, LineProcess } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
const APP_SECRET = 'bench_app_secret_0123456789abcdef';
const PAGE = '112233445566778';
const READ_MS = 200;
const WEBHOOK_PATH = '/webhook/messenger';

/** A gateway as `sluice start` runs it, on a fresh data folder of this machine's disk. */
export async function gateway(options = []) {
  const folder = mkdtempSync(join(root, 'build-native', 'relay-'));
  const config = join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      listen: [{ host: '127.0.0.1', port: 0 }],
      admin: { host: '127.0.0.1', port: 0 },
      data: join(folder, 'data'),
      messenger: {
        verifyToken: 'bench',
        appId: '1',
        appSecrets: [APP_SECRET],
        graphUrl: 'http://127.0.0.1:9',
        pages: [{ id: PAGE, name: 'Bench', accessToken: 'bench-token' }],
      },
      agents: { jwt: { secret: 'bench-jwt-secret-with-more-than-32-bytes' }, sessionsPerAgent: 1000 },
    }),
  );
  const sluice = join(root, 'bin', 'sluice.mjs');
  const command = (...args) =>
    spawnSync(process.execPath, [sluice, ...args, '-c', config], { encoding: 'utf8' }).stdout.trim();
  const token = command('token', '--agent', 'bench', '--name', 'Bench', '--pages', PAGE);
  const startedAt = performance.now();
  const server = new LineProcess(process.execPath, [sluice, 'start', '-c', config, ...options]);
  const { port } = await server.nextWith('port');
  const startMs = performance.now() - startedAt;
  const processes = () => JSON.parse(command('status', '--json')).processes;
  const stop = async () => {
    command('stop');
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    return startMs;
  };
  /** From the start of each new process of a reload to its being ready. */
  const reloadTimes = async () => {
    command('reload');
    // What it has printed is read in a turn of its own.
    await rest(READ_MS);
    const lines = server.taken();
    const at = (pid, what) => lines.find((line) => line.pid === pid && line.msg === what)?.time;
    const of = (role) => {
      const { pid } = processes().filter((each) => each.role === role && each.state === 'ready').at(-1);
      return at(pid, 'worker ready') - at(pid, 'worker started');
    };
    return { worker: of('worker'), clerk: of('clerk') };
  };
  const pids = () => processes().map((each) => each.pid);
  return { server, port, path: '/agent', token, stop, pids, reloadTimes };
}

/** What relay_load is started with. */
export function relayArguments(relay, { senders, agents }) {
  const args = [relay.port, WEBHOOK_PATH, senders, agents, relay.path, APP_SECRET, PAGE];
  if (relay.token !== '') args.push(relay.token);
  return args.map(String);
}

async function nodeRelay() {
  const server = new LineProcess(process.execPath, [join(root, 'bench/servers/node-relay.mjs'), APP_SECRET]);
  const { port } = await server.nextWith('port');
  return { server, port, path: '/', token: '', stop: () => server.stop() };
}

async function side(start, shape) {
  const relay = await start();
  const args = relayArguments(relay, shape);
  const load = new LineProcess(join(root, 'build-native', 'bench', 'relay_load'), args);
  await load.next();
  const stop = async () => {
    await load.stop();
    await relay.stop();
  };
  return { pids: [relay.server.pid], load, stop };
}

async function row(shape, unit, target, options) {
  const ours = await side(gateway, shape);
  const theirs = await side(nodeRelay, shape);
  const result = await compare(ours, theirs, { ...options, unit });
  await ours.stop();
  await theirs.stop();
  const what = `${shape.senders} senders, ${shape.agents} agent${shape.agents === 1 ? '' : 's'}`;
  const row = { what, rival: 'node:http + ws, not durable', target, ...result };
  printRow(row);
  return row;
}

export async function relayTables(options) {
  const posts = [
    await row({ senders: 32, agents: 1 }, 'posts', 1.3, options),
    await row({ senders: 256, agents: 1 }, 'posts', 2, options),
  ];
  const deliveries = [await row({ senders: 16, agents: 100 }, 'deliveries', 8, options)];
  return [
    { name: 'relay', title: 'Webhook to agent, durable', unit: 'posts', rows: posts },
    { name: 'relay-fanout', title: 'Fan-out of webhooks, durable', unit: 'deliveries', rows: deliveries },
  ];
}

