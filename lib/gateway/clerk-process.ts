// The clerk of a gateway in several processes: the only one that writes the journal.
//
//   standby (on the bus, ready for the supervisor) --the folder is free--> open --told to leave--> left
//
// Its successor is in standby before it is told to leave, and opens the folder as soon as it lets go. At the end of
// all it outlives the workers, whose last records it stores.

import { type Clock, systemClock } from '../base/clock.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { OutboxLimits } from '../desk/outbox-limits.ts';
import { Projection } from '../desk/projection.ts';
import type { CommitStats } from '../journal/commit-writer.ts';
import { type OpenedJournal, openJournal } from '../journal/open.ts';
import type { GraphClient } from '../messenger/types.ts';
import type { WorkerRole } from '../process/types.ts';
import { ClerkCore } from './clerk-core.ts';
import { ClerkService } from './clerk-service.ts';
import { createGraph } from './graph.ts';
import { CLERK_LAST_MS, CLERK_OPEN_EVERY_MS, CLERK_OPEN_MS, STOP_POSTS_MS } from './limits.ts';
import { ProcessStats, type WorkerStats } from './process-stats.ts';
import { Pump } from './pump.ts';
import type { GatewaySettings } from './settings.ts';
import { createCounters, type GatewayStats } from './stats.ts';

export interface ClerkProcessOptions {
  readonly settings: GatewaySettings;
  readonly role: WorkerRole;
  readonly clock?: Clock;
  readonly log: Log;
  readonly outboxLimits?: Partial<OutboxLimits>;
  readonly onCommit?: (stats: CommitStats) => void;
  /** The journal cannot go on: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

interface Running {
  readonly opened: OpenedJournal;
  readonly projection: Projection;
  readonly pump: Pump;
  readonly core: ClerkCore;
  readonly graph: GraphClient;
}

export class ClerkProcess {
  readonly #options: ClerkProcessOptions;
  readonly #clock: Clock;
  readonly #service: ClerkService;
  readonly #counters = createCounters();
  readonly #workers = new ProcessStats();
  #running: Running | undefined;

  /** Joins the bus and is ready: in standby. */
  constructor(options: ClerkProcessOptions) {
    const { role } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { bus } = role;
    this.#service = new ClerkService({
      bus,
      clock: this.#clock,
      act: (conversation, action) => this.#running?.core.act(conversation, action),
    });
    bus.onSignal('desk.stats', (text, from) =>
      this.#workers.note(from.serial, JSON.parse(String(text)) as WorkerStats),
    );
    bus.onPeer((peer, isReachable) => {
      if (!isReachable) this.#workers.gone(peer.serial);
    });
    role.onLeave(() => this.#leave());
    role.ready();
  }

  /** Sums over all workers and the clerk. */
  stats(): GatewayStats {
    const journal = this.#running?.opened.journal;
    return this.#workers.total({
      ...this.#counters,
      sessions: 0,
      connections: 0,
      head: journal?.head ?? 0,
      epoch: journal?.epoch ?? '',
    });
  }

  /** The journal takes records, and somebody brings them. */
  get isReady(): boolean {
    const isOpen = this.#running?.opened.journal.isAvailable === true;
    return isOpen && !this.#options.role.isDraining && this.#workers.workerCount > 0;
  }

  /**
   * Waits for the folder, opens the journal and does a clerk's work.
   * @throws SluiceError (rejects) as openJournal does
   */
  async start(): Promise<void> {
    const { settings, log, outboxLimits } = this.#options;
    const opened = await this.#open();
    const { journal, views } = opened;
    const graph = createGraph(settings, this.#clock, log);
    const projection = new Projection({ views, clock: this.#clock, log });
    const core = new ClerkCore({
      settings,
      journal,
      projection,
      graph,
      clock: this.#clock,
      log,
      counters: this.#counters,
      ...(outboxLimits === undefined ? {} : { outboxLimits }),
    });
    const pump = new Pump({ journal, projection, onLive: (records) => core.onLive(records) });
    this.#running = { opened, projection, pump, core, graph };
    this.#service.start({ journal, views });
    await pump.start();
    projection.start();
    core.start();
    log.info({ head: journal.head }, 'The clerk has opened the journal.');
  }

  /** Only a clerk that replaces another one finds the folder taken, and has to wait. */
  async #open(): Promise<OpenedJournal> {
    const { role } = this.#options;
    const deadline = performance.now() + CLERK_OPEN_MS;
    for (;;) {
      try {
        return await this.#openJournal();
      } catch (error) {
        const isTaken = isSluiceError(error, 'ERR_JOURNAL_UNAVAILABLE');
        if (!isTaken || role.serial <= role.count || performance.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, CLERK_OPEN_EVERY_MS));
    }
  }

  #openJournal(): Promise<OpenedJournal> {
    const { settings, log, onCommit, onFatal } = this.#options;
    return openJournal({
      directory: settings.data,
      clock: this.#clock,
      log,
      onFatal,
      onTailError: onFatal,
      onRows: (rows) => this.#service.committed(rows),
      ...(onCommit === undefined ? {} : { onCommit }),
    });
  }

  async #leave(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { opened, projection, pump, core, graph } = running;
    await this.#successorOrEnd();
    const { log } = this.#options;
    const isQuiet = await core.stop(STOP_POSTS_MS);
    if (!isQuiet) log.warn({}, 'Calls to Meta are open: the next clerk awaits their echoes.');
    const isWritten = await projection.stop();
    if (!isWritten) log.warn({}, 'The views are behind: the next start folds more.');
    pump.stop();
    this.#service.stop();
    await opened.journal.close();
    await opened.views.close();
    await graph.close();
  }

  #hasSuccessor(): boolean {
    const { slot, serial, bus } = this.#options.role;
    return bus.peers.some((peer) => peer.slot === slot && peer.serial > serial);
  }

  /** Resolves when somebody is there to take over, or no worker is; at the latest after CLERK_LAST_MS. */
  #successorOrEnd(): Promise<void> {
    const { slot, bus } = this.#options.role;
    const isNeeded = (): boolean =>
      !this.#hasSuccessor() && bus.peers.some((peer) => peer.slot !== slot);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLERK_LAST_MS);
      const look = (): void => {
        if (isNeeded()) return;
        clearTimeout(timer);
        resolve();
      };
      bus.onPeer(look);
      look();
    });
  }
}
