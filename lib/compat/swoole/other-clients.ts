// The connections of the other workers, as they have told of them.

import { FDS_PER_WORKER } from './bounds.ts';
import type { ClientInfo } from './client-info.ts';
import { FdIndex } from './fd-index.ts';

export const serialOf = (fd: number): number => Math.floor(fd / FDS_PER_WORKER);

interface Worker {
  readonly index: FdIndex<ClientInfo>;
  /** The highest number that it has told of. */
  highest: number;
}

export class OtherClients {
  readonly #workers = new Map<number, Worker>();

  get size(): number {
    let sum = 0;
    for (const { index } of this.#workers.values()) sum += index.size;
    return sum;
  }

  get(fd: number): ClientInfo | undefined {
    return this.#workers.get(serialOf(fd))?.index.get(fd);
  }

  /** It was given after the last one that we were told of. */
  mayBeNew(fd: number): boolean {
    return fd > (this.#workers.get(serialOf(fd))?.highest ?? 0);
  }

  /** @param info undefined: it is gone */
  learn(serial: number, fd: number, info: ClientInfo | undefined): void {
    const worker = this.#workers.get(serial) ?? { index: new FdIndex<ClientInfo>(), highest: 0 };
    this.#workers.set(serial, worker);
    worker.highest = Math.max(worker.highest, fd);
    if (info === undefined) worker.index.delete(fd);
    else worker.index.set(fd, info);
  }

  forget(serial: number): void {
    this.#workers.delete(serial);
  }

  *fds(): Generator<number, void> {
    for (const serial of this.#serials) yield* this.#workers.get(serial)?.index.keys() ?? [];
  }

  /** Up to `count` numbers above `after`, in order. */
  page(after: number, count: number): number[] {
    const found: number[] = [];
    for (const serial of this.#serials) {
      if (found.length >= count) break;
      const rest = count - found.length;
      found.push(...(this.#workers.get(serial)?.index.page(after, rest) ?? []));
    }
    return found;
  }

  get #serials(): number[] {
    return [...this.#workers.keys()].sort((a, b) => a - b);
  }
}
