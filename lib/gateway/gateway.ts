// The gateway: plugs journal, desk, Meta's client and the server together, and starts and stops them.
//
//   start: journal -> fold what is stored -> clerk takes up what was left -> listen
//   stop:  drain sessions -> clerk -> servers -> fold's checkpoint -> journal -> loop
//
// One process; the rooms know nothing of each other, what joins them is gateway-core.ts and clerk-core.ts. In
// several processes the same two are apart: clerk-process.ts, worker-process.ts.

import { type Clock, systemClock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { OutboxLimits } from '../desk/outbox-limits.ts';
import type { CommitStats } from '../journal/commit-writer.ts';
import { type OpenedJournal, openJournal } from '../journal/open.ts';
import type { GraphClient } from '../messenger/types.ts';
import { createLoop } from '../net/event-loop.ts';
import { probeAddress } from '../net/port-probe.ts';
import type { Loop } from '../net/types.ts';
import type { Describe } from '../process/connection-list.ts';
import type { Server } from '../server/types.ts';
import { describeAgent } from './agent-route.ts';
import { configError } from './config.ts';
import { type ConsoleFiles, readConsole } from './console-route.ts';
import { Disconnects } from './disconnect.ts';
import { addRoutes } from './gateway-routes.ts';
import { createServers } from './gateway-servers.ts';
import { createGraph } from './graph.ts';
import { DRAIN_SPREAD_MS, STOP_CLOSE_MS, STOP_POSTS_MS } from './limits.ts';
import { findTlsFaults, tlsOptionsOf } from './listen-tls.ts';
import { OneProcess } from './one-process.ts';
import type { GatewaySettings } from './settings.ts';
import { createCounters, type GatewayStats, gatewayStats } from './stats.ts';

export interface GatewayDeps {
  readonly clock?: Clock;
  readonly log?: Log;
  /** Default: the Graph API of the settings. */
  readonly graph?: GraphClient;
  readonly outboxLimits?: Partial<OutboxLimits>;
  /** Folder of the built console; absent: the console says that it is not built. */
  readonly consoleFolder?: string;
  readonly onCommit?: (stats: CommitStats) => void;
  /**
   * The process can no longer vouch for what it does and must end. Default: exit code 1, at once.
   */
  readonly onFatal?: (error: unknown) => void;
  /** 0 to 1; spreads the return of clients. */
  readonly random?: () => number;
}

export interface Gateway {
  /**
   * Opens the journal, recovers and listens.
   * @returns one URL per listening address
   * @throws SluiceError ERR_JOURNAL_UNAVAILABLE, ERR_JOURNAL_FORMAT, ERR_NATIVE_MISSING,
   *   ERR_SYSTEM (an address is taken)
   */
  start(): Promise<{ readonly urls: readonly string[] }>;
  /** Graceful (default): answers what was asked, tells agents when to come back. Idempotent. */
  stop(options?: { readonly graceful?: boolean }): Promise<void>;
  stats(): GatewayStats;
  /**
   * Reads the files of certificates again, for connections to come; nothing is closed.
   * @throws SluiceError ERR_CONFIG with every fault; then nothing has changed
   */
  reloadTls(): void;
  /** What listens, to tell of its connections; empty before the start. */
  readonly servers: readonly Server[];
  /** Who an agent's socket belongs to. */
  readonly describe: Describe;
  /** False while starting or stopping, or when the journal takes nothing. */
  readonly isReady: boolean;
}

export function createGateway(settings: GatewaySettings, deps: GatewayDeps = {}): Gateway {
  return new ProcessGateway(settings, deps);
}

/** What runs between start and stop. */
interface Running {
  readonly loop: Loop;
  readonly opened: OpenedJournal;
  readonly graph: GraphClient;
  readonly servers: readonly Server[];
  readonly house: OneProcess;
}

class ProcessGateway implements Gateway {
  readonly #settings: GatewaySettings;
  readonly #deps: GatewayDeps;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters = createCounters();
  #running: Running | undefined;
  #stopping: Promise<void> | undefined;
  #isStarted = false;
  #hasFailed = false;

  constructor(settings: GatewaySettings, deps: GatewayDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#log = deps.log ?? silentLog;
  }

  get isReady(): boolean {
    const isUp = this.#isStarted && this.#stopping === undefined && !this.#hasFailed;
    return isUp && this.#running?.opened.journal.isAvailable === true;
  }

  get servers(): readonly Server[] {
    return this.#running?.servers ?? [];
  }

  get describe(): Describe {
    return describeAgent;
  }

  stats(): GatewayStats {
    const running = this.#running;
    return gatewayStats(this.#counters, running?.servers ?? [], running?.house.core);
  }

  async start(): Promise<{ readonly urls: readonly string[] }> {
    if (this.#running !== undefined) {
      throw new SluiceError('ERR_STATE', 'A gateway starts once.');
    }
    const { consoleFolder } = this.#deps;
    const files: ConsoleFiles =
      consoleFolder === undefined
        ? new Map()
        : await readConsole(consoleFolder, this.#settings.agents.path);
    const running = await this.#open();
    this.#running = running;
    try {
      await running.house.start();
      addRoutes(running.servers, running.house.core, this.#settings, files);
      for (const { host, port } of this.#settings.listen) await probeAddress(host, port);
      const urls = await listenAll(running.servers);
      this.#isStarted = true;
      this.#log.info({ urls, head: running.opened.journal.head }, 'The gateway listens.');
      return { urls };
    } catch (error) {
      await this.stop({ graceful: false });
      throw error;
    }
  }

  reloadTls(): void {
    const { listen } = this.#settings;
    const faults = findTlsFaults(listen);
    if (faults.length > 0) throw configError(faults);
    for (const [index, server] of (this.#running?.servers ?? []).entries()) {
      const tls = listen[index]?.tls;
      if (tls !== undefined) server.setTls(tlsOptionsOf(tls));
    }
    this.#log.info({}, 'The certificates were read again.');
  }

  stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.graceful ?? true);
    return this.#stopping;
  }

  async #open(): Promise<Running> {
    const loop = createLoop();
    let opened: OpenedJournal | undefined;
    try {
      opened = await this.#openJournal(loop);
      return this.#assemble(loop, opened);
    } catch (error) {
      await opened?.journal.close();
      await opened?.views.close();
      await loop.close();
      throw error;
    }
  }

  #openJournal(loop: Loop): Promise<OpenedJournal> {
    const { onCommit } = this.#deps;
    return openJournal({
      directory: this.#settings.data,
      clock: this.#clock,
      log: this.#log,
      scheduleCommit: (task) => loop.commitSoon({ run: task }),
      onFatal: (error) => this.#fail(error),
      onTailError: (error) => this.#fail(error),
      ...(onCommit === undefined ? {} : { onCommit }),
    });
  }

  #assemble(loop: Loop, opened: OpenedJournal): Running {
    const settings = this.#settings;
    const servers = createServers(loop, settings, this.#log);
    const graph = this.#deps.graph ?? createGraph(settings, this.#clock, this.#log);
    const { outboxLimits } = this.#deps;
    const house = new OneProcess({
      settings,
      opened,
      graph,
      publish: (topic, texts) => {
        for (const server of servers) server.publishAll(topic, texts);
      },
      clock: this.#clock,
      log: this.#log,
      counters: this.#counters,
      ...(outboxLimits === undefined ? {} : { outboxLimits }),
    });
    return { loop, opened, graph, servers, house };
  }

  async #stop(isGraceful: boolean): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { loop, opened, graph, servers, house } = running;
    const { core, clerk } = house;
    const random = this.#deps.random ?? Math.random;
    if (isGraceful) await core.drain(() => Math.round(random() * DRAIN_SPREAD_MS));
    core.disconnectAll(Disconnects.restart);
    const isQuiet = await clerk.stop(isGraceful ? STOP_POSTS_MS : 0);
    if (!isQuiet) this.#log.warn({}, 'Calls to Meta are open: the next start awaits their echoes.');
    const deadlineMs = isGraceful ? STOP_CLOSE_MS : 1;
    const { code, reason } = Disconnects.restart;
    await Promise.all(servers.map((server) => server.close({ code, reason, deadlineMs })));
    await house.stop();
    await opened.journal.close();
    await opened.views.close();
    const isClosed = graph.close();
    if (isGraceful) await isClosed;
    await loop.close();
    this.#log.info({}, 'The gateway has stopped.');
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.error({ reason }, 'The gateway cannot go on: the process ends.');
    if (this.#deps.onFatal === undefined) process.exit(1);
    this.#deps.onFatal(error);
  }
}

async function listenAll(servers: readonly Server[]): Promise<string[]> {
  const urls: string[] = [];
  for (const server of servers) {
    const { host, port, isSecure } = await server.listen();
    urls.push(
      `${isSecure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    );
  }
  return urls;
}
