// Which webhook fields a Page is subscribed to (messenger.md 1.3). At the start: all of them.

import { isObject } from './send-request.ts';
import { FIELDS, type WebhookField } from './webhook-events.ts';

/** Fields that Meta knows and the simulator never sends. */
const SILENT_FIELDS: readonly string[] = [
  'messaging_referrals',
  'messaging_optins',
  'messaging_handovers',
  'standby',
  'messaging_policy_enforcement',
  'messaging_account_linking',
  'messaging_feedback',
  'response_feedback',
  'send_cart',
  'feed',
  'inbox_labels',
];

export class Subscriptions {
  readonly #appId: string;
  /** Only Pages whose list was changed. */
  readonly #fields = new Map<string, readonly string[]>();

  constructor(appId: string) {
    this.#appId = appId;
  }

  has(page: string, field: WebhookField): boolean {
    return this.#fields.get(page)?.includes(field) ?? true;
  }

  /** Replaces the whole list. @returns false when a name is unknown or the list is missing */
  set(page: string, query: URLSearchParams, body: unknown): boolean {
    const given =
      query.get('subscribed_fields') ?? (isObject(body) ? body['subscribed_fields'] : undefined);
    const names = Array.isArray(given) ? given : typeof given === 'string' ? given.split(',') : [];
    const known: readonly string[] = [...FIELDS, ...SILENT_FIELDS];
    if (names.length === 0 || !names.every((name) => known.includes(name))) return false;
    this.#fields.set(page, names);
    return true;
  }

  remove(page: string): void {
    this.#fields.set(page, []);
  }

  view(page: string): unknown {
    const fields = this.#fields.get(page) ?? [...FIELDS];
    if (fields.length === 0) return { data: [] };
    const app = { category: 'Business', name: 'Simulated app', id: this.#appId };
    return { data: [{ ...app, subscribed_fields: fields }] };
  }
}
