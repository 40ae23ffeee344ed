// `sluice start -d`: the same command once more, apart from this terminal. It says when it listens, or ends.

import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDataFolder } from '../base/data-folder.ts';

const LOG_FILE = 'sluice.log';
const TAIL_CHARS = 2_000;
const DAEMON_OPTIONS = new Set(['-d', '--daemon']);

/** Tells the command that waits, if there is one. */
export function tellReady(): void {
  if (process.send === undefined) return;
  process.send({ ready: true });
  process.disconnect();
}

/**
 * Starts it and waits until it listens; what it prints goes to {data}/sluice.log.
 * @returns the exit code of this command: 0, or 1 with the end of the log
 */
export function startDaemon(data: string): Promise<number> {
  makeDataFolder(data);
  const logFile = join(data, LOG_FILE);
  const log = openSync(logFile, 'a', 0o640);
  const [script = '', ...args] = process.argv.slice(1);
  const rest = args.filter((argument) => !DAEMON_OPTIONS.has(argument));
  const child = spawn(process.execPath, [...process.execArgv, script, ...rest], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('message', () => {
      child.unref();
      console.log(`sluice runs as process ${child.pid}; log: ${logFile}`);
      resolve(0);
    });
    child.once('exit', (code, signal) => {
      const end = readFileSync(logFile, 'utf8').slice(-TAIL_CHARS);
      process.stderr.write(`${end}sluice: it has ended with ${code ?? signal}\n`);
      resolve(1);
    });
  });
}
