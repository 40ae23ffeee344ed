// Who empties which socket. The kernel goes on giving connections to the socket of a place whose worker is
// dead or not ready yet; until it is, a sibling polls that socket, too.

import type { OpenAddress } from './listening-sockets.ts';
import type { WorkerProcess } from './worker-process.ts';

interface Orphan {
  readonly address: number;
  readonly slot: number;
}

/** Keeps every socket in somebody's hands as far as workers are there. */
export class SocketCoverage {
  readonly #addresses: readonly OpenAddress[];
  /** Who serves an orphan, by "address:slot". */
  readonly #keepers = new Map<string, WorkerProcess>();

  constructor(addresses: readonly OpenAddress[]) {
    this.#addresses = addresses;
  }

  /** Sockets that a sibling serves now. */
  get adopted(): number {
    return this.#keepers.size;
  }

  /** To be called whenever a worker became ready, drains, hangs or is gone. */
  update(servingAt: (slot: number) => WorkerProcess | undefined): void {
    for (const [address, { slots, path }] of this.#addresses.entries()) {
      // All workers poll the one socket of a path.
      if (path !== undefined) continue;
      const serving = slots.map(servingAt).filter((worker) => worker !== undefined);
      for (const slot of slots) {
        this.#settle({ address, slot }, servingAt(slot) !== undefined, serving);
      }
    }
  }

  #settle(orphan: Orphan, isServed: boolean, serving: readonly WorkerProcess[]): void {
    const key = `${orphan.address}:${orphan.slot}`;
    const keeper = this.#keepers.get(key);
    if (isServed || serving.length === 0) {
      if (isServed) keeper?.line?.say('release', orphan);
      this.#keepers.delete(key);
      return;
    }
    if (keeper !== undefined && serving.includes(keeper)) return;
    const next = serving[orphan.slot % serving.length] as WorkerProcess;
    next.line?.say('adopt', orphan);
    this.#keepers.set(key, next);
  }
}
