// Who is typing where, forgotten by itself after a while.

import { signal } from '@preact/signals';
import type { Signal } from '../../client/index.ts';

export const TYPING_FORGET_MS = 15_000;
const PEOPLE_MAX = 500;

export interface TypingPerson {
  readonly conversation: string;
  /** Undefined: the customer. */
  readonly agent: { readonly id: string; readonly name: string } | undefined;
}

export class TypingPeople {
  readonly people = signal<readonly TypingPerson[]>([]);
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  take(message: Signal): void {
    if (message.kind !== 'typing' || message.conversation === undefined) return;
    const { by, agent, on } = message.data;
    const who = (by ?? agent) as TypingPerson['agent'];
    this.end(message.conversation, who?.id);
    if (on === false || this.#timers.size >= PEOPLE_MAX) return;
    const person = { conversation: message.conversation, agent: who };
    this.people.value = [...this.people.value, person];
    const timer = setTimeout(() => this.end(person.conversation, who?.id), TYPING_FORGET_MS);
    this.#timers.set(keyOf(person.conversation, who?.id), timer);
  }

  end(conversation: string, agent: string | undefined): void {
    const key = keyOf(conversation, agent);
    const timer = this.#timers.get(key);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#timers.delete(key);
    this.people.value = this.people.value.filter(
      (person) => keyOf(person.conversation, person.agent?.id) !== key,
    );
  }
}

function keyOf(conversation: string, agent: string | undefined): string {
  return `${conversation} ${agent ?? ''}`;
}
