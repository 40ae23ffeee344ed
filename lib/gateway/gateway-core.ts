// What a process that agents and webhooks reach is made of besides sockets: hub, sessions and their world.
// Everything is built here once and handed to whoever needs it. It knows a journal, and not who writes it.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Projection } from '../desk/projection.ts';
import type { Journal } from '../journal/types.ts';
import type { SenderAction } from '../messenger/types.ts';
import { Admissions } from './admission.ts';
import type { Disconnect } from './disconnect.ts';
import { Housekeeping } from './housekeeping.ts';
import { Hub, type Publish } from './hub.ts';
import { STOP_DRAIN_MS, STOP_POLL_MS, STOP_REQUESTS_MS } from './limits.ts';
import type { Neighbours } from './neighbours.ts';
import { planSnapshot, viewTextOf } from './read-requests.ts';
import type { SessionWorld } from './session.ts';
import { createRequestHandler, type RequestWorld } from './session-requests.ts';
import { Sessions } from './sessions.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayCounters } from './stats.ts';
import { createTokenVerifier } from './tokens.ts';
import { TypingSignals } from './typing-signals.ts';

export interface GatewayCoreOptions {
  readonly settings: GatewaySettings;
  readonly journal: Journal;
  readonly projection: Projection;
  readonly publish: Publish;
  /** Shows something to a customer, best effort; the clerk does it. */
  readonly act: (conversation: string, action: SenderAction) => void;
  /** The other processes that agents reach; absent: there are none. */
  readonly neighbours?: Neighbours;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class GatewayCore {
  readonly options: GatewayCoreOptions;
  readonly hub: Hub;
  readonly sessions: Sessions;
  readonly admissions: Admissions;
  readonly world: SessionWorld;
  readonly #housekeeping: Housekeeping;

  constructor(options: GatewayCoreOptions) {
    const { settings, journal, projection, publish, act, neighbours, clock, log } = options;
    this.options = options;
    this.sessions = new Sessions(neighbours);
    this.hub = new Hub(publish, journal.head, () => clock.monotonicMs());
    const tokens = createTokenVerifier(settings.agents.jwt, clock);
    this.admissions = new Admissions({
      ...settings.agents,
      publicUrl: settings.publicUrl,
      tokens,
      sessionsOfAgent: (agent) => this.sessions.countOfAgent(agent),
    });
    const typing = new TypingSignals({
      receivers: () => this.sessions,
      showCustomer: (conversation, on) => act(conversation, on ? 'typing_on' : 'typing_off'),
      ...(neighbours === undefined ? {} : { tellOthers: (signal) => neighbours.typing(signal) }),
      now: () => clock.monotonicMs(),
    });
    neighbours?.attach({ sessions: this.sessions, typing });
    const pages = new Set(settings.messenger.pages.map((page) => page.id));
    const requests: RequestWorld = {
      journal,
      stateOf: (conversation) => projection.get(conversation),
      isConfigured: (page) => pages.has(page),
      clock,
      tokens,
      typing,
      list: (query) => projection.list(query),
      act,
      humanAgent: settings.messenger.humanAgent,
      snapshotMax: settings.agents.snapshotMax,
    };
    this.world = this.#createWorld(requests);
    this.#housekeeping = new Housekeeping({
      clock,
      log,
      sweeps: [() => this.#sweepSessions(), () => typing.sweep()],
    });
  }

  start(): void {
    this.#housekeeping.start();
  }

  stop(): void {
    this.#housekeeping.stop();
  }

  /** Tells all clients to come back. */
  announceDrain(retryInMs: () => number): void {
    for (const session of this.sessions) session.drain(retryInMs());
  }

  /** Tells all clients to come back, and waits (bounded) until what they asked is answered. */
  async drain(retryInMs: () => number): Promise<void> {
    if (this.sessions.size === 0) return;
    this.announceDrain(retryInMs);
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

  #hasRequests(): boolean {
    for (const session of this.sessions) if (session.requestsWaiting > 0) return true;
    return false;
  }

  #sweepSessions(): void {
    for (const session of [...this.sessions]) session.sweep();
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
