// Workerman's command line: `start`, `stop`, `restart`, `reload`, with -d for a daemon and -g for grace, and
// `status` and `connections`, which several processes answer. Who
// runs is found by the lock on the pid file, so that a stale file never has another process signalled.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { isSluiceError, SluiceError } from '../../base/errors.ts';
import { askAdmin } from '../../process/admin-client.ts';
import type { ProcessStatus } from '../../process/admin-socket.ts';
import type { ConnectionRow } from '../../process/connection-list.ts';
import { PidFile } from '../../process/pid-file.ts';
import { connectionsTable, statusTable } from '../../process/status-table.ts';

export interface CommandLine {
  readonly command: 'start' | 'stop' | 'restart' | 'reload' | 'status' | 'connections';
  readonly isDaemon: boolean;
  readonly isGraceful: boolean;
}

const COMMANDS: readonly string[] = [
  ...['start', 'stop', 'restart', 'reload', 'status', 'connections'],
];
/** In the environment of a daemon, which must not make another one. */
const DAEMON_VARIABLE = 'SLUICE_WORKERMAN_DAEMON';
const LOOK_MS = 50;
/** A graceful stop may take its drain window; whoever takes longer is said to run still. */
const GONE_TIMEOUT_MS = 60_000;
const DAEMON_TIMEOUT_MS = 30_000;

export function parseCommandLine(args: readonly string[], daemonize: boolean): CommandLine {
  const [command = 'start'] = args;
  const isCommand = COMMANDS.includes(command);
  const isChild = process.env[DAEMON_VARIABLE] === '1';
  return {
    // Other words are the program's own; a daemon does what is left to do.
    command: isCommand && !isChild ? (command as CommandLine['command']) : 'start',
    isDaemon: !isChild && (daemonize || (isCommand && args.includes('-d'))),
    isGraceful: isCommand && args.includes('-g'),
  };
}

/** Beside the pid file, where several processes tell what they do. */
export function adminSocketOf(pidFile: string): string {
  return `${pidFile}.sock`;
}

/**
 * The table of `status` or `connections`.
 * @throws NobodyThere (rejects) when no several processes run with that pid file
 */
export async function tableOf(command: 'status' | 'connections', pidFile: string): Promise<string> {
  const { body } = await askAdmin(adminSocketOf(pidFile), 'GET', `/${command}`);
  if (command === 'status') {
    return statusTable((body as { processes: ProcessStatus[] }).processes, Date.now());
  }
  const { connections } = body as { connections: ConnectionRow[] };
  return connectionsTable(connections, { worker: 'WORKER', id: 'ID' });
}

/**
 * Takes the lock for a moment, so it is asked once per command.
 * @returns the pid of who holds the pid file; undefined when nobody does
 * @throws SluiceError ERR_SYSTEM; ERR_STATE when it is held and names nobody (yet)
 */
export function runningPid(pidFile: string): number | undefined {
  try {
    new PidFile(pidFile).release();
    return undefined;
  } catch (error) {
    if (!isSluiceError(error, 'ERR_RUNNING')) throw error;
    const pid = readPid(pidFile);
    // Zero and less would signal a whole group.
    if (pid !== undefined && pid > 0) return pid;
    throw new SluiceError('ERR_STATE', `${pidFile} is held, and names no process.`);
  }
}

function readPid(pidFile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** It has let go of its pid file, or is no more. */
function hasGone(pid: number, pidFile: string): boolean {
  if (readPid(pidFile) !== pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Stops who runs. @throws SluiceError (rejects) ERR_TIMEOUT when it has not gone within 60 s */
export async function stopRunning(pidFile: string, isGraceful: boolean): Promise<boolean> {
  const pid = runningPid(pidFile);
  if (pid === undefined) return false;
  process.kill(pid, isGraceful ? 'SIGQUIT' : 'SIGINT');
  await lookUntil(() => hasGone(pid, pidFile), GONE_TIMEOUT_MS, `Process ${pid} runs still.`);
  return true;
}

/**
 * Starts the same program again, apart from this terminal, and resolves when it holds the pid file.
 * @param output the file that it writes to
 * @throws SluiceError (rejects) ERR_STATE when it ends before that, ERR_TIMEOUT after 30 s
 */
export async function startDaemon(pidFile: string, output: string): Promise<number> {
  const fd = openSync(output, 'a', 0o640);
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', fd, fd],
    env: { ...process.env, [DAEMON_VARIABLE]: '1' },
  });
  closeSync(fd);
  let ending: number | null | undefined;
  void once(child, 'exit').then(([code]: (number | null)[]) => {
    ending = code ?? null;
  });
  const isSettled = (): boolean => ending !== undefined || readPid(pidFile) === child.pid;
  await lookUntil(isSettled, DAEMON_TIMEOUT_MS, 'The daemon has not started.');
  if (ending !== undefined) {
    throw new SluiceError('ERR_STATE', `The daemon has ended with ${ending}; see ${output}.`);
  }
  child.unref();
  return child.pid ?? 0;
}

/** Looks again and again: of a process that is no child nobody is told. */
async function lookUntil(holds: () => boolean, ms: number, otherwise: string): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new SluiceError('ERR_TIMEOUT', otherwise);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
