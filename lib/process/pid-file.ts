// The pid file: whoever holds its lock is the supervisor. The kernel ends the lock with the process, so
// that a file left by kill -9 hinders nobody.

import { closeSync, ftruncateSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';

/** For a program that takes our place with our pid, descriptors and locks. */
export interface HeldFile {
  readonly path: string;
  readonly fd: number;
}

export class PidFile {
  readonly #path: string;
  readonly #fd: number;

  /**
   * Writes this process's pid.
   * @param held what the program before has left to this one
   * @throws SluiceError ERR_RUNNING when another process holds the file, ERR_SYSTEM when it cannot be
   *   written
   */
  constructor(path: string, held?: HeldFile) {
    this.#path = path;
    if (held?.path === path) {
      this.#fd = held.fd;
      return;
    }
    const fd = loadNative().openLocked(Buffer.from(path));
    if (fd === ERROR_NAMES.EAGAIN) {
      const pid = readFileSync(path, 'utf8').trim();
      throw new SluiceError('ERR_RUNNING', `It runs already: process ${pid} holds ${path}.`);
    }
    if (fd < 0) {
      const details = { errno: fd, syscall: 'open' };
      const text = `The pid file ${path} cannot be opened: ${errorName(fd)}.`;
      throw new SluiceError('ERR_SYSTEM', text, details);
    }
    this.#fd = fd;
    try {
      ftruncateSync(fd);
      writeSync(fd, `${process.pid}\n`, 0);
    } catch (error) {
      closeSync(fd);
      const text = `The pid file ${path} cannot be written: ${String(error)}.`;
      throw new SluiceError('ERR_SYSTEM', text, { cause: error });
    }
  }

  get held(): HeldFile {
    return { path: this.#path, fd: this.#fd };
  }

  /** Removes the file first: who locks it after that would hold a file that nobody can find. */
  release(): void {
    try {
      unlinkSync(this.#path);
    } catch (error) {
      if (!isDenied(error)) throw error;
      // The folder is root's, who we were at the start. Empty, the file hinders nobody.
      ftruncateSync(this.#fd);
    }
    closeSync(this.#fd);
  }
}

/** Whether an error of fs says that we may not. */
export function isDenied(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
}
