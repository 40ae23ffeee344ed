// `npm run bench`: builds the load clients, measures every table, and writes docs/benchmarks.md.
//   node scripts/bench.mjs [--quick] [--only=echo,tls,deflate,fanout,handshakes,http,latency,memory,relay,bus,processes]
//                          [--servers=sluice,ws,…] [--peer NAME=PLACE]...
// --peer uws=DIR takes uWebSockets.js from a folder; any other NAME=PROGRAM is a server that takes
// --deflate, --fanout, --cert=FILE, --key=FILE and prints {"port":N}. --quick measures a little of
// everything and never writes the document; what --only and --servers leave out stays as it was.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busTable } from '../bench/bus.mjs';
import { latencyTable } from '../bench/latency.mjs';
import { memoryTable } from '../bench/memory.mjs';
import { contenders, missing, versions } from '../bench/peers.mjs';
import { processTables } from '../bench/processes.mjs';
import { relayTables } from '../bench/relay.mjs';
import { writeReport } from '../bench/report.mjs';
import { measureTable, TABLES } from '../bench/tables.mjs';
import { build } from './build.mjs';
import { root, run } from './project.mjs';

/** The load clients and the floor, with what each is linked from. */
const PROGRAMS = {
  echo_load: [],
  floor: [],
  http_load: [],
  relay_load: ['native/core/sha256.cc'],
  ws_load: ['-lssl', '-lcrypto', '-lz'],
};

function buildPrograms() {
  const out = join(root, 'build-native', 'bench');
  mkdirSync(out, { recursive: true });
  const newest = (file) => statSync(join(root, 'bench', 'native', file)).mtimeMs;
  const shared = Math.max(newest('net.h'), newest('ws_client.h'));
  for (const [name, others] of Object.entries(PROGRAMS)) {
    const target = join(out, name);
    const changed = Math.max(shared, newest(`${name}.cc`));
    if (existsSync(target) && statSync(target).mtimeMs > changed) continue;
    const flags = ['-std=gnu++20', '-O3', '-march=native', '-Wall', '-Wextra', '-o', target];
    run('g++', [...flags, join('bench', 'native', `${name}.cc`), ...others], {
      failure: 'the load clients need g++, libssl-dev and zlib1g-dev',
    });
  }
}

const values = (name) =>
  process.argv.flatMap((item, index) =>
    item === `--${name}`
      ? [process.argv[index + 1] ?? '']
      : item.startsWith(`--${name}=`)
        ? [item.slice(name.length + 3)]
        : [],
  );

/** What the last runs have measured, by table: a run of one table keeps the others. */
const memory = join(root, 'bench', 'results.json');

const quick = process.argv.includes('--quick');
const only = values('only')[0]?.split(',');
const wants = (name) => only === undefined || only.includes(name);
const options = quick
  ? { starts: 1, pairs: 4, sliceMs: 300 }
  : { starts: 5, pairs: 15, sliceMs: 250 };

build();
buildPrograms();
const all = contenders(values('peer').map((text) => text.split('=', 2)));
const servers = values('servers')[0]?.split(',');
const nameOf = (row) => row.name ?? row.rival;
if (servers !== undefined) {
  for (const name of all.keys()) if (name !== 'sluice' && !servers.includes(name)) all.delete(name);
}

/** Rows of the last run whose servers did not take part in this one. */
function withKept(table, before) {
  const kept =
    servers === undefined ? [] : (before?.rows ?? []).filter((row) => !all.has(nameOf(row)));
  return { ...table, rows: [...table.rows, ...kept] };
}
const measured = [];
for (const name of Object.keys(TABLES)) {
  if (wants(name)) measured.push(await measureTable(name, all, options));
}
if (wants('latency')) measured.push(await latencyTable(all, quick ? { rounds: 1, ms: 500 } : {}));
if (wants('memory'))
  measured.push(await memoryTable(all, quick ? { starts: 1, restMs: 1000 } : {}));
if (wants('relay')) measured.push(...(await relayTables({ ...options, sliceMs: 1000 })));
if (wants('bus')) measured.push(await busTable(quick ? { rounds: 1, ms: 300 } : {}));
if (wants('processes'))
  measured.push(...(await processTables(quick ? { rounds: 1, sliceMs: 300 } : {})));
if (!quick) {
  const before = existsSync(memory) ? JSON.parse(readFileSync(memory, 'utf8')) : [];
  const fresh = new Set(measured.map((table) => table.name));
  const order = [...Object.keys(TABLES), 'latency', 'memory', 'relay', 'relay-fanout'];
  order.push('bus', 'processes', 'starts');
  const renewed = measured.map((table) =>
    withKept(
      table,
      before.find((old) => old.name === table.name),
    ),
  );
  const tables = [...before.filter((table) => !fresh.has(table.name)), ...renewed].sort(
    (a, b) => order.indexOf(a.name) - order.indexOf(b.name),
  );
  writeFileSync(memory, `${JSON.stringify(tables, null, 1)}\n`);
  writeReport(tables, { versions, missing, ...options });
}
process.exit(0);
