// A worker of a gateway in several processes: webhooks, agents and their requests. It follows the journal that the
// clerk writes, and brings the clerk what is to be stored.

import { type Clock, systemClock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Projection } from '../desk/projection.ts';
import type { JournalState } from '../journal/follower-journal.ts';
import { type OpenedFollower, openFollower } from '../journal/open-follower.ts';
import type { SenderAction } from '../messenger/types.ts';
import { createLoop } from '../net/event-loop.ts';
import type { WorkerRole } from '../process/types.ts';
import type { Server } from '../server/types.ts';
import { describeAgent } from './agent-route.ts';
import { type ClerkHello, decodeCommit, decodeState } from './bus-words.ts';
import { ClerkLink } from './clerk-link.ts';
import type { ConsoleFiles } from './console-route.ts';
import { Disconnects } from './disconnect.ts';
import { GatewayCore } from './gateway-core.ts';
import { addRoutes } from './gateway-routes.ts';
import { createServers, listenOptions } from './gateway-servers.ts';
import { SWEEP_INTERVAL_MS, WORKER_CLERK_MS, WORKER_RETRY_MS } from './limits.ts';
import { Neighbours } from './neighbours.ts';
import { Pump } from './pump.ts';
import type { GatewaySettings } from './settings.ts';
import { createCounters, gatewayStats } from './stats.ts';

export interface WorkerProcessOptions {
  readonly settings: GatewaySettings;
  readonly role: WorkerRole;
  readonly files: ConsoleFiles;
  readonly clock?: Clock;
  readonly log: Log;
  /** The journal cannot be followed: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** The place of the clerk: the last one. */
export function clerkSlotOf(role: Pick<WorkerRole, 'count'>): number {
  return role.count - 1;
}

export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  readonly #clock: Clock;
  readonly #counters = createCounters();
  readonly #loop = createLoop();
  readonly #neighbours: Neighbours;
  readonly #link: ClerkLink;
  #follower: OpenedFollower | undefined;
  #projection: Projection | undefined;
  #attached: () => void = () => undefined;

  constructor(options: WorkerProcessOptions) {
    const { role, log, onFatal } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#neighbours = new Neighbours({ bus: role.bus, serial: role.serial });
    this.#link = new ClerkLink({
      bus: role.bus,
      slot: clerkSlotOf(role),
      clock: this.#clock,
      log,
      onAttached: (hello) => this.#onClerk(hello),
      onFatal,
    });
    role.bus.onSignal('clerk.commit', (text, from) => {
      if (!this.#link.isClerk(from)) return;
      const { rows, state } = decodeCommit(String(text));
      this.#follower?.journal.committed(rows, state);
      this.#projection?.marked(state.mark);
    });
    role.bus.onSignal('clerk.state', (text, from) => {
      if (this.#link.isClerk(from)) this.#heardState(decodeState(String(text)));
    });
  }

  /**
   * Waits for the clerk, follows what is stored, and serves.
   * @throws SluiceError (rejects) ERR_JOURNAL_UNAVAILABLE without a clerk, ERR_SYSTEM
   */
  async start(): Promise<void> {
    const { settings, role, log, files } = this.#options;
    const follower = await this.#firstClerk();
    const { journal, views } = follower;
    const projection = new Projection({ views, clock: this.#clock, log, follows: true });
    this.#projection = projection;
    const servers = createServers(this.#loop, settings, log);
    const core = new GatewayCore({
      settings,
      journal,
      projection,
      publish: (topic, texts) => {
        for (const server of servers) server.publishAll(topic, texts);
      },
      act: (conversation, action) => this.#act(conversation, action),
      neighbours: this.#neighbours,
      clock: this.#clock,
      log,
      counters: this.#counters,
    });
    const pump = new Pump({
      journal,
      projection,
      onRecords: (records) => core.hub.publish(records),
    });
    await pump.start();
    core.start();
    addRoutes(servers, core, settings, files);
    role.describe(describeAgent);
    role.onDrain(() => core.announceDrain(() => Math.round(Math.random() * WORKER_RETRY_MS)));
    role.onLeave(async () => {
      core.disconnectAll(Disconnects.restart);
      core.stop();
      pump.stop();
      await journal.close();
      await views.close();
    });
    for (const [index, server] of servers.entries()) {
      const listen = listenOptions(settings.listen[index] ?? { host: '', port: 0 });
      await role.serve(server, { addresses: [index], listen, ready: false });
    }
    this.#reportEvery(servers, core);
    role.ready();
  }

  async #firstClerk(): Promise<OpenedFollower> {
    const attached = new Promise<void>((resolve) => {
      this.#attached = resolve;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const error = new SluiceError('ERR_JOURNAL_UNAVAILABLE', 'There is no clerk.');
      timer = setTimeout(() => reject(error), WORKER_CLERK_MS);
    });
    if (this.#follower === undefined) await Promise.race([attached, late]);
    clearTimeout(timer);
    return this.#follower as OpenedFollower;
  }

  #onClerk(hello: ClerkHello): void {
    const { settings, log, onFatal } = this.#options;
    this.#follower ??= openFollower({
      directory: settings.data,
      port: this.#link,
      clock: this.#clock,
      log,
      onFatal,
      onTailError: onFatal,
    });
    this.#follower.journal.attached(hello.epoch, hello);
    this.#projection?.marked(hello.mark);
    this.#attached();
  }

  #heardState(state: JournalState): void {
    this.#follower?.journal.announced(state);
    this.#projection?.marked(state.mark);
  }

  #act(conversation: string, action: SenderAction): void {
    const { bus } = this.#options.role;
    const clerk = bus.peerAt(clerkSlotOf(this.#options.role));
    if (clerk === undefined) return;
    bus.signal(clerk.serial, 'clerk.act', JSON.stringify({ conversation, action }));
  }

  /** Tells the clerk once a second what was counted here. */
  #reportEvery(servers: readonly Server[], core: GatewayCore): void {
    const { role } = this.#options;
    const stats = gatewayStats(this.#counters, servers, core);
    for (const peer of role.bus.peers) {
      if (peer.slot !== clerkSlotOf(role)) continue;
      role.bus.signal(peer.serial, 'desk.stats', JSON.stringify(stats));
    }
    this.#clock.after(SWEEP_INTERVAL_MS, () => this.#reportEvery(servers, core));
  }
}
