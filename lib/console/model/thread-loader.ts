// Loads the messages of a conversation: the newest page when it is opened or after a gap, older
// ones on scrolling.

import { signal } from '@preact/signals';
import type { Desk, Store } from '../../client/index.ts';

const PAGE_SIZE = 50;

export class ThreadLoader {
  readonly #desk: Desk;
  readonly #store: Store;
  readonly #running = new Set<string>();
  readonly isLoading = signal(false);
  /** The conversation whose last load failed. */
  readonly failed = signal<string | undefined>(undefined);

  constructor(desk: Desk, store: Store) {
    this.#desk = desk;
    this.#store = store;
  }

  async loadNewest(conversation: string): Promise<void> {
    if (!this.#store.thread(conversation).isLoaded) await this.#load(conversation, undefined);
  }

  async loadEarlier(conversation: string): Promise<void> {
    const thread = this.#store.thread(conversation);
    if (!thread.isLoaded || thread.isComplete || thread.before === undefined) return;
    await this.#load(conversation, thread.before);
  }

  async #load(conversation: string, before: number | undefined): Promise<void> {
    if (this.#running.has(conversation)) return;
    this.#running.add(conversation);
    this.isLoading.value = true;
    try {
      const page = await this.#desk.history(conversation, {
        limit: PAGE_SIZE,
        ...(before === undefined ? {} : { before }),
      });
      this.#store.addHistory(conversation, page, before === undefined);
      if (this.failed.value === conversation) this.failed.value = undefined;
    } catch (err) {
      console.warn('sluice: the history could not be loaded', err);
      this.failed.value = conversation;
    } finally {
      this.#running.delete(conversation);
      this.isLoading.value = this.#running.size > 0;
    }
  }
}
