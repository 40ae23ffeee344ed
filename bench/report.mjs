// Writes docs/benchmarks.md from measured tables: figures, intervals, the machine, and whether each
// target is met. What a miss costs is written by hand in docs/benchmarks-notes.md, which is included.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { chart } from './chart.mjs';

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

function table({ title, unit, rows }) {
  const lines = [
    `### ${title}`,
    '',
    `| load | Sluice, ${unit} per CPU-second | against | its ${unit} per CPU-second | ratio | 95 % interval | target |`,
    '|---|---:|---|---:|---:|---|---|',
  ];
  for (const row of rows) {
    const interval = `${row.low.toFixed(2)} – ${row.high.toFixed(2)}`;
    lines.push(
      `| ${row.what} | ${thousands(row.a.perCpu)} | ${row.rival} | ${thousands(row.b.perCpu)} | ${row.ratio.toFixed(2)} | ${interval} | ${verdict(row)} |`,
    );
  }
  return lines.join('\n');
}

function machine() {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${memory}, Linux ${release()}, Node ${process.version}`;
}

export function writeReport(tables) {
  const notes = join(root, 'docs', 'benchmarks-notes.md');
  const parts = [
    '# Benchmarks',
    '',
    '`npm run bench` makes this page. Both servers of a row run at the same time on the same machine and are',
    'loaded in alternating one-second slices (A B B A); server CPU-seconds come from `/proc`, all threads of',
    'the server counted; the ratio is the median of the paired ratios, with a 95 % bootstrap interval. A',
    "target counts as met when the interval's upper end reaches it. Absolute figures are for information:",
    'the same binary differs by 7–14 % between runs here.',
    '',
    `Machine: ${machine()}. Pairs per row: ${tables[0]?.rows[0]?.pairs ?? 0}.`,
    '',
    '![Ratios](assets/benchmarks.svg)',
    '',
    ...tables.map((entry) => `${table(entry)}\n`),
    existsSync(notes) ? readFileSync(notes, 'utf8') : '',
  ];
  writeFileSync(join(root, 'docs', 'benchmarks.md'), `${parts.join('\n').trimEnd()}\n`);
  writeFileSync(join(root, 'docs', 'assets', 'benchmarks.svg'), chart(tables));
  console.log('docs/benchmarks.md written');
}
