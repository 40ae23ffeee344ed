// Sending: shown at once, kept over a reload until the gateway has it, repeated only with the same id.

import {
  type Desk,
  DeskError,
  type OutgoingContent,
  type Store,
  uuid,
} from '../../client/index.ts';
import type { Unsent, UnsentTexts } from './unsent.ts';

export class Outgoing {
  readonly #desk: Desk;
  readonly #store: Store;
  readonly #texts: UnsentTexts;

  constructor(desk: Desk, store: Store, texts: UnsentTexts) {
    this.#desk = desk;
    this.#store = store;
    this.#texts = texts;
  }

  /** After a reload: everything that has no answer yet goes out again, oldest first. */
  resume(): void {
    for (const message of this.#texts.unsent) this.#begin(message);
  }

  send(conversation: string, content: OutgoingContent): void {
    const message: Unsent = {
      id: uuid(),
      conversation,
      content,
      seen: this.#seenOf(conversation),
      at: Date.now(),
    };
    this.#texts.add(message);
    this.#begin(message);
  }

  /** The person looked at what was new and wants it sent all the same. */
  sendAgain(request: string): void {
    const known = this.#texts.find(request);
    if (known === undefined) return;
    const message = { ...known, seen: this.#seenOf(known.conversation) };
    this.#texts.add(message);
    this.#begin(message);
  }

  /** Takes a refused message off the screen; the result is its text. */
  withdraw(conversation: string, request: string): string {
    const text = this.#texts.find(request)?.content.text ?? '';
    this.#texts.remove(request);
    this.#store.dropLocal(conversation, request);
    return text;
  }

  async resolve(conversation: string, outbox: string, action: 'resend' | 'discard'): Promise<void> {
    try {
      await this.#desk.resolve(outbox, action);
      this.#store.resolved(conversation, outbox, action);
    } catch (err) {
      console.warn('sluice: the decision was not taken', err);
    }
  }

  #begin(message: Unsent): void {
    const { id, conversation, content, seen, at } = message;
    this.#store.addLocal(conversation, id, content, at);
    this.#store.refuseLocal(conversation, id, undefined);
    this.#desk.send(conversation, content, { id, ...(seen > 0 ? { seen } : {}) }).then(
      () => this.#texts.remove(id),
      (err: unknown) => this.#refuse(message, err),
    );
  }

  #refuse({ id, conversation }: Unsent, err: unknown): void {
    if (!(err instanceof DeskError)) throw err;
    // The page is being left or the login ended: the text stays for the next time.
    if (err.code === 'stopped') return;
    const { code, message, retryable, data } = err;
    this.#store.refuseLocal(conversation, id, { code, message, retryable, data });
  }

  #seenOf(conversation: string): number {
    return this.#store.conversation(conversation)?.seq ?? 0;
  }
}
