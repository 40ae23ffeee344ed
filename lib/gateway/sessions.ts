// All agent sessions by agent and by the tab's own name, and how many an agent has in other processes. A
// register, nothing more.

import type { Session } from './session.ts';

/** Where agents have sessions, too. */
export interface OtherSessions {
  countOfAgent(agent: string): number;
  /** An agent has so many here now. */
  counted(agent: string, count: number): void;
  /** A tab has joined here: elsewhere it is replaced. */
  joined(session: Session): void;
}

export class Sessions {
  readonly #all = new Set<Session>();
  readonly #byAgent = new Map<string, Set<Session>>();
  readonly #others: OtherSessions | undefined;

  constructor(others?: OtherSessions) {
    this.#others = others;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#all.values();
  }

  add(session: Session): void {
    this.#all.add(session);
    const agent = session.person.id;
    const known = this.#byAgent.get(agent);
    if (known === undefined) this.#byAgent.set(agent, new Set([session]));
    else known.add(session);
    this.#count(agent);
  }

  remove(session: Session): void {
    if (!this.#all.delete(session)) return;
    const agent = session.person.id;
    const known = this.#byAgent.get(agent);
    known?.delete(session);
    if (known?.size === 0) this.#byAgent.delete(agent);
    this.#count(agent);
  }

  /** In all processes. */
  countOfAgent(agent: string): number {
    const here = this.#byAgent.get(agent)?.size ?? 0;
    return here + (this.#others?.countOfAgent(agent) ?? 0);
  }

  /** Of each agent that is here. */
  *counts(): IterableIterator<readonly [string, number]> {
    for (const [agent, sessions] of this.#byAgent) yield [agent, sessions.size];
  }

  /** It has told its tab's name. @returns the agent's session that it takes the place of */
  joined(session: Session): Session | undefined {
    if (session.tab === '') return undefined;
    this.#others?.joined(session);
    return this.withTab(session.person.id, session.tab, session);
  }

  /** The agent's session with that tab name, other than `except`. */
  withTab(agent: string, tab: string, except?: Session): Session | undefined {
    for (const other of this.#byAgent.get(agent) ?? []) {
      if (other !== except && other.tab === tab) return other;
    }
    return undefined;
  }

  #count(agent: string): void {
    this.#others?.counted(agent, this.#byAgent.get(agent)?.size ?? 0);
  }
}
