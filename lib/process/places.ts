// The places of workers: in each at most one worker that serves, one that is about to replace it, and some
// that drain. Knows when one starts, follows another or is given up; nothing of sockets and control lines.
//
//   start ──► incoming ── ready ──► current ── reload, recycling ──► leaving ──► gone
//                │                     │
//                └── dies ──► waits ◄──┘ dies

import { SluiceError } from '../base/errors.ts';
import { RestartBackoff } from './backoff.ts';
import type { WorkerState } from './control.ts';
import { DRAINING_PER_SLOT_MAX } from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import type { WorkerRecord } from './succession.ts';
import type { Ending } from './worker-child.ts';
import type { WorkerProcess } from './worker-process.ts';

const CODE_RESTART = 1012;
const CODE_GOING_AWAY = 1001;

interface Place {
  readonly slot: number;
  /** The program before had more places: who is left there goes at the next reload. */
  readonly isSurplus: boolean;
  readonly backoff: RestartBackoff;
  current: WorkerProcess | undefined;
  incoming: WorkerProcess | undefined;
  readonly leaving: Set<WorkerProcess>;
  restart: NodeJS.Timeout | undefined;
  /** Of a replacement under way. */
  settled: { resolve(): void; reject(error: Error): void } | undefined;
}

export interface PlacesOwner {
  /** Starts the program for a place. */
  spawn(slot: number): WorkerProcess;
  /** Who serves has changed, or who is there. */
  changed(): void;
  /** Not all places have had a worker that was ready, and they are of use together only. */
  isStarting(): boolean;
  /** Every place has lost its worker again and again, or one of them while it starts. @param text why */
  gaveUp(text: string): void;
  /** After stop(): the last one is gone. */
  emptied(): void;
}

export class Places {
  readonly #options: ResolvedOptions;
  readonly #owner: PlacesOwner;
  readonly #places: Place[];
  #isStopping = false;

  constructor(options: ResolvedOptions, owner: PlacesOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#places = Array.from({ length: options.workers }, (_, slot) => makePlace(slot, false));
  }

  /** All that live, those that drain included. */
  get workers(): WorkerProcess[] {
    return this.#places
      .flatMap((place) => [place.current, place.incoming, ...place.leaving])
      .filter((worker) => worker !== undefined);
  }

  /** Every place has a worker that is ready. */
  get isComplete(): boolean {
    return this.#places.every((place) => place.isSurplus || place.current !== undefined);
  }

  get servingCount(): number {
    return this.workers.filter((worker) => worker.isServing).length;
  }

  servingAt(slot: number): WorkerProcess | undefined {
    const current = this.#places[slot]?.current;
    return current?.isServing === true ? current : undefined;
  }

  /** In all places that are empty. */
  startAll(): void {
    for (const place of this.#places) {
      const isEmpty = place.current === undefined && place.incoming === undefined;
      if (isEmpty && !place.isSurplus) this.#startIn(place);
    }
  }

  /** Takes a worker of the program before; its state is what it says when its line stands. */
  adopt(worker: WorkerProcess, { role, readyMs, restMs }: WorkerRecord): void {
    const most = this.#options.workers;
    for (let slot = this.#places.length; slot <= worker.slot; slot++) {
      this.#places.push(makePlace(slot, slot >= most));
    }
    const place = this.#placeOf(worker);
    if (readyMs !== undefined) worker.readyAt = performance.now() - readyMs;
    if (restMs !== undefined) worker.setDeadline(restMs);
    if (role === 'leaving') {
      worker.state = 'draining';
      place.leaving.add(worker);
    } else {
      if (role === 'current') worker.state = 'ready';
      place[role] = worker;
    }
    void worker.ended.then((ending) => this.#gone(place, worker, ending));
  }

  /** For whoever takes our place. */
  records(): WorkerRecord[] {
    return this.#places.flatMap(({ current, incoming, leaving }) => [
      ...(current === undefined ? [] : [current.record('current')]),
      ...(incoming === undefined ? [] : [incoming.record('incoming')]),
      ...[...leaving].map((worker) => worker.record('leaving')),
    ]);
  }

  // ---- replacing ---------------------------------------------------------

  /**
   * @param isDue whether it is to be replaced; who replaces one that is due is left alone
   * @throws SluiceError (rejects) ERR_STATE when a replacement does not get ready
   */
  async replaceAll(isDue: (worker: WorkerProcess) => boolean = () => true): Promise<void> {
    for (const place of this.#places) {
      if (this.#isStopping) return;
      const newest = place.incoming ?? place.current;
      if (place.isSurplus || (newest !== undefined && !isDue(newest))) continue;
      await this.#replace(place);
    }
    for (const place of this.#places) if (place.isSurplus) this.#vacate(place);
  }

  #vacate(place: Place): void {
    const { current } = place;
    place.incoming?.kill();
    place.current = undefined;
    if (current !== undefined) this.#sendAway(place, current);
    this.#owner.changed();
  }

  recycle(worker: WorkerProcess): void {
    const place = this.#placeOf(worker);
    if (this.#isStopping || place.current !== worker || place.incoming !== undefined) return;
    this.#replace(place).catch((error: unknown) => {
      this.#options.log.error({ error: String(error) }, 'recycling failed');
    });
  }

  /** Resolves when a new worker serves in the place; the one before drains then. */
  async #replace(place: Place): Promise<void> {
    if (place.leaving.size >= DRAINING_PER_SLOT_MAX) {
      await Promise.race([...place.leaving].map((worker) => worker.ended));
    }
    if (place.incoming !== undefined) await settling(place).catch(() => undefined);
    if (this.#isStopping) return;
    clearTimeout(place.restart);
    const settled = settling(place);
    this.#startIn(place);
    await settled;
  }

  // ---- what happens to workers -------------------------------------------

  stateChanged(worker: WorkerProcess, state: WorkerState): void {
    worker.state = state;
    const place = this.#placeOf(worker);
    if (state === 'ready' && place.incoming === worker) this.#becomesCurrent(place, worker);
    // It was told to by somebody else: whoever goes is replaced first, as far as there is time.
    if (state === 'draining' && place.current === worker) {
      place.current = undefined;
      place.leaving.add(worker);
      worker.setDeadline(this.#options.drainDeadlineMs);
      if (place.incoming === undefined && !this.#isStopping && !place.isSurplus) {
        this.#startIn(place);
      }
      this.#tell('draining', worker);
    }
    this.#owner.changed();
  }

  #becomesCurrent(place: Place, worker: WorkerProcess): void {
    const before = place.current;
    worker.readyAt = performance.now();
    worker.clearDeadline();
    place.incoming = undefined;
    place.current = worker;
    this.#tell('ready', worker);
    if (before !== undefined) this.#sendAway(place, before);
    place.settled?.resolve();
    place.settled = undefined;
  }

  #sendAway(place: Place, worker: WorkerProcess): void {
    const { drainWindowMs, drainDeadlineMs } = this.#options;
    place.leaving.add(worker);
    this.#tell('draining', worker);
    worker.leave(CODE_RESTART, drainWindowMs, drainDeadlineMs);
  }

  #startIn(place: Place): void {
    place.restart = undefined;
    const worker = this.#owner.spawn(place.slot);
    place.incoming = worker;
    worker.setDeadline(this.#options.readyTimeoutMs);
    void worker.ended.then((ending) => this.#gone(place, worker, ending));
    this.#tell('started', worker);
  }

  #gone(place: Place, worker: WorkerProcess, ending: Ending): void {
    const hasLeft = place.leaving.delete(worker) && ending.code === 0;
    const wasIncoming = place.incoming === worker;
    if (wasIncoming) place.incoming = undefined;
    if (place.current === worker) place.current = undefined;
    if (hasLeft || this.#isStopping) this.#tell('left', worker);
    else this.#died(place, worker, ending);
    this.#owner.changed();
    if (wasIncoming) {
      const text = `Worker ${place.slot} ${endingText(worker, ending)}.`;
      place.settled?.reject(new SluiceError('ERR_STATE', text));
      place.settled = undefined;
    }
    if (this.#isStopping && this.workers.length === 0) this.#owner.emptied();
  }

  #died(place: Place, worker: WorkerProcess, ending: Ending): void {
    const isEmpty = place.current === undefined && place.incoming === undefined;
    const restartInMs = isEmpty ? place.backoff.died(worker.readyMs) : 0;
    const wasReady = worker.readyAt !== undefined;
    const { slot, pid } = worker;
    const { log, onEvent } = this.#options;
    log.error({ slot, pid, ...ending, wasReady, restartInMs }, 'worker died');
    onEvent({ kind: 'died', slot, pid, ...ending, wasReady, restartInMs });
    if (!isEmpty || place.isSurplus) return;
    const isLost = (each: Place): boolean => each.backoff.isLooping && each.current === undefined;
    const isOver = this.#owner.isStarting()
      ? isLost(place)
      : this.#places.every((each) => each.isSurplus || isLost(each));
    if (!isOver) {
      place.restart = setTimeout(() => this.#startIn(place), restartInMs);
      return;
    }
    const { crashes } = place.backoff;
    this.#owner.gaveUp(`worker ${slot} ${endingText(worker, ending)}, ${crashes} times in a row`);
  }

  // ---- ending ------------------------------------------------------------

  /** Tells all to leave; emptied() comes when the last is gone, perhaps at once. */
  stop(isGraceful: boolean): void {
    const { drainWindowMs, drainDeadlineMs, stopTimeoutMs } = this.#options;
    this.#isStopping = true;
    for (const place of this.#places) {
      clearTimeout(place.restart);
      if (place.current !== undefined) place.leaving.add(place.current);
      place.incoming?.kill();
      place.current = undefined;
      for (const worker of place.leaving) {
        if (isGraceful) worker.leave(CODE_RESTART, drainWindowMs, drainDeadlineMs);
        else worker.leave(CODE_GOING_AWAY, 0, stopTimeoutMs);
      }
    }
    if (this.workers.length === 0) this.#owner.emptied();
  }

  killAll(): void {
    for (const worker of this.workers) worker.kill();
  }

  // ------------------------------------------------------------------------

  #placeOf(worker: WorkerProcess): Place {
    return this.#places[worker.slot] as Place;
  }

  #tell(kind: 'started' | 'ready' | 'draining' | 'left', worker: WorkerProcess): void {
    const { slot, pid } = worker;
    this.#options.log.info({ slot, pid }, `worker ${kind}`);
    this.#options.onEvent({ kind, slot, pid });
  }
}

function makePlace(slot: number, isSurplus: boolean): Place {
  const leaving = new Set<WorkerProcess>();
  const empty = { current: undefined, incoming: undefined, restart: undefined, settled: undefined };
  return { slot, isSurplus, backoff: new RestartBackoff(), leaving, ...empty };
}

/** Settles with the replacement under way, beside whoever else waits for it. */
function settling(place: Place): Promise<void> {
  const before = place.settled;
  return new Promise((resolve, reject) => {
    place.settled = {
      resolve: () => {
        before?.resolve();
        resolve();
      },
      reject: (error) => {
        before?.reject(error);
        reject(error);
      },
    };
  });
}

function endingText(worker: WorkerProcess, { code, signal }: Ending): string {
  const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
  return worker.readyAt === undefined ? `${how} before it was ready` : how;
}
