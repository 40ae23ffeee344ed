// What several processes do and cost: connections and webhooks with 1, 2 and 4 workers, how evenly SO_REUSEPORT
// spreads, how long a reload and a start take. The load clients share the two processors with what they measure.

import { spawn } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as rest } from 'node:timers/promises';
import { cpuSeconds, LineProcess, median } from './measure.mjs';
import { gateway, relayArguments } from './relay.mjs';
import { program } from './rows.mjs';

const root = new URL('..', import.meta.url).pathname;
const WORKERS = [1, 2, 4];
const EVEN_CONNECTIONS = 4000;
const BEATS_MS = 2500;
/** Without a window whoever has connected and not asked yet would be cut. */
const DRAIN_MS = 1000;

async function library(count, drainWindowMs = 0) {
  const script = join(root, 'bench', 'servers', 'workers.mjs');
  const server = new LineProcess(process.execPath, [script, String(count), String(drainWindowMs)]);
  const { port } = await server.nextWith('port');
  return { server, port, report: () => server.command('report') };
}

async function handshakes(count, ms) {
  const { server, port, report } = await library(count);
  const load = new LineProcess(program('ws_load'), [String(port), 'handshake', '--connections=50']);
  await load.next();
  const { pid, workers } = await report();
  const pids = [pid, ...workers.map((worker) => worker.pid)];
  await load.run(ms / 4);
  const before = cpuSeconds(pids);
  const { messages, seconds } = await load.run(ms);
  const cpu = cpuSeconds(pids) - before;
  await load.stop();
  await server.stop();
  return { perSecond: messages / seconds, perCpu: messages / cpu };
}

/** The worker with the most and the one with the fewest of 4,000 connections, as parts of an even share. */
async function evenness(count) {
  const { server, port, report } = await library(count);
  const load = new LineProcess(program('ws_load'), [String(port), 'hold']);
  await load.next();
  await load.command(`open ${EVEN_CONNECTIONS}`);
  // Workers tell once a second what they have.
  await rest(BEATS_MS);
  const { workers } = await report();
  const shares = workers.map((worker) => (worker.connections * count) / EVEN_CONNECTIONS);
  await load.stop();
  await server.stop();
  return { least: Math.min(...shares), most: Math.max(...shares) };
}

async function webhooks(count, ms) {
  const relay = await gateway(['--workers', String(count)]);
  const shape = { senders: 128, agents: 1 };
  const load = new LineProcess(program('relay_load'), relayArguments(relay, shape));
  await load.next();
  const pids = await relay.pids();
  await load.run(ms / 4);
  const before = cpuSeconds(pids);
  const { posts, seconds } = await load.run(ms);
  const cpu = cpuSeconds(pids) - before;
  await load.stop();
  await relay.stop();
  return { perSecond: posts / seconds, perCpu: posts / cpu };
}

async function reload(count) {
  const { server } = await library(count);
  const times = await server.command('reload');
  await server.stop();
  return times;
}

/** The longest that a new connection waited for its answer while the supervisor was replaced (SIGUSR2). */
async function upgrade() {
  const { server, port } = await library(2, DRAIN_MS);
  let isOver = false;
  let longest = 0;
  const visits = (async () => {
    while (!isOver) {
      const start = performance.now();
      // A refused or reset connection rejects, and ends the measurement.
      await visit(port);
      longest = Math.max(longest, performance.now() - start);
    }
  })();
  process.kill(server.pid, 'SIGUSR2');
  // The new program says its port, too, when it has started all its workers.
  await server.nextWith('port');
  await rest(BEATS_MS);
  isOver = true;
  await visits;
  await server.stop();
  return { ms: longest };
}

function visit(port) {
  return new Promise((resolve, reject) => {
    const asking = get({ port, host: '127.0.0.1', path: '/hello', agent: false }, (answer) => {
      answer.resume().on('end', resolve).on('error', reject);
    });
    asking.on('error', reject);
  });
}

/** From the start of the process to the first byte of an answer. */
async function firstByte(args) {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      const found = /"port":(\d+)/.exec(String(chunk));
      if (found !== null) resolve(Number(found[1]));
    });
  });
  await fetch(`http://127.0.0.1:${port}/hello`).then((answer) => answer.text());
  const ms = performance.now() - start;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  return ms;
}

/** From the start of a role's process to its being ready, one process at a time: those of a reload. */
async function roleStarts() {
  const relay = await gateway(['--workers', '2']);
  const times = await relay.reloadTimes();
  await relay.stop();
  return times;
}

const count = (value) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : value >= 1e3 ? `${(value / 1e3).toFixed(1)} k` : value.toFixed(0);
const ms = (value) => `${value.toFixed(0)} ms`;

async function medians(rounds, measure) {
  const figures = [];
  for (let i = 0; i < rounds; i++) figures.push(await measure());
  const keys = Object.keys(figures[0]);
  return Object.fromEntries(keys.map((key) => [key, median(figures.map((figure) => figure[key]))]));
}

export async function processTables({ rounds = 3, sliceMs = 1500 } = {}) {
  const rows = [];
  const tell = (row) => {
    console.log(`processes: ${row.join(' | ')}`);
    rows.push(row);
  };
  const perWorkers = async (what, measure, text) => {
    const cells = [];
    for (const workers of WORKERS) cells.push(text(await medians(rounds, () => measure(workers))));
    tell([what, ...cells]);
  };
  const rates = ({ perSecond, perCpu }) => `${count(perSecond)} (${count(perCpu)})`;
  await perWorkers('WebSocket handshakes a second (per CPU-second)', (n) => handshakes(n, sliceMs), rates);
  await perWorkers('durable webhooks a second (per CPU-second)', (n) => webhooks(n, sliceMs), rates);
  await perWorkers('least and most connections of a worker, of an even share', evenness, (share) =>
    `${share.least.toFixed(2)} – ${share.most.toFixed(2)}`);
  await perWorkers('reload: all new ones ready, last old one gone', reload, (times) =>
    `${ms(times.reloadedMs)}, ${ms(times.goneMs)}`);
  const starts = [];
  const tellStart = (what, value) => {
    console.log(`starts: ${what} ${ms(value)}`);
    starts.push([what, ms(value)]);
  };
  const sluiceServer = [join(root, 'bench', 'servers', 'sluice.mjs')];
  const alone = await medians(rounds, async () => ({ ms: await firstByte(sluiceServer) }));
  tellStart('a program on createServer, to the first byte', alone.ms);
  const roles = await medians(rounds, roleStarts);
  tellStart('gateway, worker: to ready', roles.worker);
  tellStart('gateway, clerk: to standby', roles.clerk);
  const whole = await medians(rounds, async () => ({ ms: await (await gateway([])).stop(true) }));
  tellStart('gateway in one process: to listening', whole.ms);
  const replaced = await medians(rounds, upgrade);
  tellStart('supervisor replaced under load: longest wait of a new connection', replaced.ms);
  return [
    { name: 'processes', rows },
    { name: 'starts', rows: starts },
  ];
}
