// What every room may say. The gateway passes pino in; the library alone is silent by default.

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * The part of pino's interface that Sluice uses: fields first, then one sentence. Never a secret,
 * never a message text.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const ignore = (_fields: LogFields, _message: string): void => undefined;

export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
