// What the workers of a gateway tell each other beside the journal: who types, which tab has joined, how many
// sessions an agent has. Nothing of it is durable; a worker that is new is told what it needs.

import type { BusPeer, WorkerBus } from '../process/bus-types.ts';
import { Disconnects } from './disconnect.ts';
import type { Session } from './session.ts';
import type { OtherSessions, Sessions } from './sessions.ts';
import type { TypingSignal, TypingSignals } from './typing-signals.ts';

interface Joined {
  readonly agent: string;
  readonly tab: string;
  readonly at: number;
}

export interface NeighboursOptions {
  readonly bus: Pick<WorkerBus, 'signal' | 'onSignal' | 'onPeer'>;
  /** Of this worker: decides between two that joined in the same millisecond. */
  readonly serial: number;
}

export class Neighbours implements OtherSessions {
  readonly #bus: NeighboursOptions['bus'];
  readonly #serial: number;
  /** Sessions by agent, of each neighbour by its serial. */
  readonly #counts = new Map<number, Map<string, number>>();
  #sessions: Sessions | undefined;

  /** Listens from now on: neighbours tell what they have as soon as they are reachable. */
  constructor({ bus, serial }: NeighboursOptions) {
    this.#bus = bus;
    this.#serial = serial;
    bus.onSignal('desk.sessions', (text, from) => {
      for (const [agent, count] of JSON.parse(String(text)) as [string, number][]) {
        this.#setCount(from.serial, agent, count);
      }
    });
    bus.onPeer((peer, isReachable) => {
      if (isReachable) this.#introduce(peer);
      else this.#counts.delete(peer.serial);
    });
  }

  /** What neighbours say of tabs and typing concerns these. Call once. */
  attach(own: { readonly sessions: Sessions; readonly typing: TypingSignals }): void {
    this.#sessions = own.sessions;
    this.#bus.onSignal('desk.typing', (text) =>
      own.typing.heard(JSON.parse(String(text)) as TypingSignal),
    );
    this.#bus.onSignal('desk.joined', (text, from) =>
      this.#replace(JSON.parse(String(text)) as Joined, from),
    );
  }

  typing(signal: TypingSignal): void {
    this.#bus.signal('all', 'desk.typing', JSON.stringify(signal));
  }

  // ---- OtherSessions -----------------------------------------------------

  countOfAgent(agent: string): number {
    let sum = 0;
    for (const counts of this.#counts.values()) sum += counts.get(agent) ?? 0;
    return sum;
  }

  counted(agent: string, count: number): void {
    this.#bus.signal('all', 'desk.sessions', JSON.stringify([[agent, count]]));
  }

  joined(session: Session): void {
    const joined: Joined = { agent: session.person.id, tab: session.tab, at: session.joinedAt };
    this.#bus.signal('all', 'desk.joined', JSON.stringify(joined));
  }

  // ------------------------------------------------------------------------

  #introduce(peer: BusPeer): void {
    const counts = [...(this.#sessions?.counts() ?? [])];
    if (counts.length > 0) {
      this.#bus.signal(peer.serial, 'desk.sessions', JSON.stringify(counts));
    }
  }

  /** The later of two sessions of a tab stays, and the one on the younger worker of two at once. */
  #replace({ agent, tab, at }: Joined, from: BusPeer): void {
    const held = this.#sessions?.withTab(agent, tab);
    if (held === undefined || held.joinedAt === 0) return;
    const isOlder = held.joinedAt < at || (held.joinedAt === at && this.#serial < from.serial);
    if (isOlder) held.disconnect(Disconnects.replaced);
  }

  #setCount(serial: number, agent: string, count: number): void {
    let counts = this.#counts.get(serial);
    if (counts === undefined) {
      counts = new Map();
      this.#counts.set(serial, counts);
    }
    if (count === 0) counts.delete(agent);
    else counts.set(agent, count);
  }
}
