// Conversations beyond the snapshot, page by page and per filter.

import { signal } from '@preact/signals';
import type { Desk, Store } from '../../client/index.ts';

const PAGE_SIZE = 50;
/** Pages that may bring nothing new (the snapshot had it) before one stops to look. */
const PAGES_PER_CALL_MAX = 12;

export class ListPager {
  readonly #desk: Desk;
  readonly #store: Store;
  /** Filter to the next cursor; null: there is no more. */
  readonly #cursors = new Map<string, string | null>();
  readonly isLoading = signal(false);
  #generation = 0;

  constructor(desk: Desk, store: Store) {
    this.#desk = desk;
    this.#store = store;
  }

  /** A new snapshot began: what was listed before it is gone. */
  reset(): void {
    this.#generation++;
    this.#cursors.clear();
  }

  hasMore(filter: 'open' | 'all' | 'closed'): boolean {
    return this.#cursors.get(filter) !== null;
  }

  /** Loads until something new came or there is no more. */
  async more(filter: 'open' | 'all' | 'closed'): Promise<void> {
    if (this.isLoading.value || !this.hasMore(filter)) return;
    this.isLoading.value = true;
    const generation = this.#generation;
    try {
      for (let pages = 0; pages < PAGES_PER_CALL_MAX && this.hasMore(filter); pages++) {
        if (await this.#loadPage(filter, generation)) break;
      }
    } catch (err) {
      console.warn('sluice: the list could not be loaded', err);
    } finally {
      this.isLoading.value = false;
    }
  }

  async #loadPage(filter: 'open' | 'all' | 'closed', generation: number): Promise<boolean> {
    const cursor = this.#cursors.get(filter);
    const page = await this.#desk.list({
      state: filter,
      limit: PAGE_SIZE,
      ...(typeof cursor === 'string' ? { cursor } : {}),
    });
    if (generation !== this.#generation) return true;
    this.#cursors.set(filter, page.cursor ?? null);
    const before = this.#store.conversations.length;
    this.#store.addConversations(page.conversations);
    return this.#store.conversations.length > before;
  }
}
