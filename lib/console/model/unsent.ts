// What was written and is not confirmed: drafts per conversation, and messages whose answer has not come.
// Both survive a reload of the tab; a message goes out again with its id, which makes it the same one.

import type { OutgoingContent } from '../../client/index.ts';

export const DRAFTS_MAX = 100;
export const UNSENT_MAX = 200;

export interface Unsent {
  readonly id: string;
  readonly conversation: string;
  readonly content: OutgoingContent;
  readonly seen: number;
  readonly at: number;
}

export class UnsentTexts {
  readonly #draftsKey: string;
  readonly #unsentKey: string;
  readonly #drafts: Map<string, string>;
  readonly #unsent: Map<string, Unsent>;

  constructor(subject: string) {
    this.#draftsKey = `sluice.drafts.${subject}`;
    this.#unsentKey = `sluice.unsent.${subject}`;
    this.#drafts = new Map(read<[string, string]>(this.#draftsKey));
    this.#unsent = new Map(read<Unsent>(this.#unsentKey).map((each) => [each.id, each]));
  }

  draft(conversation: string): string {
    return this.#drafts.get(conversation) ?? '';
  }

  setDraft(conversation: string, text: string): void {
    this.#drafts.delete(conversation);
    if (text !== '') this.#drafts.set(conversation, text);
    dropOldest(this.#drafts, DRAFTS_MAX);
    write(this.#draftsKey, [...this.#drafts]);
  }

  get unsent(): readonly Unsent[] {
    return [...this.#unsent.values()];
  }

  find(id: string): Unsent | undefined {
    return this.#unsent.get(id);
  }

  add(message: Unsent): void {
    this.#unsent.set(message.id, message);
    dropOldest(this.#unsent, UNSENT_MAX);
    write(this.#unsentKey, this.unsent);
  }

  remove(id: string): void {
    if (this.#unsent.delete(id)) write(this.#unsentKey, this.unsent);
  }
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}

function read<Item>(key: string): readonly Item[] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]');
    return Array.isArray(value) ? (value as Item[]) : [];
  } catch {
    return [];
  }
}

function write(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch (err) {
    // A full storage costs the texts only their life over a reload.
    console.warn('sluice: what is not sent could not be kept', err);
  }
}
