// What a process costs: read now and then, and turned into rates by whoever remembers the reading before.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Servable } from './types.ts';

/** Sums since the start of the process, and what is now. */
export interface LoadReading {
  readonly connections: number;
  /** Requests and messages received. */
  readonly requests: number;
  /** Bytes that clients have not taken yet. */
  readonly queueBytes: number;
  /** Processor time of all its threads. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
  /** How late the loop was, 99th percentile since the reading before. */
  readonly loopDelayP99Ms: number;
}

export const NO_LOAD: LoadReading = {
  connections: 0,
  requests: 0,
  queueBytes: 0,
  cpuMs: 0,
  memoryBytes: 0,
  loopDelayP99Ms: 0,
};

/** Between two looks at the loop. */
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;
const US_PER_MS = 1e3;

export class LoadMeter {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#delay.enable();
  }

  /** @param servers whose connections and requests are counted */
  read(servers: Iterable<Pick<Servable, 'stats'>>): LoadReading {
    let connections = 0;
    let requests = 0;
    let queueBytes = 0;
    for (const server of servers) {
      const stats = server.stats();
      connections += stats.connections.open;
      requests += stats.requests.total + stats.messages.received;
      queueBytes += stats.bytes?.queued ?? 0;
    }
    const { user, system } = process.cpuUsage();
    const late = this.#delay.count === 0 ? 0 : this.#delay.percentile(99) / NS_PER_MS;
    this.#delay.reset();
    return {
      connections,
      requests,
      queueBytes,
      cpuMs: (user + system) / US_PER_MS,
      memoryBytes: process.memoryUsage.rss(),
      // The histogram counts the time between two looks, of which its own interval is a part.
      loopDelayP99Ms: Math.max(0, late - RESOLUTION_MS),
    };
  }

  stop(): void {
    this.#delay.disable();
  }
}
