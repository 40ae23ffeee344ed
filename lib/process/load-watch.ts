// What a process tells of itself on an admin socket: its readings, taken once a second, and the rates between them.

import { LoadMeter } from './load-meter.ts';
import { LoadRates } from './load-rates.ts';
import type { Servable, WorkerReport } from './types.ts';

const READ_EVERY_MS = 1_000;

type Load = Omit<WorkerReport, 'slot' | 'role' | 'state' | 'extra'>;

export class LoadWatch {
  readonly #servers: () => Iterable<Pick<Servable, 'stats'>>;
  readonly #startedAt = Date.now();
  readonly #meter = new LoadMeter();
  readonly #rates = new LoadRates();
  readonly #timer: NodeJS.Timeout;
  #load = this.#meter.read([]);

  /** @param servers whose connections and requests are counted */
  constructor(servers: () => Iterable<Pick<Servable, 'stats'>>) {
    this.#servers = servers;
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#timer.unref();
    this.#read();
  }

  /** Of this process. */
  report(): Load {
    const { connections, requests, queueBytes, memoryBytes, loopDelayP99Ms } = this.#load;
    const { perSecond, cpuPercent } = this.#rates;
    const counts = { connections, requests, perSecond, queueBytes };
    const costs = { cpuPercent, memoryBytes, loopDelayP99Ms };
    return { pid: process.pid, startedAt: this.#startedAt, ...counts, ...costs };
  }

  end(): void {
    clearInterval(this.#timer);
    this.#meter.stop();
  }

  #read(): void {
    this.#load = this.#meter.read(this.#servers());
    this.#rates.note(this.#load, performance.now());
  }
}
