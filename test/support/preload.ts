// Runs children on a faulty disk: compiles the shim of test/support/preload once, writes its control file,
// reads its log of system calls.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('./preload/faults.c', import.meta.url));
const BUILD = fileURLToPath(new URL('../../build/test-preload/', import.meta.url));
const CONTROL_BYTES = 512;

export const ERRNO = { EIO: 5, ENOSPC: 28, EROFS: 30 } as const;

export interface Fault {
  readonly errno: number;
  /** Paths that contain this. */
  readonly path: string;
}

export interface Faults {
  readonly fsyncDelayMs?: number;
  readonly write?: Fault;
  readonly fsync?: Fault;
}

/** Compiles the shim if its source has changed since; @returns the path for LD_PRELOAD */
export function compilePreload(): string {
  const source = readFileSync(SOURCE);
  const digest = createHash('sha256').update(source).digest('hex').slice(0, 16);
  const library = join(BUILD, `faults-${digest}.so`);
  if (existsSync(library)) return library;
  mkdirSync(BUILD, { recursive: true });
  const draft = `${library}.${process.pid}`;
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  execFileSync('gcc', [...flags, '-o', draft, SOURCE, '-ldl'], { stdio: 'inherit' });
  renameSync(draft, library);
  return library;
}

/** One child's disk: give `env` to it, then change its faults while it runs. */
export class FaultyDisk {
  readonly #control: string;
  readonly #log: string;
  readonly env: Readonly<Record<string, string>>;

  /**
   * @param directory where the control file and the log are kept; not the child's data folder
   * @param mark prefix of the markers in the log; without it no calls are logged
   */
  constructor(directory: string, mark?: string) {
    this.#control = join(directory, 'faults.control');
    this.#log = join(directory, 'system-calls.log');
    writeFileSync(this.#control, ' '.repeat(CONTROL_BYTES));
    const logging = { SLUICE_SYSCALL_LOG: this.#log, SLUICE_SYSCALL_MARK: mark ?? '' };
    this.env = {
      LD_PRELOAD: compilePreload(),
      SLUICE_FAULTS_CONTROL: this.#control,
      ...(mark === undefined ? {} : logging),
    };
  }

  /** Replaces all faults, in the running child too. */
  set(faults: Faults): void {
    const words = [
      faults.fsyncDelayMs === undefined ? '' : `delay=${faults.fsyncDelayMs}`,
      faults.write === undefined ? '' : `write=${faults.write.errno}:${faults.write.path}`,
      faults.fsync === undefined ? '' : `fsync=${faults.fsync.errno}:${faults.fsync.path}`,
    ];
    // In place: the child has the file mapped, and would die of a shorter one.
    const fd = openSync(this.#control, 'r+');
    writeSync(fd, words.join(' ').padEnd(CONTROL_BYTES), 0);
    closeSync(fd);
  }

  /** The calls so far, in their order. */
  calls(): string[] {
    if (!existsSync(this.#log)) return [];
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n');
  }
}
