// The public words of processes that serve together: what a supervisor is given and does, and what a
// worker may do. Everything else in this room is how.

import type { Log } from '../base/log.ts';
import type { ServerListener, ServerListenOptions } from '../server/types.ts';
import type { SocketInfo } from '../server/websocket/flow-types.ts';
import type { WorkerBus } from './bus-types.ts';
import type { Describe } from './connection-list.ts';

/** Where all workers listen. One of `port` and `path`. */
export interface SupervisedAddress {
  /** Numeric IPv4 or IPv6 address, or localhost. Default 0.0.0.0. */
  readonly host?: string;
  /** 0: a free port, the same for all workers. */
  readonly port?: number;
  /** A Unix socket; its file is removed at the end. */
  readonly path?: string;
  /** Permission bits of that file. Default 0o660. */
  readonly mode?: number;
  /** Default 4096, per worker. */
  readonly backlog?: number;
  /** The places of the workers that serve it, each 0..workers-1. Default: all. */
  readonly slots?: readonly number[];
}

export interface SupervisorOptions {
  /** 1..128, or 'auto', the default: as many as there are processors. */
  readonly workers?: number | 'auto';
  /** Opened before any worker starts, and kept while workers come and go. At most 16. */
  readonly listen: readonly SupervisedAddress[];
  /** The program of a worker. Default: the one that runs now. */
  readonly script?: string;
  /** Its arguments. Default: those of the one that runs now. */
  readonly args?: readonly string[];
  /** Options of node for workers. Default: those of this process. */
  readonly execArgv?: readonly string[];
  /** Added to this process's environment; a function is asked at each start of a worker. */
  readonly env?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** Runs before a reload; what it throws ends the reload, and everything stays. */
  readonly beforeReload?: () => void | Promise<void>;
  /** Written and locked; a second supervisor with the same file is refused. */
  readonly pidFile?: string;
  /**
   * A name or a number: who this process and its workers are once sockets and files have been opened. Only
   * root may become somebody else.
   */
  readonly user?: string | number;
  /** Default: the user's own. */
  readonly group?: string | number;
  /**
   * How upgrade() tries the new version: node with this program's script and these arguments must exit 0
   * within 30 seconds. Default: it only reads the script (`node --check`).
   */
  readonly check?: { readonly args: readonly string[] };
  /** How long a worker may take until it is ready. Default 30,000. */
  readonly readyTimeoutMs?: number;
  /** Over how long a draining worker spreads the ends of its sockets. Default 10,000. */
  readonly drainWindowMs?: number;
  /** What a draining worker has in all; then it is killed. Default drainWindowMs + 20,000. */
  readonly drainDeadlineMs?: number;
  /** What stop() gives the workers before they are killed. Default 5,000. */
  readonly stopTimeoutMs?: number;
  /** A worker that says nothing for this long is killed and replaced. Default 10,000; 0: never. */
  readonly hangTimeoutMs?: number;
  /** A worker is replaced, in order, after this many requests and messages. Default 0: never. */
  readonly maxRequests?: number;
  /** The same, when its resident memory is above this many bytes. */
  readonly maxMemory?: number;
  /** The same, after this many milliseconds and up to a tenth more, so that not all go at once. */
  readonly maxLifetimeMs?: number;
  /**
   * A Unix socket of mode 0600 on which `status`, `connections`, `reload`, `restart` and `stop` are answered,
   * as HTTP.
   */
  readonly adminSocket?: string;
  /** Told there. */
  readonly version?: string;
  /** What the places are called there, by slot. Default: worker. */
  readonly roles?: readonly string[];
  /**
   * The places are of use together only: until all have been ready once, one that has lost five workers in
   * a row is the end. Default false: all must have.
   */
  readonly startTogether?: boolean;
  /** SIGTERM and SIGINT stop, SIGQUIT stops gracefully, SIGHUP reloads, SIGUSR2 upgrades. Default true. */
  readonly handleSignals?: boolean;
  /** Default: silent but for a line on standard error when the supervisor gives up. */
  readonly log?: Log;
  /** Called for everything that happens to workers. Must not throw. */
  readonly onEvent?: (event: WorkerEvent) => void;
}

/** What happened to a worker. `slot` is its place, 0..workers-1; `pid` names the process. */
export type WorkerEvent =
  | { readonly kind: 'started' | 'ready' | 'draining'; readonly slot: number; readonly pid: number }
  | { readonly kind: 'left'; readonly slot: number; readonly pid: number }
  | {
      readonly kind: 'died';
      readonly slot: number;
      readonly pid: number;
      readonly code: number | null;
      readonly signal: string | null;
      /** Whether it had been ready. */
      readonly wasReady: boolean;
      /** When the next one starts. */
      readonly restartInMs: number;
    }
  | {
      readonly kind: 'hung';
      readonly slot: number;
      readonly pid: number;
      /** Function names with places, innermost first; empty when it could not be read. */
      readonly stack: readonly string[];
    }
  | {
      readonly kind: 'recycled';
      readonly slot: number;
      readonly pid: number;
      readonly why: string;
    };

export interface WorkerReport {
  readonly slot: number;
  /** As in SupervisorOptions.roles. */
  readonly role: string;
  readonly pid: number;
  readonly state: 'starting' | 'ready' | 'draining';
  readonly startedAt: number;
  readonly connections: number;
  /** Requests and messages that it has received, and how many a second lately. */
  readonly requests: number;
  readonly perSecond: number;
  /** Bytes that its clients have not taken yet. */
  readonly queueBytes: number;
  /** Lately, of one processor. */
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  /** How late its loop was lately, 99th percentile. */
  readonly loopDelayP99Ms: number;
  /** What the program itself reports by WorkerRole.report. */
  readonly extra: Readonly<Record<string, unknown>>;
}

export interface Supervisor {
  /** Of the addresses in `listen`; 0 for a path. */
  readonly ports: readonly number[];
  /** The processes that live now, those that drain included. */
  readonly workers: readonly WorkerReport[];
  /** Resolves when all workers were ready once. */
  readonly ready: Promise<void>;
  /** Resolves with the exit code when the last worker is gone: 0, or 1 after a crash loop. */
  readonly ended: Promise<number>;
  /**
   * Replaces all workers, one after the other: the replacement is ready before the old one stops
   * accepting. Resolves when the last replacement is ready; the old ones may drain still.
   * @param options.slots only the workers in these places
   * @throws SluiceError (rejects) ERR_STATE when a replacement does not get ready: the others stay
   */
  reload(options?: { readonly slots?: readonly number[] }): Promise<void>;
  /**
   * Lets the new version of this program take its place: once its check has passed, the program is started
   * anew in this process, by execve(2), with its workers, sockets and pid file; its supervise() goes on with
   * them, and reloads. Nothing of this program runs after that.
   * @throws SluiceError (rejects, or never settles) ERR_STATE when the check fails or it is stopping,
   *   ERR_SYSTEM when node cannot be started; everything goes on then
   */
  upgrade(): Promise<never>;
  /**
   * Ends all workers and resolves when the last is gone.
   * @param options.graceful over the drain window, as reload does; else within stopTimeoutMs
   */
  stop(options?: { readonly graceful?: boolean }): Promise<void>;
}

export interface ServeOptions {
  /** Which of the supervisor's `listen`, by index. Default: all that this worker's place serves. */
  readonly addresses?: readonly number[];
  /** How connections begin there: tls, proxyProtocol and the like. */
  readonly listen?: Omit<
    ServerListenOptions,
    'host' | 'port' | 'path' | 'mode' | 'fd' | 'exclusive'
  >;
  /** False: the worker is ready when ready() says so. Default true. */
  readonly ready?: boolean;
}

/** A socket of a server, as far as it can be told of. */
export interface ServedSocket {
  close(code: number, reason: string): void;
  info?(): SocketInfo;
  /** What the program hung on it. */
  readonly data?: unknown;
}

/** What a worker serves with: a Server of the library, or something that listens and ends like one. */
export interface Servable {
  listen(options: ServerListenOptions): Promise<ServerListener>;
  close(options: {
    readonly code: number;
    readonly reason: string;
    readonly windowMs: number;
    readonly deadlineMs: number;
  }): Promise<void>;
  readonly sockets: Iterable<ServedSocket>;
  stats(): {
    readonly connections: { readonly open: number };
    readonly requests: { readonly total: number };
    readonly messages: { readonly received: number };
    readonly bytes?: { readonly queued: number };
  };
}

export interface WorkerRole {
  /** Its place, 0..count-1; a replacement has the same. */
  readonly slot: number;
  /** How many places there are. */
  readonly count: number;
  /** Never repeats in the life of a supervisor. */
  readonly serial: number;
  /** Whether it has been told to leave. */
  readonly isDraining: boolean;
  /**
   * Serves: listens at the supervised addresses, says ready, and drains with the server when it is
   * told to: no new connections, requests finished, sockets closed with 1012 over the window. The
   * process then exits.
   * @throws SluiceError (rejects) ERR_ARG_RANGE for an address that is not this worker's, ERR_STATE
   *   when it is leaving
   */
  serve(server: Servable, options?: ServeOptions): Promise<void>;
  /** Says that this worker is ready, for programs that serve() nothing, or several servers. */
  ready(): void;
  /**
   * Runs when it is told to leave, while everybody is connected still.
   * @param windowMs over which the servers' sockets will be closed
   */
  onDrain(task: (windowMs: number) => void): void;
  /**
   * Runs before the process leaves, after the servers have drained; a rejection is logged. It has what is
   * left of the time that the worker has in all, at least five seconds.
   */
  onLeave(task: () => void | Promise<void>): void;
  /** Adds to what the supervisor knows of this worker: plain values, 16 KiB of JSON at most. */
  report(extra: Readonly<Record<string, unknown>>): void;
  /** Adds to what `connections` shows of a socket: plain values. */
  describe(of: Describe): void;
  /** Asks the supervisor to reload or stop, as its own methods do. */
  request(action: 'reload' | 'stop' | 'stop-gracefully'): void;
  /** The lines to the other workers. A worker is on the bus from its first use of this on. */
  readonly bus: WorkerBus;
}
