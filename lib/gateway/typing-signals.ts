// Who is typing where: shown to the other agents of the Page at once, to the customer through Meta
// from time to time, and forgotten when it is not repeated. Nothing of it is durable.

import { pageOf } from '../base/ids.ts';
import type { Person } from '../desk/records.ts';
import { TYPING_LIFE_MS, TYPING_MAX, TYPING_REPEAT_MS } from './limits.ts';

/** A session that may be shown a signal. */
export interface SignalReceiver {
  readonly person: Person;
  readonly scope: { allowsPage(page: string): boolean };
  hint(text: string): void;
}

/** One agent begins or ends to type somewhere. */
export interface TypingSignal {
  readonly person: Person;
  readonly conversation: string;
  readonly on: boolean;
}

export interface TypingOptions {
  readonly receivers: () => Iterable<SignalReceiver>;
  /** Tells the agents of other processes. */
  readonly tellOthers?: (signal: TypingSignal) => void;
  /** Shows it to the customer, best effort. */
  readonly showCustomer: (conversation: string, on: boolean) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Typing {
  readonly person: Person;
  readonly conversation: string;
  shownAt: number;
  until: number;
}

export class TypingSignals {
  readonly #options: TypingOptions;
  readonly #typing = new Map<string, Typing>();

  constructor(options: TypingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#typing.size;
  }

  /** An agent says that it types, or no longer does. */
  note(person: Person, conversation: string, on: boolean): void {
    const key = JSON.stringify([person.id, conversation]);
    const known = this.#typing.get(key);
    if (!on) {
      if (known !== undefined) this.#stop(key, known);
      return;
    }
    const now = this.#options.now();
    if (known === undefined) {
      if (this.#typing.size >= TYPING_MAX) return;
      this.#typing.set(key, { person, conversation, shownAt: now, until: now + TYPING_LIFE_MS });
      this.#show(person, conversation, true);
      return;
    }
    known.until = now + TYPING_LIFE_MS;
    if (now - known.shownAt < TYPING_REPEAT_MS) return;
    known.shownAt = now;
    this.#show(person, conversation, true);
  }

  /**
   * The agent's message is on its way: colleagues are told; at Meta a message ends the indicator
   * itself.
   */
  sent(person: Person, conversation: string): void {
    if (this.#typing.delete(JSON.stringify([person.id, conversation]))) {
      this.#tell({ person, conversation, on: false });
    }
  }

  /** Another process says so of an agent of its own: the agents here are shown it. */
  heard({ person, conversation, on }: TypingSignal): void {
    const data = JSON.stringify({ agent: { id: person.id, name: person.name }, on });
    const head = `{"type":"signal","kind":"typing","conversation":${JSON.stringify(conversation)}`;
    const text = `${head},"data":${data}}`;
    const page = pageOf(conversation);
    for (const receiver of this.#options.receivers()) {
      const isOther = receiver.person.id !== person.id;
      if (isOther && receiver.scope.allowsPage(page)) receiver.hint(text);
    }
  }

  /** Forgets who did not repeat it. */
  sweep(): void {
    const now = this.#options.now();
    for (const [key, typing] of this.#typing) {
      if (typing.until <= now) this.#stop(key, typing);
    }
  }

  #stop(key: string, typing: Typing): void {
    this.#typing.delete(key);
    this.#show(typing.person, typing.conversation, false);
  }

  #show(person: Person, conversation: string, on: boolean): void {
    this.#tell({ person, conversation, on });
    this.#options.showCustomer(conversation, on);
  }

  #tell(signal: TypingSignal): void {
    this.heard(signal);
    this.#options.tellOthers?.(signal);
  }
}
