// What a service manager such as systemd is told, and what it has handed over: sd_notify(3), the watchdog,
// and sockets that it has opened (sd_listen_fds(3)). Its variables are taken out of the environment, since
// they are not for our children.

import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { errorName } from '../native/error-names.ts';
import { loadNative } from '../native/load.ts';

/** sd_listen_fds(3): SD_LISTEN_FDS_START. */
const FIRST_DESCRIPTOR = 3;
const MICROSECONDS = 1_000;
const NOTIFY_VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;
const LISTEN_VARIABLES = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'] as const;

/** A socket that listens already. */
export interface HandedSocket {
  readonly fd: number;
  readonly name: string;
  /** Numeric, or a path with port 0; an abstract name begins with a zero byte. */
  readonly host: string;
  readonly port: number;
}

/** @throws SluiceError ERR_DESCRIPTOR for a descriptor that does not listen */
export function takeHandedSockets(env: NodeJS.ProcessEnv): HandedSocket[] {
  const isOurs = env['LISTEN_PID'] === String(process.pid);
  const count = isOurs ? Number(env['LISTEN_FDS'] ?? 0) : 0;
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
  for (const name of LISTEN_VARIABLES) delete env[name];
  return Array.from({ length: count }, (_, index) => {
    const fd = FIRST_DESCRIPTOR + index;
    return handedSocket(fd, names[index] ?? '');
  });
}

function handedSocket(fd: number, name: string): HandedSocket {
  const native = loadNative();
  const error = native.prepareListener(fd);
  const host = error === 0 ? native.descriptorAddress(fd) : error;
  if (typeof host === 'string') return { fd, name, host, port: native.descriptorPort(fd) };
  const text = `Descriptor ${fd} (${name}) of LISTEN_FDS does not listen: ${errorName(host)}.`;
  throw new SluiceError('ERR_DESCRIPTOR', text, { errno: host });
}

export class ServiceManager {
  readonly #log: Log;
  /** The variables that a program gets which takes the place of this one. */
  readonly variables: Readonly<Record<string, string>>;
  readonly #path: Buffer | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #status = '';

  constructor(env: NodeJS.ProcessEnv, log: Log) {
    this.#log = log;
    const variables: Record<string, string> = {};
    for (const name of NOTIFY_VARIABLES) {
      const value = env[name];
      if (value !== undefined && value !== '') variables[name] = value;
      delete env[name];
    }
    this.variables = variables;
    const path = variables['NOTIFY_SOCKET'];
    this.#path = path === undefined ? undefined : Buffer.from(path.replace(/^@/, '\0'));
  }

  ready(): void {
    this.#say(`READY=1\nMAINPID=${process.pid}`);
  }

  /** ready() is to follow, however it ends. */
  reloading(): void {
    const now = process.hrtime.bigint() / BigInt(MICROSECONDS);
    this.#say(`RELOADING=1\nMONOTONIC_USEC=${now}`);
  }

  stopping(): void {
    this.#say('STOPPING=1');
  }

  /** A line for people; said when it is another than before. */
  status(text: string): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#say(`STATUS=${text}`);
  }

  /**
   * Tells the watchdog at half its time, as sd_watchdog_enabled(3) advises, that all is well.
   * @param isWell nothing is said while it is not, or while this loop stands still
   */
  startWatchdog(isWell: () => boolean): void {
    const { WATCHDOG_USEC: everyText, WATCHDOG_PID: pid } = this.variables;
    const everyMs = Number(everyText) / MICROSECONDS;
    if (this.#path === undefined || !(everyMs > 0)) return;
    if (pid !== undefined && pid !== String(process.pid)) return;
    this.#watchdog = setInterval(
      () => {
        if (isWell()) this.#say('WATCHDOG=1');
      },
      Math.max(1, everyMs / 2),
    );
    this.#watchdog.unref();
  }

  close(): void {
    clearInterval(this.#watchdog);
  }

  #say(text: string): void {
    if (this.#path === undefined) return;
    const error = loadNative().sendDatagram(this.#path, Buffer.from(`${text}\n`));
    // Whoever does not listen to us cannot be helped, but somebody should know.
    if (error !== 0) this.#log.warn({ error: errorName(error), text }, 'sd_notify');
  }
}
