// Messages between two processes of one machine: our bus, Node's own IPC, Redis pub/sub. Rounds alternate
// between the carriers; CPU-seconds are those of both processes and, for Redis, of its server.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpuSeconds, LineProcess, median } from './measure.mjs';

const PEER = new URL('servers/bus-peer.mjs', import.meta.url).pathname;
const REDIS = '/usr/bin/redis-server';
const NAMES = {
  bus: 'Sluice, `worker.bus`',
  ipc: 'child_process IPC (advanced)',
  redis: 'Redis pub/sub (redis-server)',
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startRedis() {
  const port = await freePort();
  const args = ['--port', String(port), '--save', '', '--appendonly', 'no'];
  const child = spawn(REDIS, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve());
    child.once('exit', () => reject(new Error('redis-server has ended')));
  });
  return { port, child };
}

async function round(carrier, args, others, { ms, trips }) {
  const peer = new LineProcess(process.execPath, [PEER, carrier, ...args]);
  try {
    const { pids } = await peer.next();
    const all = [...pids, ...others];
    // What is compiled and connected during the first messages is not the carrier's.
    await peer.command(`run ${ms / 2}`);
    const before = cpuSeconds(all);
    const { messages, seconds } = await peer.command(`run ${ms}`);
    const cpu = cpuSeconds(all) - before;
    const { p50, p99 } = await peer.command(`trips ${trips}`);
    return { perSecond: messages / seconds, perCpu: messages / cpu, p50, p99 };
  } finally {
    await peer.stop();
  }
}

/** @returns a table of figures, one row per carrier: medians of the rounds */
export async function busTable({ rounds = 5, ms = 1000, trips = 3000 } = {}) {
  const redis = existsSync(REDIS) ? await startRedis() : undefined;
  if (redis === undefined) console.error('bus: Redis is left out, there is no redis-server');
  const carriers = redis === undefined ? ['bus', 'ipc'] : ['bus', 'ipc', 'redis'];
  const figures = new Map(carriers.map((carrier) => [carrier, []]));
  for (let i = 0; i < rounds; i++) {
    for (const carrier of carriers) {
      const isRedis = carrier === 'redis';
      const args = isRedis ? [String(redis.port)] : [];
      const others = isRedis ? [redis.child.pid] : [];
      figures.get(carrier).push(await round(carrier, args, others, { ms, trips }));
    }
  }
  redis?.child.kill('SIGKILL');
  const rows = carriers.map((carrier) => {
    const of = (key) => median(figures.get(carrier).map((figure) => figure[key]));
    const row = { name: NAMES[carrier] };
    for (const key of ['perSecond', 'perCpu', 'p50', 'p99']) row[key] = Math.round(of(key));
    console.log(`bus ${carrier}: ${JSON.stringify(row)}`);
    return row;
  });
  return { name: 'bus', rows };
}
