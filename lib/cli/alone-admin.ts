// The admin socket of a gateway that is one process: a table of one row, and what can be asked of one.

import { SluiceError } from '../base/errors.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { AdminSource, ListedConnections, ProcessStatus } from '../process/admin-socket.ts';
import { type ConnectionQuery, listConnections } from '../process/connection-list.ts';
import { LoadMeter } from '../process/load-meter.ts';
import { LoadRates } from '../process/load-rates.ts';

const READ_EVERY_MS = 1_000;

export class AloneAdmin implements AdminSource {
  readonly version: string;
  readonly #gateway: Gateway;
  readonly #stop: () => void;
  readonly #startedAt = Date.now();
  readonly #meter = new LoadMeter();
  readonly #rates = new LoadRates();
  readonly #timer: NodeJS.Timeout;
  #load = this.#meter.read([]);

  constructor(gateway: Gateway, version: string, stop: () => void) {
    this.#gateway = gateway;
    this.version = version;
    this.#stop = stop;
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#timer.unref();
    this.#read();
  }

  status(): readonly ProcessStatus[] {
    const { perSecond, cpuPercent } = this.#rates;
    return [
      {
        role: 'gateway',
        slot: -1,
        pid: process.pid,
        state: this.#gateway.isReady ? 'ready' : 'not ready',
        startedAt: this.#startedAt,
        ...this.#load,
        perSecond,
        cpuPercent,
        extra: {},
      },
    ];
  }

  async connections(query: ConnectionQuery): Promise<ListedConnections> {
    const { servers, describe } = this.#gateway;
    return { connections: listConnections(servers, query, describe), silent: [] };
  }

  /** Certificates are what one process can read again while it serves. */
  async reload(): Promise<void> {
    this.#gateway.reloadTls();
  }

  restart(): Promise<void> {
    const text =
      'One process cannot be replaced while it serves: stop it and start it, or use workers.';
    return Promise.reject(new SluiceError('ERR_STATE', text));
  }

  stop(): void {
    this.#stop();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#meter.stop();
  }

  #read(): void {
    this.#load = this.#meter.read(this.#gateway.servers);
    this.#rates.note(this.#load, performance.now());
  }
}
