// The admin socket of a gateway that is one process: a table of one row, and what can be asked of one.

import { SluiceError } from '../base/errors.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { AdminSource, ListedConnections, ProcessStatus } from '../process/admin-socket.ts';
import { type ConnectionQuery, listConnections } from '../process/connection-list.ts';
import { LoadWatch } from '../process/load-watch.ts';

export class AloneAdmin implements AdminSource {
  readonly version: string;
  readonly #gateway: Gateway;
  readonly #stop: () => void;
  readonly #load: LoadWatch;

  constructor(gateway: Gateway, version: string, stop: () => void) {
    this.#gateway = gateway;
    this.version = version;
    this.#stop = stop;
    this.#load = new LoadWatch(() => gateway.servers);
  }

  status(): readonly ProcessStatus[] {
    const state = this.#gateway.isReady ? 'ready' : 'not ready';
    return [{ role: 'gateway', slot: -1, state, ...this.#load.report(), extra: {} }];
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
    this.#load.end();
  }
}
