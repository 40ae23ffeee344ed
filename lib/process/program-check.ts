// Tries the new version of a program before it takes this one's place: a child that loads it must end well.

import { spawn } from 'node:child_process';
import { SluiceError } from '../base/errors.ts';
import { CHECK_OUTPUT_BYTES_MAX, CHECK_TIMEOUT_MS } from './limits.ts';
import type { ResolvedOptions } from './options.ts';

/**
 * Runs node with the script that this process was started with, and the arguments of the check; without
 * such, node only reads it (`node --check`).
 * @throws SluiceError (rejects) ERR_STATE with the end of what it printed
 */
export function checkProgram({ check, checkTimeoutMs }: CheckOptions): Promise<void> {
  const [, script = ''] = process.argv;
  const args =
    check === undefined ? ['--check', script] : [...process.execArgv, script, ...check.args];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = `${output}${chunk.toString()}`.slice(-CHECK_OUTPUT_BYTES_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => child.kill('SIGKILL'), checkTimeoutMs ?? CHECK_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const fail = (how: string): void => {
      clearTimeout(timer);
      const text = `The new version's check ${how}: ${output.trim()}`;
      reject(new SluiceError('ERR_STATE', text));
    };
    child.once('error', (error) => fail(error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else fail(signal === null ? `exited with ${code}` : `was ended by ${signal}`);
    });
  });
}

export interface CheckOptions extends Pick<ResolvedOptions, 'check'> {
  readonly checkTimeoutMs?: number;
}
