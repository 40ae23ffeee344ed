// How the new version of a program takes the place of its supervisor: by execve(2), in the same process. What
// the one before holds - descriptors, children, the folder of its socket - is written down in that folder and
// named in a variable; the new one goes on with it.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadNative } from '../native/load.ts';
import type { KeptAddress } from './listening-sockets.ts';
import type { HeldFile } from './pid-file.ts';

export const SUCCESSION_VARIABLE = 'SLUICE_SUCCESSION';
const FILE_MODE = 0o600;

/** A worker that lives on. Times are in milliseconds. */
export interface WorkerRecord {
  readonly slot: number;
  readonly serial: number;
  readonly pid: number;
  readonly startedAt: number;
  readonly role: 'current' | 'incoming' | 'leaving';
  /** How long it has been ready; undefined: it never was. */
  readonly readyMs?: number;
  /** Until it is killed. */
  readonly restMs?: number;
}

export interface Succession {
  readonly pid: number;
  /** Of the control socket, and the bus. */
  readonly folder: string;
  readonly nextSerial: number;
  readonly pidFile?: HeldFile;
  readonly addresses: readonly KeptAddress[];
  readonly workers: readonly WorkerRecord[];
}

/** What the program before has left to this one, once; undefined for one that begins. */
export function takeSuccession(env: NodeJS.ProcessEnv): Succession | undefined {
  const path = env[SUCCESSION_VARIABLE];
  delete env[SUCCESSION_VARIABLE];
  if (path === undefined || path === '') return undefined;
  const succession = JSON.parse(readFileSync(path, 'utf8')) as Succession;
  // A child that was given the variable by mistake has another pid, and descriptors of its own.
  if (succession.pid !== process.pid) return undefined;
  rmSync(path);
  return succession;
}

/**
 * Runs this program again, as it was started, in this process.
 * @param variables added to the environment
 * @returns a negative errno when that failed: everything is as before
 */
export function replaceThisProgram(
  succession: Succession,
  variables: Readonly<Record<string, string>>,
): number {
  const path = `${succession.folder}/succession`;
  writeFileSync(path, JSON.stringify(succession), { mode: FILE_MODE });
  const [, script = ''] = process.argv;
  const program = [process.argv0, ...process.execArgv, script, ...process.argv.slice(2)];
  const env = { ...process.env, ...variables, [SUCCESSION_VARIABLE]: path };
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const kept = succession.addresses.flatMap(({ fds }) => fds);
  if (succession.pidFile !== undefined) kept.push(succession.pidFile.fd);
  const file = Buffer.from(process.execPath);
  const native = loadNative();
  const error = native.replaceProgram(file, texts(program), texts(pairs), Int32Array.from(kept));
  rmSync(path, { force: true });
  return error;
}

function texts(list: readonly string[]): Buffer {
  return Buffer.from(list.map((text) => `${text}\0`).join(''));
}
