// pino behind our Log interface. JSON lines on stdout for machines, short lines on stderr for `dev`.

import pino from 'pino';
import type { Log, LogFields } from '../base/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** A JSON-lines log on stdout. SLUICE_LOG_LEVEL sets the least level (default info). */
export function createLog(): Log {
  const wanted = process.env['SLUICE_LOG_LEVEL'] ?? 'info';
  const level = LEVELS.some((known) => known === wanted) ? wanted : 'info';
  const logger = pino(
    { level, base: { pid: process.pid } },
    pino.destination({ fd: 1, sync: true }),
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}

/** A log for people: warnings and errors as lines on stderr. */
export function createTerminalLog(): Log {
  const quiet = (_fields: LogFields, _message: string): undefined => undefined;
  const line = (mark: string) => (fields: LogFields, message: string) => {
    const details = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
    process.stderr.write(`${mark} ${message}${details}\n`);
  };
  return { debug: quiet, info: quiet, warn: line('warning:'), error: line('error:') };
}
