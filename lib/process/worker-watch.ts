// Looks after workers between the events: who has been silent for too long hangs, and is killed once its
// stack is known; who has served enough is replaced in order.

import { readStack } from './hang-stack.ts';
import { RESTART_MS_MAX } from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface WatchedWorkers {
  workers(): readonly WorkerProcess[];
  /** Nobody may count on it any more; it is killed soon. */
  hung(worker: WorkerProcess): void;
  recycle(worker: WorkerProcess): void;
}

export class WorkerWatch {
  readonly #options: ResolvedOptions;
  readonly #watched: WatchedWorkers;
  readonly #timer: NodeJS.Timeout;
  /** When the last look was: after a stop of our own nobody is blamed for silence. */
  #lookedAt = performance.now();
  readonly #everyMs: number;

  constructor(options: ResolvedOptions, everyMs: number, watched: WatchedWorkers) {
    this.#options = options;
    this.#watched = watched;
    this.#everyMs = everyMs;
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const now = performance.now();
    const weWereLate = now - this.#lookedAt > 2 * this.#everyMs;
    this.#lookedAt = now;
    for (const worker of this.#watched.workers()) {
      if (worker.isHung || worker.hasEnded) continue;
      if (weWereLate) worker.heardAt = Math.max(worker.heardAt, now - this.#everyMs);
      // One that starts has a deadline of its own.
      const isSilent = worker.state !== 'starting' && now - worker.heardAt > this.#silenceMax;
      if (isSilent) void this.#end(worker);
      else this.#recycleIfDue(worker, now);
    }
  }

  get #silenceMax(): number {
    const { hangTimeoutMs } = this.#options;
    return hangTimeoutMs === 0 ? Number.POSITIVE_INFINITY : hangTimeoutMs;
  }

  async #end(worker: WorkerProcess): Promise<void> {
    const { slot, pid } = worker;
    worker.isHung = true;
    this.#watched.hung(worker);
    const stack = await readStack(pid).catch((error: unknown) => [String(error)]);
    this.#options.log.error({ slot, pid, stack }, 'worker hangs');
    this.#options.onEvent({ kind: 'hung', slot, pid, stack });
    worker.kill();
  }

  #recycleIfDue(worker: WorkerProcess, now: number): void {
    if (worker.state !== 'ready') return;
    const { maxRequests, maxMemory } = this.#options;
    const { requests, memoryBytes } = worker.beat;
    let why: string | undefined;
    if (now >= worker.expiresAt) why = 'maxLifetimeMs';
    else if (maxRequests > 0 && requests >= maxRequests) why = 'maxRequests';
    else if (maxMemory > 0 && memoryBytes > maxMemory) why = 'maxMemory';
    if (why === undefined || now < worker.recycleFrom) return;
    worker.recycleFrom = now + RESTART_MS_MAX;
    const { slot, pid } = worker;
    this.#options.log.info({ slot, pid, why }, 'worker is recycled');
    this.#options.onEvent({ kind: 'recycled', slot, pid, why });
    this.#watched.recycle(worker);
  }
}
