// Who exists and what was said: pages, customers and their threads. It knows neither HTTP nor webhooks;
// whoever draws it listens for changes.

import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import {
  CUSTOMERS_MAX,
  HUMAN_AGENT_WINDOW_MS,
  NAME_CHARS_MAX,
  STANDARD_WINDOW_MS,
  THREAD_MESSAGES_MAX,
  TYPING_MS,
} from './limits.ts';
import type { PhoneMessage, SimulatedCustomer, SimulatedPage } from './types.ts';

/** A conversation between one customer and one Page. */
export interface Thread {
  readonly page: string;
  readonly user: string;
  readonly messages: PhoneMessage[];
  /** When the customer last did something that lets the Page answer. */
  actionAt: number;
  /** The Page has seen everything up to it. */
  pageSeenAt: number;
  /** The customer has read everything up to it. */
  readAt: number;
  typingUntil: number;
  /** The greatest time given out: messages of a thread never share one. */
  lastAt: number;
}

export type WorldListener = (page: string, user: string) => void;

const DEMO_CUSTOMERS: readonly SimulatedCustomer[] = [
  { id: '7000000000000001', name: 'Ann Miller' },
  { id: '7000000000000002', name: '王小明' },
  { id: '7000000000000003', name: 'Zoé Dupont' },
];

const USER_ID = /^[0-9]{1,32}$/;

export class World {
  readonly #pages = new Map<string, SimulatedPage>();
  readonly #customers = new Map<string, SimulatedCustomer>();
  readonly #threads = new Map<string, Thread>();
  readonly #listeners = new Set<WorldListener>();
  readonly #clock: Clock;
  readonly #startedAt: number;

  constructor(
    clock: Clock,
    pages: readonly SimulatedPage[],
    customers: readonly SimulatedCustomer[] = DEMO_CUSTOMERS,
  ) {
    this.#clock = clock;
    this.#startedAt = clock.now();
    for (const page of pages) this.#pages.set(page.id, page);
    for (const customer of customers) this.#customers.set(customer.id, customer);
  }

  get pages(): readonly SimulatedPage[] {
    return [...this.#pages.values()];
  }

  get customers(): readonly SimulatedCustomer[] {
    return [...this.#customers.values()];
  }

  page(id: string): SimulatedPage | undefined {
    return this.#pages.get(id);
  }

  pageOfToken(token: string): SimulatedPage | undefined {
    for (const page of this.#pages.values()) if (page.accessToken === token) return page;
    return undefined;
  }

  customer(id: string): SimulatedCustomer | undefined {
    return this.#customers.get(id);
  }

  /**
   * Adds a person, or returns the one who has the id.
   * @throws SluiceError ERR_ARG_RANGE above the bound, or for a bad id
   */
  addCustomer(id: string, name?: string): SimulatedCustomer {
    const known = this.#customers.get(id);
    if (known !== undefined) return known;
    if (!USER_ID.test(id)) throw new SluiceError('ERR_ARG_RANGE', 'A customer’s id is digits.');
    if (this.#customers.size >= CUSTOMERS_MAX) {
      throw new SluiceError('ERR_ARG_RANGE', `At most ${CUSTOMERS_MAX} customers.`);
    }
    const given = name?.trim().slice(0, NAME_CHARS_MAX);
    const customer = { id, name: given ? given : `Customer ${id.slice(-4)}` };
    this.#customers.set(id, customer);
    return customer;
  }

  /**
   * The thread of two who exist; made when it is new.
   * @throws SluiceError ERR_ARG_RANGE for a Page that does not exist
   */
  thread(page: string, user: string): Thread {
    const key = `${page}/${user}`;
    let thread = this.#threads.get(key);
    if (thread === undefined) {
      if (!this.#pages.has(page))
        throw new SluiceError('ERR_ARG_RANGE', `There is no Page ${page}.`);
      this.addCustomer(user);
      thread = {
        page,
        user,
        messages: [],
        // People from before the start are taken to have written just before it.
        actionAt: this.#startedAt,
        pageSeenAt: 0,
        readAt: 0,
        typingUntil: 0,
        lastAt: 0,
      };
      this.#threads.set(key, thread);
    }
    return thread;
  }

  threadsOf(page: string): readonly Thread[] {
    return [...this.#threads.values()].filter((thread) => thread.page === page);
  }

  /** A time for something new in the thread: now, but later than all before it. */
  stamp(thread: Thread): number {
    thread.lastAt = Math.max(this.#clock.now(), thread.lastAt + 1);
    return thread.lastAt;
  }

  add(thread: Thread, message: PhoneMessage): void {
    thread.messages.push(message);
    if (thread.messages.length > THREAD_MESSAGES_MAX) thread.messages.shift();
    if (message.from === 'page') thread.typingUntil = 0;
    this.changed(thread);
  }

  find(thread: Thread, mid: string): PhoneMessage | undefined {
    return thread.messages.find((message) => message.mid === mid);
  }

  /** Changes a message in place. @returns false when the thread does not hold it */
  update(thread: Thread, mid: string, change: Partial<PhoneMessage>): boolean {
    const index = thread.messages.findIndex((message) => message.mid === mid);
    const message = thread.messages[index];
    if (message === undefined) return false;
    thread.messages[index] = { ...message, ...change };
    this.changed(thread);
    return true;
  }

  /** The customer did something that opens the window. */
  act(thread: Thread): void {
    thread.actionAt = this.#clock.now();
  }

  mayAnswer(thread: Thread, tag: string | undefined): boolean {
    const limit = tag === undefined ? STANDARD_WINDOW_MS : HUMAN_AGENT_WINDOW_MS;
    return this.#clock.now() - thread.actionAt <= limit;
  }

  setTyping(thread: Thread, isOn: boolean): void {
    thread.typingUntil = isOn ? this.#clock.now() + TYPING_MS : 0;
    this.changed(thread);
  }

  /** How long the indicator stays on; 0 when it is off. */
  typingLeftMs(thread: Thread): number {
    return Math.max(0, thread.typingUntil - this.#clock.now());
  }

  listen(listener: WorldListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(thread: Thread): void {
    for (const listener of this.#listeners) listener(thread.page, thread.user);
  }
}
