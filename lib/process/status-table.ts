// Tables on a terminal: of processes, and of connections. Texts only; nothing is asked or printed here.

import type { ProcessStatus } from './admin-socket.ts';
import type { ConnectionRow } from './connection-list.ts';

const COLUMN_GAP = '  ';

/** The first column and texts to the left, numbers to the right. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = [heads, ...rows.map((row) => row.map(String))];
  const widths = heads.map((_head, column) =>
    Math.max(...cells.map((row) => (row[column] ?? '').length)),
  );
  const isNumber = heads.map((_head, column) =>
    rows.every((row) => /^[-\d.,%]+( [KMG]iB| B| ms)?$/.test(String(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join(COLUMN_GAP)
      .trimEnd();
  return cells.map(line).join('\n');
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 45s, 12m, 3h 5m, 2d 4h */
export function ageText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

export function statusTable(processes: readonly ProcessStatus[], now: number): string {
  const heads = ['ROLE', 'PID', 'STATE', 'UP', 'CONNS', 'REQUESTS', 'PER S', 'QUEUED', 'CPU'];
  const rows = processes.map((each) => [
    each.slot < 0 || each.role !== 'worker' ? each.role : `${each.role} ${each.slot}`,
    each.pid,
    each.state,
    ageText(now - each.startedAt),
    each.connections,
    each.requests,
    each.perSecond.toFixed(0),
    bytesText(each.queueBytes),
    `${each.cpuPercent.toFixed(0)}%`,
    bytesText(each.memoryBytes),
    `${each.loopDelayP99Ms.toFixed(1)} ms`,
  ]);
  rows.push(totals(processes));
  return table([...heads, 'MEMORY', 'LOOP P99'], rows);
}

function totals(processes: readonly ProcessStatus[]): (string | number)[] {
  const sum = (of: (each: ProcessStatus) => number): number =>
    processes.reduce((total, each) => total + of(each), 0);
  return [
    'total',
    '',
    '',
    '',
    sum((each) => each.connections),
    sum((each) => each.requests),
    sum((each) => each.perSecond).toFixed(0),
    bytesText(sum((each) => each.queueBytes)),
    `${sum((each) => each.cpuPercent).toFixed(0)}%`,
    bytesText(sum((each) => each.memoryBytes)),
    '',
  ];
}

/** @param named columns that the program adds: heads by the names of their values */
export function connectionsTable(
  connections: readonly ConnectionRow[],
  named: Readonly<Record<string, string>>,
): string {
  const names = Object.keys(named);
  const heads = ['PID', ...Object.values(named), 'IP', 'PORT', 'UP', 'BYTES', 'MESSAGES', 'QUEUED'];
  const rows = connections.map((row) => [
    row['pid'] ?? '',
    ...names.map((name) => row[name] ?? ''),
    row['ip'] ?? '',
    row['port'] ?? '',
    ageText(Number(row['ageMs'] ?? 0)),
    bytesText(Number(row['bytes'] ?? 0)),
    row['messages'] ?? 0,
    bytesText(Number(row['queueBytes'] ?? 0)),
    `${(Number(row['rttUs'] ?? 0) / 1000).toFixed(1)} ms`,
  ]);
  return table([...heads, 'RTT'], rows);
}
