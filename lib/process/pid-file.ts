// The pid file: whoever holds its lock is the supervisor. The kernel ends the lock with the process, so
// that a file left by kill -9 hinders nobody.

import { closeSync, ftruncateSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { SluiceError } from '../base/errors.ts';
import { ERROR_NAMES, errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';

export class PidFile {
  readonly #path: string;
  readonly #fd: number;

  /**
   * Writes this process's pid.
   * @throws SluiceError ERR_RUNNING when another process holds the file, ERR_SYSTEM when it cannot be
   *   written
   */
  constructor(path: string) {
    this.#path = path;
    const fd = loadNative().openLocked(Buffer.from(path));
    if (fd === ERROR_NAMES.EAGAIN) {
      const pid = readFileSync(path, 'utf8').trim();
      throw new SluiceError('ERR_RUNNING', `It runs already: process ${pid} holds ${path}.`);
    }
    if (fd < 0) {
      const details = { errno: fd, syscall: 'open' };
      throw new SluiceError('ERR_SYSTEM', `open ${errorName(fd)} ${path}`, details);
    }
    this.#fd = fd;
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  }

  /** Removes the file first: who locks it after that would hold a file that nobody can find. */
  release(): void {
    unlinkSync(this.#path);
    closeSync(this.#fd);
  }
}
