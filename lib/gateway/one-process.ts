// Clerk and agents' side of a gateway that is one process: they share the journal, its fold and its tail.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { OutboxLimits } from '../desk/outbox-limits.ts';
import { Projection } from '../desk/projection.ts';
import type { OpenedJournal } from '../journal/open.ts';
import type { GraphClient } from '../messenger/types.ts';
import { ClerkCore } from './clerk-core.ts';
import { GatewayCore } from './gateway-core.ts';
import type { Publish } from './hub.ts';
import { Pump } from './pump.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayCounters } from './stats.ts';

export interface OneProcessOptions {
  readonly settings: GatewaySettings;
  readonly opened: OpenedJournal;
  readonly graph: GraphClient;
  readonly publish: Publish;
  readonly outboxLimits?: Partial<OutboxLimits>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class OneProcess {
  readonly core: GatewayCore;
  readonly clerk: ClerkCore;
  readonly #log: Log;
  readonly #projection: Projection;
  readonly #pump: Pump;

  constructor(options: OneProcessOptions) {
    const { settings, opened, graph, publish, clock, log, counters, outboxLimits } = options;
    const { journal, views } = opened;
    const projection = new Projection({ views, clock, log });
    const shared = { settings, journal, projection, clock, log, counters };
    this.#log = log;
    this.#projection = projection;
    this.clerk = new ClerkCore({
      ...shared,
      graph,
      ...(outboxLimits === undefined ? {} : { outboxLimits }),
    });
    this.core = new GatewayCore({
      ...shared,
      publish,
      act: (conversation, action) => this.clerk.act(conversation, action),
    });
    this.#pump = new Pump({
      journal,
      projection,
      onRecords: (records) => this.core.hub.publish(records),
      onLive: (records) => this.clerk.onLive(records),
    });
  }

  /** Folds what is stored, then lets the clerk take up what was left. */
  async start(): Promise<void> {
    await this.#pump.start();
    this.#projection.start();
    this.clerk.start();
    this.core.start();
  }

  /** After the clerk and the servers: ends the reading of the journal with a last checkpoint. */
  async stop(): Promise<void> {
    this.core.stop();
    const isWritten = await this.#projection.stop();
    this.#pump.stop();
    if (!isWritten) this.#log.warn({}, 'The views are behind: the next start folds more.');
  }
}
