// The echo tables: ours against the floor and against ws, in the four shapes of load. Every server is
// started several times per row: one that is started once differs by up to 2.6 % from an equal one for
// as long as it runs.

import { join } from 'node:path';
import { compareStarts, LineProcess } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
const program = (name) => join(root, 'build-native', 'bench', name);
const nodeServer = (name) => () =>
  new LineProcess(process.execPath, [join(root, 'bench', 'servers', `${name}-echo.mjs`)]);

const SERVERS = {
  sluice: nodeServer('sluice'),
  floor: () => new LineProcess(program('floor'), []),
  ws: nodeServer('ws'),
};

const SHAPES = [
  { name: '32 B × 1 in flight, 100 connections', connections: 100, bytes: 32, inflight: 1 },
  { name: '32 B × 16 in flight, 100 connections', connections: 100, bytes: 32, inflight: 16 },
  { name: '1 KiB × 1 in flight, 500 connections', connections: 500, bytes: 1024, inflight: 1 },
  { name: '64 KiB × 1 in flight, 50 connections', connections: 50, bytes: 65_536, inflight: 1 },
];

/** Of the floor, by the place in SHAPES. */
const TARGETS = {
  text: [0.98, 0.8, undefined, undefined],
  binary: [0.98, 0.9, undefined, undefined],
};

/** Starts one server and a load on it. @returns a side for compare() */
export async function startEcho(name, shape) {
  const server = SERVERS[name]();
  const { port } = await server.next();
  const { connections, bytes, inflight, type } = shape;
  const args = [port, '/', connections, bytes, inflight, type].map(String);
  const load = new LineProcess(program('echo_load'), args);
  await load.next();
  return { name, pids: [server.pid], load, stop: () => Promise.all([load.stop(), server.stop()]) };
}

async function row(rival, shape, target, options) {
  const result = await compareStarts(
    () => startEcho('sluice', shape),
    () => startEcho(rival, shape),
    { ...options, unit: 'messages' },
  );
  const entry = { what: `${shape.name}, ${shape.type}`, rival, target, ...result };
  printRow(entry);
  return entry;
}

export async function echoTables(options) {
  const tables = [];
  for (const type of ['text', 'binary']) {
    const rows = [];
    for (const [i, shape] of SHAPES.entries()) {
      const typed = { ...shape, type };
      rows.push(await row('floor', typed, TARGETS[type][i], options));
      rows.push(await row('ws', typed, undefined, options));
    }
    tables.push({ title: `Echo, ${type}`, unit: 'messages', rows });
  }
  return tables;
}
