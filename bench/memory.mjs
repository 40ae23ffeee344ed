// Memory per idle WebSocket: (RSS at 15,000 - RSS at 1,000) / 14,000, after a collection and a rest, the
// median of several starts. The sockets are held by a client process of their own.

import { readFileSync } from 'node:fs';
import { setTimeout as rest } from 'node:timers/promises';
import { LineProcess, median } from './measure.mjs';
import { program } from './rows.mjs';

const FEW = 1000;
const MANY = 15_000;

function rssBytes(pid) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
  return Number(line?.[1] ?? 0) * 1024;
}

async function collect(server) {
  for (let i = 0; server.collects && i < 2; i++) {
    process.kill(server.pid, 'SIGUSR2');
    await server.process.nextWith('collected');
  }
}

/** RSS after a collection, if the server can collect, and a rest for the allocator. */
async function settled(server, restMs) {
  await collect(server);
  // Allocators give memory back after a while: this rest is part of the definition.
  await rest(restMs);
  await collect(server);
  return rssBytes(server.pid);
}

async function measure(contender, needs, restMs) {
  const running = await contender.start(needs);
  const flags = [...(needs.tls ? ['--tls'] : []), ...(needs.deflate ? ['--deflate'] : [])];
  const load = new LineProcess(program('ws_load'), [String(running.port), 'hold', ...flags]);
  const server = {
    process: running.process,
    pid: running.process.pid,
    collects: contender.collects !== false,
  };
  try {
    await load.next();
    await load.command(`open ${FEW}`);
    const few = await settled(server, restMs);
    await load.command(`open ${MANY}`);
    const many = await settled(server, restMs);
    return (many - few) / (MANY - FEW);
  } finally {
    await load.stop();
    await running.stop();
  }
}

const SHAPES = [
  { what: 'plain', needs: {}, can: 'echo', target: 700 },
  { what: 'TLS', needs: { tls: true }, can: 'tls' },
  { what: 'permessage-deflate', needs: { deflate: true }, can: 'deflate' },
];

export async function memoryTable(all, { starts = 3, restMs = 10_000 } = {}) {
  const rows = [];
  for (const shape of SHAPES) {
    for (const [name, contender] of all) {
      if (!contender.can.includes(shape.can)) continue;
      const figures = [];
      try {
        for (let i = 0; i < starts; i++) figures.push(await measure(contender, shape.needs, restMs));
      } catch (error) {
        console.error(`memory ${shape.what} ${name}: left out, ${error.message}`);
        continue;
      }
      const bytes = Math.round(median(figures));
      rows.push({ what: shape.what, name, bytes, target: name === 'sluice' ? shape.target : undefined });
      console.log(`memory ${shape.what} ${name}: ${bytes} bytes per idle connection`);
    }
  }
  return { name: 'memory', rows };
}
