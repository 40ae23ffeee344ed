// What the workers of a gateway count, summed up by the clerk, whose address tells it. What a worker had counted
// stays in the sums when it is gone; what it had open does not.

import { createCounters, type GatewayCounters, type GatewayStats } from './stats.ts';

const COUNTERS = Object.keys(createCounters()) as (keyof GatewayCounters)[];

/** One process's own figures. */
export type WorkerStats = GatewayStats;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class ProcessStats {
  readonly #gone = createCounters();
  readonly #workers = new Map<number, WorkerStats>();

  get workerCount(): number {
    return this.#workers.size;
  }

  /** What a worker has last told. */
  note(serial: number, stats: WorkerStats): void {
    this.#workers.set(serial, stats);
  }

  gone(serial: number): void {
    const last = this.#workers.get(serial);
    if (last === undefined) return;
    this.#workers.delete(serial);
    for (const name of COUNTERS) this.#gone[name] += last[name];
  }

  /** @param clerk its own counters, and where its journal stands */
  total(clerk: GatewayStats): GatewayStats {
    const sums: Mutable<GatewayStats> = { ...clerk };
    for (const name of COUNTERS) sums[name] = clerk[name] + this.#gone[name];
    for (const stats of this.#workers.values()) {
      for (const name of COUNTERS) sums[name] += stats[name];
      sums.sessions += stats.sessions;
      sums.connections += stats.connections;
    }
    return sums;
  }
}
