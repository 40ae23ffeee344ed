// Tries the new version of a program before it takes this one's place: a child that loads it must end well.

import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { SluiceError } from '../base/errors.ts';
import { CHECK_OUTPUT_BYTES_MAX, CHECK_TIMEOUT_MS } from './limits.ts';
import type { ResolvedOptions } from './options.ts';

/**
 * Runs node with the script that this process was started with, and the arguments of the check; without
 * such, node only reads it (`node --check`).
 * @throws SluiceError (rejects) ERR_STATE with the end of its errors, or of what else it printed
 */
export function checkProgram({ check, checkTimeoutMs }: CheckOptions): Promise<void> {
  const [, script = ''] = process.argv;
  const args =
    check === undefined ? ['--check', script] : [...process.execArgv, script, ...check.args];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = tailOf(child.stdout);
  const errors = tailOf(child.stderr);
  const timer = setTimeout(() => child.kill('SIGKILL'), checkTimeoutMs ?? CHECK_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const fail = (how: string): void => {
      clearTimeout(timer);
      const text = `The new version's check ${how}: ${errors() || output()}`;
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

/** @returns reads the end of what has come so far */
function tailOf(stream: Readable): () => string {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString()}`.slice(-CHECK_OUTPUT_BYTES_MAX);
  });
  return () => text.trim();
}

export interface CheckOptions extends Pick<ResolvedOptions, 'check'> {
  readonly checkTimeoutMs?: number;
}
