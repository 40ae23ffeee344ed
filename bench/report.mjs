// Writes docs/benchmarks.md from measured tables: figures, intervals, the machine, and whether each
// target is met. What a miss costs is written by hand in docs/benchmarks-notes.md, which is included.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { barChart, ratioChart } from './chart.mjs';

const root = new URL('..', import.meta.url).pathname;

const thousands = (value) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : `${(value / 1e3).toFixed(1)} k`;

function verdict(row) {
  if (row.target === undefined) return 'for information';
  return row.high >= row.target ? `met (≥ ${row.target})` : `missed (≥ ${row.target})`;
}

export function printRow(row) {
  const busy = `server ${(row.a.busy * 100).toFixed(0)} % / ${(row.b.busy * 100).toFixed(0)} % of a CPU`;
  console.log(
    `${row.what} vs ${row.rival}: ${thousands(row.a.perCpu)} / ${thousands(row.b.perCpu)} per CPU-second, ` +
      `ratio ${row.ratio.toFixed(3)} [${row.low.toFixed(3)}, ${row.high.toFixed(3)}] ${verdict(row)}; ${busy}`,
  );
}

function ratioTable({ title, unit, rows, note }) {
  const lines = [
    ...(note === undefined ? [] : [note, '']),
    `| load | Sluice, ${unit} per CPU-second | against | its ${unit} per CPU-second | ratio | 95 % interval | target |`,
    '|---|---:|---|---:|---:|---|---|',
  ];
  for (const row of rows) {
    const interval = `${row.low.toFixed(2)} – ${row.high.toFixed(2)}`;
    lines.push(
      `| ${row.what} | ${thousands(row.a.perCpu)} | ${row.rival} | ${thousands(row.b.perCpu)} | ${row.ratio.toFixed(2)} | ${interval} | ${verdict(row)} |`,
    );
  }
  return { title, lines, chart: ratioChart(title, rows) };
}

function latencyTable({ rows }) {
  const title = 'Latency at half load';
  const lines = [
    'Each server is first driven as hard as it goes (100 connections, 32 B, one message in flight each), then',
    'offered half of that in an open loop: a message counts from the moment at which it was due.',
    '',
    '| server | messages per second, full load | p50, µs | p99, µs |',
    '|---|---:|---:|---:|',
    ...rows.map((row) => `| ${row.name} | ${thousands(row.capacity)} | ${row.p50} | ${row.p99} |`),
  ];
  const bars = rows.map((row) => ({ label: row.name, value: row.p99, text: `${row.p99} µs` }));
  return { title, lines, chart: barChart('p99 latency at half load, µs (less is better)', bars) };
}

function memoryTable({ rows }) {
  const title = 'Memory per idle WebSocket';
  const verdictOf = ({ bytes, target }) =>
    target === undefined ? '' : bytes <= target ? `met (≤ ${target})` : `missed (≤ ${target})`;
  const lines = [
    '(RSS at 15,000 − RSS at 1,000) / 14,000, after a collection and ten seconds, median of the starts.',
    '',
    '| connection | server | bytes | target |',
    '|---|---|---:|---|',
    ...rows.map((row) => `| ${row.what} | ${row.name} | ${row.bytes} | ${verdictOf(row)} |`),
  ];
  const bars = rows.map((row) => ({
    label: `${row.what}, ${row.name}`,
    value: row.bytes,
    text: `${row.bytes} B`,
  }));
  return { title, lines, chart: barChart('bytes per idle connection (less is better)', bars) };
}

function busTable({ rows }) {
  const title = 'Messages between processes';
  const lines = [
    'Two processes, one way, texts of 150 bytes, as many as the carrier takes; CPU-seconds of both, and of Redis. Then one',
    'message there and back at a time.',
    '',
    '| carrier | messages per second | per CPU-second | there and back, p50, µs | p99, µs |',
    '|---|---:|---:|---:|---:|',
    ...rows.map((row) => `| ${row.name} | ${thousands(row.perSecond)} | ${thousands(row.perCpu)} | ${row.p50} | ${row.p99} |`),
  ];
  const bars = rows.map((row) => ({
    label: row.name.replaceAll('`', ''),
    value: row.perCpu,
    text: thousands(row.perCpu),
  }));
  return { title, lines, chart: barChart('messages per CPU-second (more is better)', bars) };
}

/** The number that a cell begins with, in full. */
function leading(cell) {
  const [, number, unit] = /^([\d.]+) ?([kM]?)/.exec(cell) ?? [];
  return Number(number) * (unit === 'M' ? 1e6 : unit === 'k' ? 1e3 : 1);
}

function processesTable({ rows }) {
  const title = 'Several workers';
  const lines = [
    'The machine has two processors, and the load clients run on them, too: what more workers can show here is that nothing is lost by',
    'them, and what one more process costs. CPU-seconds are those of all processes. A webhook is answered when it is durable; with one',
    'worker the gateway is one process, with more there is a clerk beside them. Reloads are without connections and without a window.',
    '',
    '| | 1 worker | 2 workers | 4 workers |',
    '|---|---:|---:|---:|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ];
  const bars = rows.slice(0, 2).flatMap(([what, ...cells]) =>
    cells.map((cell, index) => ({
      label: `${what.split(' a second')[0]}, ${2 ** index}`,
      value: leading(cell),
      text: cell.split(' (')[0],
    })),
  );
  return { title, lines, chart: barChart('per second, by the number of workers (more is better)', bars) };
}

function startsTable({ rows }) {
  const title = 'From a process’s start';
  const lines = ['| | |', '|---|---:|', ...rows.map((cells) => `| ${cells.join(' | ')} |`)];
  const bars = rows.map(([label, text]) => ({ label, value: leading(text), text }));
  return { title, lines, chart: barChart('milliseconds (less is better)', bars) };
}

const RENDERERS = {
  latency: latencyTable,
  memory: memoryTable,
  bus: busTable,
  processes: processesTable,
  starts: startsTable,
};

/** Makes one table's text and chart. */
function render(entry) {
  const renderer = RENDERERS[entry.name] ?? ratioTable;
  return renderer(entry);
}

function machine() {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${memory}, Linux ${release()}, Node ${process.version}`;
}

function peersText({ versions, missing }) {
  const known = [...versions].map(([name, version]) => `${name} ${version}`).join(', ');
  const left = [...missing].map(([name, why]) => `${name} (${why})`).join(', ');
  return `Peers: ${known}.${left === '' ? '' : ` Left out: ${left}.`}`;
}

/** @param tables what was measured @param about { versions, missing, starts, pairs } */
export function writeReport(tables, about) {
  const notes = join(root, 'docs', 'benchmarks-notes.md');
  const sections = tables.map((entry) => {
    const { title, lines, chart } = render(entry);
    writeFileSync(join(root, 'docs', 'assets', `benchmarks-${entry.name}.svg`), chart);
    return `### ${title}\n\n![${title}](assets/benchmarks-${entry.name}.svg)\n\n${lines.join('\n')}\n`;
  });
  const parts = [
    '# Benchmarks',
    '',
    '`npm run bench` makes this page. Both servers of a row run at the same time on the same machine and are',
    'loaded in alternating slices (A B B A); server CPU-seconds come from `/proc`, all threads of the server',
    'counted. Every row starts both servers several times; the ratio is the median of the starts, with its',
    "95 % bootstrap interval. A target counts as met when the interval's upper end reaches it. Absolute",
    'figures are for information: the same binary differs by 7–14 % between runs here. The floor is a raw C',
    'epoll loop (`bench/native/floor.cc`) that answers with as little work as the kernel allows.',
    '',
    `Machine: ${machine()}. Starts per row: ${about.starts}, pairs of slices: ${about.pairs}.`,
    peersText(about),
    '',
    ...sections,
    existsSync(notes) ? readFileSync(notes, 'utf8') : '',
  ];
  writeFileSync(join(root, 'docs', 'benchmarks.md'), `${parts.join('\n').trimEnd()}\n`);
  console.log('docs/benchmarks.md written');
}
