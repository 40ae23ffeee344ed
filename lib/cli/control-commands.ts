// `sluice status`, `connections`, `reload`, `restart`, `stop`: what an operator asks of a running gateway.

import { existsSync, readFileSync } from 'node:fs';
import { type Answer, askAdmin } from '../process/admin-client.ts';
import type { ProcessStatus } from '../process/admin-socket.ts';
import type { ConnectionRow } from '../process/connection-list.ts';
import { connectionsTable, statusTable } from '../process/status-table.ts';
import { adminSocketOf } from './data-files.ts';

const WATCH_EVERY_MS = 1_000;
const CLEAR_SCREEN = '\u001b[2J\u001b[H';
const LOOK_EVERY_MS = 50;
const GONE_MS_MAX = 120_000;
const RESTARTED_MS_MAX = 120_000;

export interface ControlOptions {
  readonly config?: string;
}

export interface StatusOptions extends ControlOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

export async function status(options: StatusOptions): Promise<number> {
  const socket = await adminSocketOf(options.config);
  for (;;) {
    const { body } = await askAdmin(socket, 'GET', '/status');
    const { version, processes } = body as { version?: string; processes: ProcessStatus[] };
    if (options.watch === true) process.stdout.write(CLEAR_SCREEN);
    if (options.json === true) console.log(JSON.stringify(body));
    else console.log(`sluice ${version ?? ''}\n${statusTable(processes, Date.now())}`);
    if (options.watch !== true) return 0;
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS));
  }
}

export interface ConnectionsOptions extends ControlOptions {
  readonly json?: boolean;
  readonly top?: string;
  readonly limit?: number;
  readonly agent?: string;
  readonly page?: string;
  readonly ip?: string;
}

export async function connections(options: ConnectionsOptions): Promise<number> {
  const query = new URLSearchParams();
  const { top, limit, agent, page, ip } = options;
  for (const [name, value] of Object.entries({ top, limit, agent, page, ip })) {
    if (value !== undefined) query.set(name, String(value));
  }
  const socket = await adminSocketOf(options.config);
  const answer = await askAdmin(socket, 'GET', `/connections?${query}`);
  if (answer.status !== 200) return failed(answer);
  const { connections: rows, silent } = answer.body as {
    connections: ConnectionRow[];
    silent: number[];
  };
  if (options.json === true) console.log(JSON.stringify(answer.body));
  else console.log(connectionsTable(rows, { agent: 'AGENT', page: 'PAGES' }));
  for (const pid of silent) console.error(`sluice: process ${pid} has not answered.`);
  return 0;
}

export async function reload(options: ControlOptions): Promise<number> {
  return perform(options, '/reload', 'reloaded');
}

/** Ends when every process is a new one. */
export async function restart(options: ControlOptions): Promise<number> {
  const socket = await adminSocketOf(options.config);
  const askedAt = Date.now();
  const answer = await askAdmin(socket, 'POST', '/restart');
  if (answer.status !== 200) return failed(answer);
  while (!(await areAllSince(socket, askedAt))) {
    if (Date.now() > askedAt + RESTARTED_MS_MAX) {
      throw new Error('Not all processes are new; the log says why.');
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  console.log('restarted');
  return 0;
}

/** While the new version begins, nobody answers. */
async function areAllSince(socket: string, askedAt: number): Promise<boolean> {
  const answer = await askAdmin(socket, 'GET', '/status').catch(() => undefined);
  if (answer === undefined) return false;
  const { processes } = answer.body as { processes: ProcessStatus[] };
  return processes
    .filter(({ state }) => state !== 'draining')
    .every(({ startedAt, state }) => startedAt >= askedAt && state === 'ready');
}

/** Ends when the gateway has. */
export async function stop(
  options: ControlOptions & { readonly graceful?: boolean },
): Promise<number> {
  const socket = await adminSocketOf(options.config);
  const path = options.graceful === true ? '/stop?graceful=1' : '/stop';
  const { body } = await askAdmin(socket, 'POST', path);
  const { pid } = body as { pid: number };
  const deadline = Date.now() + GONE_MS_MAX;
  // A process that is no child of ours says nothing when it ends.
  while (isRunning(pid)) {
    if (Date.now() > deadline) throw new Error(`Process ${pid} has not ended.`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  console.log('stopped');
  return 0;
}

async function perform({ config }: ControlOptions, path: string, done: string): Promise<number> {
  const answer = await askAdmin(await adminSocketOf(config), 'POST', path);
  if (answer.status !== 200) return failed(answer);
  console.log(done);
  return 0;
}

function failed({ status, body }: Answer): number {
  const { detail } = body as { detail?: string };
  console.error(`sluice: ${detail ?? `the gateway has answered ${status}`}`);
  return 1;
}

/** A process that has ended and that its parent has not waited for does not run (proc(5)). */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(file, 'latin1'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It has gone between the two looks.
    if (code === 'ENOENT' || code === 'ESRCH') return false;
    throw error;
  }
}
