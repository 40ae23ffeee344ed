// What a supervisor answers on its admin socket: itself and its workers.

import type { AdminSource, ListedConnections, ProcessStatus } from './admin-socket.ts';
import { type ConnectionQuery, type ConnectionRow, merged } from './connection-list.ts';
import { LoadMeter } from './load-meter.ts';
import { LoadRates } from './load-rates.ts';
import type { WorkerProcess } from './worker-process.ts';

const READ_EVERY_MS = 1_000;

export interface SupervisorActions {
  workers(): readonly WorkerProcess[];
  list(
    worker: WorkerProcess,
    query: ConnectionQuery,
  ): Promise<readonly ConnectionRow[] | undefined>;
  reload(): Promise<void>;
  restart(): Promise<void>;
  stop(graceful: boolean): void;
}

export class SupervisorAdmin implements AdminSource {
  readonly version: string;
  readonly #actions: SupervisorActions;
  readonly #startedAt = Date.now();
  readonly #meter = new LoadMeter();
  readonly #rates = new LoadRates();
  readonly #timer: NodeJS.Timeout;
  #load = this.#meter.read([]);

  constructor(actions: SupervisorActions, version = '') {
    this.#actions = actions;
    this.version = version;
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#timer.unref();
    this.#read();
  }

  status(): readonly ProcessStatus[] {
    const own: ProcessStatus = {
      role: 'supervisor',
      slot: -1,
      pid: process.pid,
      state: 'ready',
      startedAt: this.#startedAt,
      ...this.#load,
      perSecond: 0,
      cpuPercent: this.#rates.cpuPercent,
      extra: {},
    };
    return [own, ...this.#actions.workers().map((worker) => worker.report())];
  }

  async connections(query: ConnectionQuery): Promise<ListedConnections> {
    const workers = this.#actions.workers();
    const lists = await Promise.all(workers.map((worker) => this.#actions.list(worker, query)));
    const silent = workers.filter((_worker, index) => lists[index] === undefined);
    return {
      connections: merged(
        lists.map((rows) => rows ?? []),
        query,
      ),
      silent: silent.map((worker) => worker.pid),
    };
  }

  reload(): Promise<void> {
    return this.#actions.reload();
  }

  restart(): Promise<void> {
    return this.#actions.restart();
  }

  stop(graceful: boolean): void {
    this.#actions.stop(graceful);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#meter.stop();
  }

  #read(): void {
    this.#load = this.#meter.read([]);
    this.#rates.note(this.#load, performance.now());
  }
}
