// What the gateway is made of besides sockets: projection, hub, clerk, profiles, sessions and their world.
// Everything is built here once and handed to whoever needs it.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Outbox } from '../desk/outbox.ts';
import type { OutboxLimits } from '../desk/outbox-limits.ts';
import { Projection } from '../desk/projection.ts';
import type { SqliteJournal } from '../journal/sqlite-journal.ts';
import type { SqliteViews } from '../journal/sqlite-views.ts';
import { splitText } from '../messenger/text.ts';
import type { GraphClient } from '../messenger/types.ts';
import { Admissions } from './admission.ts';
import { createPostPort } from './clerk.ts';
import type { Disconnect } from './disconnect.ts';
import { Housekeeping } from './housekeeping.ts';
import { Hub, type Publish } from './hub.ts';
import { STOP_DRAIN_MS, STOP_POLL_MS, STOP_REQUESTS_MS } from './limits.ts';
import { Profiles } from './profiles.ts';
import { Pump } from './pump.ts';
import { planSnapshot, viewTextOf } from './read-requests.ts';
import { SenderActions } from './sender-actions.ts';
import type { SessionWorld } from './session.ts';
import { createRequestHandler, type RequestWorld } from './session-requests.ts';
import { Sessions } from './sessions.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayCounters } from './stats.ts';
import { createTokenVerifier } from './tokens.ts';
import { TypingSignals } from './typing-signals.ts';

export interface GatewayCoreOptions {
  readonly settings: GatewaySettings;
  readonly journal: SqliteJournal;
  readonly views: SqliteViews;
  readonly graph: GraphClient;
  readonly publish: Publish;
  readonly outboxLimits?: Partial<OutboxLimits>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class GatewayCore {
  readonly options: GatewayCoreOptions;
  readonly projection: Projection;
  readonly hub: Hub;
  readonly outbox: Outbox;
  readonly sessions = new Sessions();
  readonly admissions: Admissions;
  readonly world: SessionWorld;
  readonly #profiles: Profiles;
  readonly #pump: Pump;
  readonly #housekeeping: Housekeeping;

  constructor(options: GatewayCoreOptions) {
    const { settings, journal, views, graph, publish, clock, log, counters } = options;
    this.options = options;
    const pages = new Set(settings.messenger.pages.map((page) => page.id));
    const isConfigured = (page: string): boolean => pages.has(page);
    this.projection = new Projection({ views, clock, log });
    const stateOf = (conversation: string) => this.projection.get(conversation);
    this.hub = new Hub(publish, journal.head, () => clock.monotonicMs());
    this.outbox = new Outbox({
      append: journal,
      post: createPostPort(graph, counters),
      states: this.projection,
      clock,
      split: splitText,
      log,
      ...(options.outboxLimits === undefined ? {} : { limits: options.outboxLimits }),
    });
    const shared = { graph, journal, stateOf, isConfigured, clock, log, counters };
    this.#profiles = new Profiles(shared);
    this.#pump = this.#createPump();
    const tokens = createTokenVerifier(settings.agents.jwt, clock);
    this.admissions = new Admissions({
      ...settings.agents,
      publicUrl: settings.publicUrl,
      tokens,
      sessionsOfAgent: (agent) => this.sessions.countOfAgent(agent),
    });
    const actions = new SenderActions(shared);
    const typing = new TypingSignals({
      receivers: () => this.sessions,
      showCustomer: (conversation, on) =>
        actions.act(conversation, on ? 'typing_on' : 'typing_off'),
      now: () => clock.monotonicMs(),
    });
    const requests: RequestWorld = {
      ...shared,
      tokens,
      typing,
      list: (query) => this.projection.list(query),
      act: (conversation, action) => actions.act(conversation, action),
      humanAgent: settings.messenger.humanAgent,
      snapshotMax: settings.agents.snapshotMax,
    };
    this.world = this.#createWorld(requests);
    this.#housekeeping = new Housekeeping({
      clock,
      log,
      sweeps: [() => this.#sweepSessions(), () => typing.sweep()],
      deleteBefore: (at) => journal.deleteBefore(at),
      retentionDays: settings.retentionDays,
    });
  }

  /** Folds what is stored, then lets the clerk take up what was left. */
  async start(): Promise<void> {
    await this.#pump.start();
    this.projection.start();
    this.outbox.start();
    this.#housekeeping.start();
  }

  /** Tells all clients to come back, and waits (bounded) until what they asked is answered. */
  async drain(retryInMs: () => number): Promise<void> {
    if (this.sessions.size === 0) return;
    for (const session of this.sessions) session.drain(retryInMs());
    const { clock } = this.options;
    const startedAt = clock.monotonicMs();
    const isOver = (ms: number): boolean => clock.monotonicMs() - startedAt >= ms;
    while (!isOver(STOP_DRAIN_MS) || (this.#hasRequests() && !isOver(STOP_REQUESTS_MS))) {
      await new Promise<void>((resolve) => {
        setTimeout(resolve, STOP_POLL_MS);
      });
    }
  }

  disconnectAll(reason: Disconnect): void {
    for (const session of [...this.sessions]) session.disconnect(reason);
  }

  /** After the clerk and the servers: ends the reading of the journal with a last checkpoint. */
  async stop(): Promise<void> {
    this.#housekeeping.stop();
    this.#profiles.stop();
    const isWritten = await this.projection.stop();
    this.#pump.stop();
    if (!isWritten) this.options.log.warn({}, 'The views are behind: the next start folds more.');
  }

  #hasRequests(): boolean {
    for (const session of this.sessions) if (session.requestsWaiting > 0) return true;
    return false;
  }

  #sweepSessions(): void {
    for (const session of [...this.sessions]) session.sweep();
  }

  #createPump(): Pump {
    const { journal } = this.options;
    return new Pump({
      journal,
      projection: this.projection,
      hub: this.hub,
      onLive: (records) => {
        this.outbox.onRecords(records);
        for (const record of records) this.#profiles.note(record);
      },
    });
  }

  #createWorld(requests: RequestWorld): SessionWorld {
    const { settings, journal, clock, log, counters } = this.options;
    return {
      hub: this.hub,
      sessions: this.sessions,
      journal,
      handle: createRequestHandler(requests),
      snapshot: (scope) => planSnapshot(requests, scope, this.hub.position),
      viewText: (conversation) => viewTextOf(requests, conversation),
      later: (task) => void setImmediate(task),
      clock,
      log,
      counters,
      heartbeatSeconds: settings.agents.heartbeatSeconds,
      replayMax: settings.agents.replayMax,
      requestsPerSecond: settings.limits.requestsPerSecond,
    };
  }
}
