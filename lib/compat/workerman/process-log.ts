// Where Worker.log() writes: a stream for people, and a file if one is named, renamed aside at its bound.

import { appendFileSync, renameSync, statSync } from 'node:fs';

/** What Worker.outputStream may be. */
export interface OutputStream {
  write(text: string): unknown;
}

export class ProcessLog {
  /** Empty: no file. */
  file = '';
  /** A file at or above this becomes FILE.1, in place of the one before it. */
  fileBytesMax = 10_485_760;
  stream: OutputStream = process.stdout;

  write(message: string): void {
    const line = `${timeText(new Date())} pid:${process.pid} ${message}\n`;
    this.stream.write(line);
    if (this.file === '') return;
    try {
      this.#makeRoom();
      appendFileSync(this.file, line, { mode: 0o622 });
    } catch (error) {
      // A log that cannot be written must not end who wanted to log.
      this.stream.write(`${String(error)}\n`);
    }
  }

  /** What a callback has thrown: it is logged, and the process goes on. */
  report(error: unknown): void {
    this.write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  #makeRoom(): void {
    const size = statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
    if (size >= this.fileBytesMax) renameSync(this.file, `${this.file}.1`);
  }
}

/** A process has one. */
export const processLog = new ProcessLog();

/** Local time, '2026-01-31 23:59:59'. */
function timeText(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}
