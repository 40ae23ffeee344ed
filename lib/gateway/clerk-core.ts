// What only one process of a gateway does: posting letters, asking for names, telling Meta who types and reads,
// deleting what is old. Everything is learnt from the journal's tail and said there.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LiveRecord } from '../desk/live-record.ts';
import { Outbox } from '../desk/outbox.ts';
import type { OutboxLimits } from '../desk/outbox-limits.ts';
import type { Projection } from '../desk/projection.ts';
import type { SqliteJournal } from '../journal/sqlite-journal.ts';
import { splitText } from '../messenger/text.ts';
import type { GraphClient, SenderAction } from '../messenger/types.ts';
import { Housekeeping } from './housekeeping.ts';
import { createPostPort } from './post-port.ts';
import { Profiles } from './profiles.ts';
import { SenderActions } from './sender-actions.ts';
import type { GatewaySettings } from './settings.ts';
import type { GatewayCounters } from './stats.ts';

export interface ClerkCoreOptions {
  readonly settings: GatewaySettings;
  readonly journal: SqliteJournal;
  readonly projection: Projection;
  readonly graph: GraphClient;
  readonly outboxLimits?: Partial<OutboxLimits>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class ClerkCore {
  readonly outbox: Outbox;
  readonly #profiles: Profiles;
  readonly #actions: SenderActions;
  readonly #housekeeping: Housekeeping;

  constructor(options: ClerkCoreOptions) {
    const { settings, journal, projection, graph, clock, log, counters, outboxLimits } = options;
    const pages = new Set(settings.messenger.pages.map((page) => page.id));
    this.outbox = new Outbox({
      append: journal,
      post: createPostPort(graph, counters),
      states: projection,
      clock,
      split: splitText,
      log,
      ...(outboxLimits === undefined ? {} : { limits: outboxLimits }),
    });
    const shared = {
      graph,
      journal,
      stateOf: (conversation: string) => projection.get(conversation),
      isConfigured: (page: string) => pages.has(page),
      clock,
      log,
      counters,
    };
    this.#profiles = new Profiles(shared);
    this.#actions = new SenderActions(shared);
    this.#housekeeping = new Housekeeping({
      clock,
      log,
      sweeps: [],
      retention: {
        deleteBefore: (at) => journal.deleteBefore(at),
        days: settings.retentionDays,
      },
    });
  }

  /** Takes up what earlier processes left; the projection stands at the head. */
  start(): void {
    this.outbox.start();
    this.#housekeeping.start();
  }

  onLive(records: readonly LiveRecord[]): void {
    this.outbox.onRecords(records);
    for (const record of records) this.#profiles.note(record);
  }

  /** Tells Meta, best effort, never waits. */
  act(conversation: string, action: SenderAction): void {
    this.#actions.act(conversation, action);
  }

  /**
   * Begins nothing new, and waits for open calls and their records.
   * @returns false when calls are open still: the next process awaits their echoes
   */
  async stop(deadlineMs: number): Promise<boolean> {
    const isQuiet = await this.outbox.shutdown(deadlineMs);
    this.#housekeeping.stop();
    this.#profiles.stop();
    return isQuiet;
  }
}
