// The operators' way into running processes: HTTP over a Unix socket that only its owner may open. It tells what
// runs and passes on what is asked; the one who opened it knows how.
//
//   GET /status    GET /connections?top=bytes&limit=50&NAME=VALUE
//   POST /reload   POST /restart   POST /stop?graceful=1

import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { isSluiceError, SluiceError } from '../base/errors.ts';
import { createServer } from '../server/server.ts';
import type { Server, ServerRequest, ServerResponse } from '../server/types.ts';
import type { ConnectionQuery, ConnectionRow } from './connection-list.ts';
import { CONNECTIONS_DEFAULT, CONNECTIONS_MAX, SOCKET_PATH_BYTES_MAX } from './limits.ts';
import type { WorkerReport } from './types.ts';

/** One process, as `status` shows it; a supervisor, and a process without a place, has the slot -1. */
export interface ProcessStatus extends Omit<WorkerReport, 'state'> {
  readonly state: string;
}

export interface ListedConnections {
  readonly connections: readonly ConnectionRow[];
  /** Processes that have not answered in time. */
  readonly silent: readonly number[];
}

/** Who answers. */
export interface AdminSource {
  readonly version?: string;
  status(): readonly ProcessStatus[];
  connections(query: ConnectionQuery): Promise<ListedConnections>;
  /** Resolves when it is done. @throws SluiceError (rejects) with the reason why nothing has changed */
  reload(): Promise<void>;
  /** Everything anew, the first process included. Resolves when that begins; the same. */
  restart(): Promise<void>;
  /** Begins to end. */
  stop(graceful: boolean): void;
}

const SOCKET_MODE = 0o600;
const CLOSE_MS = 500;

export interface AdminSocket {
  close(): Promise<void>;
}

/**
 * Listens at `path`, which a process that was killed may have left behind.
 * @throws SluiceError (rejects) ERR_RUNNING when somebody answers there, ERR_ARG_RANGE for a path that
 *   is too long for a socket, ERR_SYSTEM
 */
export async function openAdminSocket(path: string, source: AdminSource): Promise<AdminSocket> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    const text = `A socket's path has ${SOCKET_PATH_BYTES_MAX} bytes at most: ${path}`;
    throw new SluiceError('ERR_ARG_RANGE', text);
  }
  if (await isAnswered(path)) throw new SluiceError('ERR_RUNNING', `Somebody answers at ${path}.`);
  rmSync(path, { force: true });
  const server = createServer();
  addRoutes(server, source);
  await server.listen({ path, mode: SOCKET_MODE });
  return { close: () => server.close({ deadlineMs: CLOSE_MS }) };
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function addRoutes(server: Server, source: AdminSource): void {
  server.get('/status', (_request, response) => {
    const { version } = source;
    response.json({ ...(version === undefined ? {} : { version }), processes: source.status() });
  });
  server.get('/connections', async (request, response) => {
    const query = queryOf(request);
    if (query === undefined) answer(response, 400, 'limit is a number from 1 to 1000.');
    else response.json(await source.connections(query));
  });
  server.post('/reload', (_request, response) => perform(response, () => source.reload()));
  server.post('/restart', (_request, response) => perform(response, () => source.restart()));
  server.post('/stop', (request, response) => {
    response.status(202).json({ pid: process.pid });
    // The answer first.
    setImmediate(() => source.stop(request.query.get('graceful') === '1'));
  });
}

async function perform(response: ServerResponse, task: () => Promise<void>): Promise<void> {
  try {
    await task();
    response.json({ done: true });
  } catch (error) {
    if (!isSluiceError(error)) throw error;
    answer(response, 409, error.message);
  }
}

function answer(response: ServerResponse, status: number, detail: string): void {
  response.status(status).json({ detail });
}

/** Undefined for a limit that is none. */
function queryOf(request: ServerRequest): ConnectionQuery | undefined {
  const { top, limit = String(CONNECTIONS_DEFAULT), ...where } = Object.fromEntries(request.query);
  const rows = Number(limit);
  if (!Number.isInteger(rows) || rows < 1 || rows > CONNECTIONS_MAX) return undefined;
  return { limit: rows, where, ...(top === undefined ? {} : { top }) };
}
