// All agent sessions by agent and by the tab's own name. A register, nothing more.

import type { Session } from './session.ts';

export class Sessions {
  readonly #all = new Set<Session>();
  readonly #byAgent = new Map<string, Set<Session>>();

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
  }

  remove(session: Session): void {
    if (!this.#all.delete(session)) return;
    const agent = session.person.id;
    const known = this.#byAgent.get(agent);
    known?.delete(session);
    if (known?.size === 0) this.#byAgent.delete(agent);
  }

  countOfAgent(agent: string): number {
    return this.#byAgent.get(agent)?.size ?? 0;
  }

  /** The agent's other session with the same tab name. */
  findTwin(session: Session): Session | undefined {
    for (const other of this.#byAgent.get(session.person.id) ?? []) {
      if (other !== session && other.tab !== '' && other.tab === session.tab) return other;
    }
    return undefined;
  }
}
