// The relay tables: signed webhooks to agents, durable on our side, not on the other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { compare, LineProcess } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
const APP_SECRET = 'bench_app_secret_0123456789abcdef';
const PAGE = '112233445566778';
const WEBHOOK_PATH = '/webhook/messenger';

/** A gateway as `sluice start` runs it, on a fresh data folder of this machine's disk. */
async function gateway() {
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
  const token = spawnSync(
    process.execPath,
    [sluice, 'token', '--agent', 'bench', '--name', 'Bench', '--pages', PAGE, '-c', config],
    { encoding: 'utf8' },
  ).stdout.trim();
  const server = new LineProcess(process.execPath, [sluice, 'start', '-c', config]);
  const { port } = await server.nextWith('port');
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { server, port, path: '/agent', token, stop };
}

async function nodeRelay() {
  const server = new LineProcess(process.execPath, [join(root, 'bench/servers/node-relay.mjs'), APP_SECRET]);
  const { port } = await server.nextWith('port');
  return { server, port, path: '/', token: '', stop: () => server.stop() };
}

async function side(start, { senders, agents }) {
  const relay = await start();
  const args = [relay.port, WEBHOOK_PATH, senders, agents, relay.path, APP_SECRET, PAGE];
  if (relay.token !== '') args.push(relay.token);
  const load = new LineProcess(join(root, 'build-native', 'bench', 'relay_load'), args.map(String));
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

