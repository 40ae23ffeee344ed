// Customers' names: asked of Meta after the first event of a customer without one, a few at a time, and
// stored as customer.updated. Never in the way of a message; what is lost here is asked for again later.

import type { Clock } from '../base/clock.ts';
import { parseConversation } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { ConversationState } from '../desk/conversation.ts';
import type { Journal } from '../journal/types.ts';
import type { CustomerProfile, GraphClient } from '../messenger/types.ts';
import {
  PROFILE_REPEAT_MS,
  PROFILES_REMEMBERED_MAX,
  PROFILES_RUNNING_MAX,
  PROFILES_WAITING_MAX,
} from './limits.ts';
import type { GatewayCounters } from './stats.ts';

/**
 * Events by which a customer shows up; an echo does not: Meta may not tell about its recipient
 * (S14, S15).
 */
const CUSTOMER_KINDS: ReadonlySet<string> = new Set([
  'message.received',
  'postback',
  'reaction',
  'referral',
  'optin',
]);

export interface ProfilesOptions {
  readonly graph: Pick<GraphClient, 'profile'>;
  readonly journal: Pick<Journal, 'append'>;
  readonly stateOf: (conversation: string) => ConversationState | undefined;
  readonly isConfigured: (page: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
}

export class Profiles {
  readonly #options: ProfilesOptions;
  readonly #waiting = new Set<string>();
  /** Conversation to when it was last asked for, oldest first. */
  readonly #asked = new Map<string, number>();
  #running = 0;
  #isStopped = false;

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Tells of a record that is folded already. */
  note(record: { readonly kind: string; readonly conversation: string }): void {
    const { conversation } = record;
    if (!CUSTOMER_KINDS.has(record.kind) || this.#isStopped) return;
    if (this.#waiting.has(conversation) || this.#waiting.size >= PROFILES_WAITING_MAX) return;
    if (!this.#isDue(conversation)) return;
    this.#remember(conversation);
    this.#waiting.add(conversation);
    this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
  }

  #isDue(conversation: string): boolean {
    const oldest = this.#options.clock.now() - PROFILE_REPEAT_MS;
    if ((this.#asked.get(conversation) ?? 0) > oldest) return false;
    const customer = this.#options.stateOf(conversation)?.customer;
    if (customer === undefined) return false;
    return customer.name === undefined || (customer.profileAt ?? 0) <= oldest;
  }

  #remember(conversation: string): void {
    this.#asked.delete(conversation);
    this.#asked.set(conversation, this.#options.clock.now());
    if (this.#asked.size <= PROFILES_REMEMBERED_MAX) return;
    for (const oldest of this.#asked.keys()) {
      this.#asked.delete(oldest);
      return;
    }
  }

  #next(): void {
    for (const conversation of this.#waiting) {
      if (this.#running >= PROFILES_RUNNING_MAX) return;
      this.#waiting.delete(conversation);
      this.#running += 1;
      this.#fetch(conversation)
        .catch((error: unknown) => {
          // Not stored: the customer's next event asks again.
          this.#asked.delete(conversation);
          this.#options.log.warn({ reason: String(error) }, 'A profile could not be stored.');
        })
        .finally(() => {
          this.#running -= 1;
          this.#next();
        });
    }
  }

  async #fetch(conversation: string): Promise<void> {
    const { graph, journal, isConfigured, clock, counters } = this.#options;
    const name = parseConversation(conversation);
    if (name?.user === undefined || !isConfigured(name.page)) return;
    const profile = await graph.profile(name.page, name.user);
    if (profile === undefined || this.#isStopped) {
      counters.profilesMissing += 1;
      return;
    }
    counters.profilesFetched += 1;
    if (!this.#isNews(conversation, profile)) return;
    const data = JSON.stringify(profile);
    await journal.append([{ conversation, kind: 'customer.updated', at: clock.now(), data }]);
  }

  #isNews(conversation: string, profile: CustomerProfile): boolean {
    const known = this.#options.stateOf(conversation)?.customer;
    return known?.name !== profile.name || known?.picture !== profile.picture;
  }
}
