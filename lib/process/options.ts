// Checks what a supervisor is given, and fills in the defaults.

import { availableParallelism } from 'node:os';
import { TIMER_MS_MAX } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import * as limits from './limits.ts';
import type { SupervisedAddress, SupervisorOptions, WorkerEvent } from './types.ts';

export interface ResolvedOptions {
  readonly workers: number;
  readonly listen: readonly SupervisedAddress[];
  readonly script: string;
  readonly args: readonly string[];
  readonly execArgv: readonly string[];
  readonly env: () => Readonly<Record<string, string>>;
  readonly beforeReload: () => void | Promise<void>;
  readonly pidFile: string | undefined;
  readonly user: string | number | undefined;
  readonly group: string | number | undefined;
  readonly check: { readonly args: readonly string[] } | undefined;
  readonly readyTimeoutMs: number;
  readonly drainWindowMs: number;
  readonly drainDeadlineMs: number;
  readonly stopTimeoutMs: number;
  readonly hangTimeoutMs: number;
  readonly maxRequests: number;
  readonly maxMemory: number;
  readonly maxLifetimeMs: number;
  readonly adminSocket: string | undefined;
  readonly version: string | undefined;
  readonly roles: readonly string[];
  readonly startTogether: boolean;
  readonly handleSignals: boolean;
  readonly log: Log;
  readonly onEvent: (event: WorkerEvent) => void;
}

/** @throws SluiceError ERR_ARG_RANGE for a value out of range, ERR_ARG_TYPE for no list */
export function resolveOptions(options: SupervisorOptions): ResolvedOptions {
  const workers = workersOf(options.workers);
  checkAddresses(options.listen, workers);
  const script = options.script ?? process.argv[1];
  if (script === undefined) throw new SluiceError('ERR_ARG_TYPE', 'script must be a file.');
  const drainWindowMs = duration('drainWindowMs', options.drainWindowMs, limits.DRAIN_WINDOW_MS);
  const drainDefault = Math.min(TIMER_MS_MAX, drainWindowMs + limits.DRAIN_REST_MS);
  const drainDeadlineMs = duration('drainDeadlineMs', options.drainDeadlineMs, drainDefault);
  if (drainDeadlineMs < drainWindowMs) {
    throw new SluiceError('ERR_ARG_RANGE', 'drainDeadlineMs must not be below drainWindowMs.');
  }
  if (options.user === undefined && options.group !== undefined) {
    throw new SluiceError('ERR_ARG_RANGE', 'A group goes with a user.');
  }
  return {
    workers,
    listen: options.listen,
    script,
    args: options.args ?? process.argv.slice(2),
    execArgv: options.execArgv ?? process.execArgv,
    env: envOf(options.env),
    beforeReload: options.beforeReload ?? (() => undefined),
    pidFile: options.pidFile,
    user: options.user,
    group: options.group,
    check: options.check,
    readyTimeoutMs: duration('readyTimeoutMs', options.readyTimeoutMs, limits.READY_TIMEOUT_MS),
    drainWindowMs,
    drainDeadlineMs,
    stopTimeoutMs: duration('stopTimeoutMs', options.stopTimeoutMs, limits.STOP_TIMEOUT_MS),
    hangTimeoutMs: hangTimeoutOf(options.hangTimeoutMs),
    maxRequests: count('maxRequests', options.maxRequests),
    maxMemory: count('maxMemory', options.maxMemory),
    maxLifetimeMs: duration('maxLifetimeMs', options.maxLifetimeMs, 0),
    adminSocket: options.adminSocket,
    version: options.version,
    roles: options.roles ?? [],
    startTogether: options.startTogether ?? false,
    handleSignals: options.handleSignals ?? true,
    log: options.log ?? silentLog,
    onEvent: options.onEvent ?? (() => undefined),
  };
}

function envOf(env: SupervisorOptions['env'] = {}): ResolvedOptions['env'] {
  return typeof env === 'function' ? env : () => env;
}

function workersOf(workers: number | 'auto' = 'auto'): number {
  const most = limits.WORKERS_MAX;
  if (workers === 'auto') return Math.min(most, availableParallelism());
  return integer('workers', workers, 1, most);
}

function checkAddresses(listen: readonly SupervisedAddress[], workers: number): void {
  if (!Array.isArray(listen)) throw new SluiceError('ERR_ARG_TYPE', 'listen must be a list.');
  if (listen.length > limits.ADDRESSES_MAX) {
    throw new SluiceError('ERR_ARG_RANGE', `listen has ${limits.ADDRESSES_MAX} places at most.`);
  }
  for (const { port, path, slots } of listen as readonly SupervisedAddress[]) {
    if ((port === undefined) === (path === undefined)) {
      throw new SluiceError('ERR_ARG_RANGE', 'An address has one of port and path.');
    }
    if (port !== undefined) integer('port', port, 0, 65_535);
    for (const slot of slots ?? []) integer('slots', slot, 0, workers - 1);
    if (slots !== undefined && (slots.length === 0 || new Set(slots).size < slots.length)) {
      throw new SluiceError('ERR_ARG_RANGE', 'slots must name places, each once.');
    }
  }
}

function hangTimeoutOf(value: number | undefined): number {
  if (value === 0) return 0;
  const most = TIMER_MS_MAX;
  const least = limits.HANG_TIMEOUT_MS_LEAST;
  return integer('hangTimeoutMs', value ?? limits.HANG_TIMEOUT_MS, least, most);
}

function duration(name: string, value: number | undefined, fallback: number): number {
  return integer(name, value ?? fallback, 0, TIMER_MS_MAX);
}

function count(name: string, value: number | undefined): number {
  return integer(name, value ?? 0, 0, Number.MAX_SAFE_INTEGER);
}

function integer(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new SluiceError('ERR_ARG_RANGE', `${name} must be an integer from ${least} to ${most}.`);
}
