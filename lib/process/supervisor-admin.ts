// What a supervisor answers on its admin socket: itself and its workers.

import type { AdminSource, ListedConnections, ProcessStatus } from './admin-socket.ts';
import { type ConnectionQuery, type ConnectionRow, merged } from './connection-list.ts';
import { LoadWatch } from './load-watch.ts';
import type { WorkerProcess } from './worker-process.ts';

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
  /** It carries no traffic. */
  readonly #load = new LoadWatch(() => []);

  constructor(actions: SupervisorActions, version = '') {
    this.#actions = actions;
    this.version = version;
  }

  status(): readonly ProcessStatus[] {
    const own = { role: 'supervisor', slot: -1, state: 'ready', ...this.#load.report(), extra: {} };
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
    this.#load.end();
  }
}
