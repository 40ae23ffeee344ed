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
    for (const [address, { slots, fds }] of this.#addresses.entries()) {
      const serving = slots.map(servingAt).filter((worker) => worker !== undefined);
      // A socket may be that of several places: of all, for a path.
      const served = new Set(fds.filter((_, index) => servingAt(slots[index] as number)));
      for (const [index, slot] of slots.entries()) {
        this.#settle({ address, slot }, served.has(fds[index] as number), serving);
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
