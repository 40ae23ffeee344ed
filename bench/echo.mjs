// The echo tables: ours against the floor and against ws, 32 bytes, 100 connections.

import { join } from 'node:path';
import { compare, LineProcess } from './measure.mjs';
import { printRow } from './report.mjs';

const root = new URL('..', import.meta.url).pathname;
const program = (name) => join(root, 'build-native', 'bench', name);

const SERVERS = {
  sluice: () => new LineProcess(process.execPath, [join(root, 'bench/servers/sluice-echo.mjs')]),
  floor: () => new LineProcess(program('floor'), []),
  ws: () => new LineProcess(process.execPath, [join(root, 'bench/servers/ws-echo.mjs')]),
};

async function side(name, { connections, bytes, inflight, type }) {
  const server = SERVERS[name]();
  const { port } = await server.next();
  const load = new LineProcess(program('echo_load'), [
    String(port),
    '/',
    String(connections),
    String(bytes),
    String(inflight),
    type,
  ]);
  await load.next();
  return { name, pids: [server.pid], load, stop: () => Promise.all([load.stop(), server.stop()]) };
}

async function row(rival, shape, target, options) {
  const ours = await side('sluice', shape);
  const theirs = await side(rival, shape);
  const result = await compare(ours, theirs, { ...options, unit: 'messages' });
  await ours.stop();
  await theirs.stop();
  const row = {
    what: `${shape.bytes} B × ${shape.inflight} in flight, ${shape.connections} connections, ${shape.type}`,
    rival,
    target,
    ...result,
  };
  printRow(row);
  return row;
}

export async function echoTables(options) {
  const base = { connections: 100, bytes: 32, type: 'text' };
  const rows = [
    await row('floor', { ...base, inflight: 1 }, 0.95, options),
    await row('floor', { ...base, inflight: 16 }, 0.65, options),
    await row('ws', { ...base, inflight: 1 }, undefined, options),
    await row('ws', { ...base, inflight: 16 }, undefined, options),
  ];
  return [{ title: 'Echo', unit: 'messages', rows }];
}
