// The first process of a server that has several: it starts and replaces workers, and hears signals. It is
// Swoole's master and manager in one, and serves nobody.

import { constants } from 'node:os';
import { supervise } from '../../process/supervisor.ts';
import type { Supervisor, WorkerEvent } from '../../process/types.ts';
import { type Stats, sumOfStats } from './client-info.ts';
import type { Life } from './life.ts';
import { DEFAULTS } from './settings.ts';

/** As Swoole has them: SIGUSR1 reloads, SIGUSR2 only task workers. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGUSR2'] as const;
/** What a worker has beyond max_wait_time. */
const REST_MS = 2_000;

export class Master {
  readonly #life: Life;
  #supervisor: Supervisor | undefined;
  #isStopping = false;
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGUSR1' || signal === 'SIGUSR2') this.reload(signal === 'SIGUSR2');
    else this.shutdown();
  };

  constructor(life: Life) {
    this.#life = life;
  }

  /** @throws SluiceError (rejects) as supervise() */
  async begin(): Promise<void> {
    const life = this.#life;
    const { facade, mainCallbacks } = life;
    const { setting } = facade;
    const hosts: string[] = [];
    for (const port of life.ports) hosts.push(await port.probe());
    const slots = Array.from({ length: life.workerCount }, (_, slot) => slot);
    const waitMs = (setting.max_wait_time ?? DEFAULTS.waitSeconds) * 1000;
    const supervisor = await supervise({
      workers: life.workerCount + life.taskWorkerCount,
      listen: life.ports.map((port, i) => ({ ...port.supervisedAt(hosts[i] ?? ''), slots })),
      ...(setting.pid_file === undefined ? {} : { pidFile: setting.pid_file }),
      ...(setting.user === undefined ? {} : { user: setting.user }),
      ...(setting.group === undefined ? {} : { group: setting.group }),
      drainWindowMs: Math.floor(waitMs / 2),
      drainDeadlineMs: Math.floor(waitMs) + REST_MS,
      stopTimeoutMs: Math.floor(waitMs) + REST_MS,
      maxRequests: setting.max_request ?? 0,
      handleSignals: false,
      onEvent: (event) => this.#note(event),
    });
    this.#supervisor = supervisor;
    for (const [i, port] of life.ports.entries()) port.servesAt(supervisor.ports[i] ?? 0);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    void supervisor.ended.then(() => this.#ended());
    await Promise.race([supervisor.ready, supervisor.ended]);
    if (this.#isStopping) return;
    life.call(() => mainCallbacks.get('start')?.(facade));
    life.call(() => mainCallbacks.get('managerStart')?.(facade));
  }

  stats(own: Stats): Stats {
    const reports = (this.#supervisor?.workers ?? []).map(({ extra }) => extra as unknown as Stats);
    const told = reports.filter(({ connection_num: count }) => typeof count === 'number');
    return told.reduce(sumOfStats, own);
  }

  reload(onlyTaskWorkers: boolean): boolean {
    const supervisor = this.#supervisor;
    if (supervisor === undefined || this.#isStopping) return false;
    const { facade, mainCallbacks, workerCount, taskWorkerCount } = this.#life;
    this.#life.call(() => mainCallbacks.get('beforeReload')?.(facade));
    const slots = Array.from({ length: taskWorkerCount }, (_, i) => workerCount + i);
    supervisor.reload(onlyTaskWorkers ? { slots } : {}).then(
      () => this.#life.call(() => mainCallbacks.get('afterReload')?.(facade)),
      (error: unknown) => this.#life.report(error),
    );
    return true;
  }

  shutdown(): boolean {
    if (this.#supervisor === undefined || this.#isStopping) return false;
    this.#isStopping = true;
    const { facade, mainCallbacks } = this.#life;
    this.#life.call(() => mainCallbacks.get('beforeShutdown')?.(facade));
    void this.#supervisor.stop();
    return true;
  }

  #ended(): void {
    const { facade, mainCallbacks } = this.#life;
    this.#isStopping = true;
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    this.#life.call(() => mainCallbacks.get('managerStop')?.(facade));
    this.#life.call(() => mainCallbacks.get('shutdown')?.(facade));
  }

  #note(event: WorkerEvent): void {
    if (event.kind !== 'died') return;
    const { slot, pid, code, signal } = event;
    const { facade, mainCallbacks } = this.#life;
    const number = constants.signals[signal as NodeJS.Signals] ?? 0;
    this.#life.call(() => mainCallbacks.get('workerError')?.(facade, slot, pid, code ?? 0, number));
  }
}
