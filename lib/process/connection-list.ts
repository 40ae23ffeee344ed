// What `connections` shows of sockets: facts of each as plain values, those of a process cut to what fits into a
// record of the control line, those of all processes put together.

import { CONNECTIONS_BYTES_MAX, CONNECTIONS_MAX } from './limits.ts';
import type { Servable, ServedSocket } from './types.ts';

/** Plain values: numbers and texts of a socket. */
export type ConnectionRow = Readonly<Record<string, string | number>>;

export interface ConnectionQuery {
  /** The greatest of this column first: bytes, queueBytes, messages, rttUs, ageMs. Default: as they come. */
  readonly top?: string;
  /** 1..CONNECTIONS_MAX. */
  readonly limit: number;
  /** A row must have these values. */
  readonly where: Readonly<Record<string, string>>;
}

/** What a program adds to a socket's row. */
export type Describe = (socket: ServedSocket) => ConnectionRow;

/** The rows of a process's own sockets. */
export function listConnections(
  servers: Iterable<Pick<Servable, 'sockets'>>,
  query: ConnectionQuery,
  describe: Describe,
): ConnectionRow[] {
  const rows: ConnectionRow[] = [];
  const now = Date.now();
  for (const server of servers) {
    for (const socket of server.sockets) {
      const row = rowOf(socket, now, describe);
      if (matches(row, query.where)) rows.push(row);
    }
  }
  return fitting(merged([rows], query));
}

/** The rows of several processes. */
export function merged(
  lists: readonly (readonly ConnectionRow[])[],
  { top, limit }: ConnectionQuery,
): ConnectionRow[] {
  const rows = lists.flat();
  if (top !== undefined) rows.sort((a, b) => numberIn(b, top) - numberIn(a, top));
  return rows.slice(0, Math.min(limit, CONNECTIONS_MAX));
}

function rowOf(socket: ServedSocket, now: number, describe: Describe): ConnectionRow {
  const info = socket.info?.();
  if (info === undefined) return describe(socket);
  return {
    pid: process.pid,
    ip: info.remoteAddress,
    port: info.remotePort,
    ageMs: now - info.openedAt,
    bytes: info.bytesReceived + info.bytesSent,
    messages: info.messagesReceived + info.messagesSent,
    queueBytes: info.queueBytes,
    rttUs: info.rttUs ?? 0,
    ...describe(socket),
  };
}

function matches(row: ConnectionRow, where: ConnectionQuery['where']): boolean {
  return Object.entries(where).every(([name, value]) => String(row[name] ?? '') === value);
}

function numberIn(row: ConnectionRow, column: string): number {
  return Number(row[column] ?? 0);
}

/** The first so many that fit into a record. */
function fitting(rows: readonly ConnectionRow[]): ConnectionRow[] {
  const kept: ConnectionRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += Buffer.byteLength(JSON.stringify(row)) + 1;
    if (bytes > CONNECTIONS_BYTES_MAX) break;
    kept.push(row);
  }
  return kept;
}
