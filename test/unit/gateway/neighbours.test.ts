// Workers that tell each other of tabs, typing and counts, over a bus in memory.

import { expect, test } from 'vitest';
import { Neighbours } from '../../../lib/gateway/neighbours.ts';
import type { Session } from '../../../lib/gateway/session.ts';
import { Sessions } from '../../../lib/gateway/sessions.ts';
import { TypingSignals } from '../../../lib/gateway/typing-signals.ts';
import type { BusPeer, SignalHandler } from '../../../lib/process/bus-types.ts';

/** All members hear each other at once. */
class MemoryBus {
  readonly members: Member[] = [];

  join(serial: number): Member {
    const member = new Member(this, { serial, slot: serial });
    this.members.push(member);
    return member;
  }

  meet(one: Member, two: Member): void {
    one.met(two.peer, true);
    two.met(one.peer, true);
  }
}

class Member {
  readonly peer: BusPeer;
  readonly #bus: MemoryBus;
  readonly #handlers = new Map<string, SignalHandler>();
  readonly #peerHandlers: ((peer: BusPeer, isReachable: boolean) => void)[] = [];

  constructor(bus: MemoryBus, peer: BusPeer) {
    this.#bus = bus;
    this.peer = peer;
  }

  met(peer: BusPeer, isReachable: boolean): void {
    for (const handler of this.#peerHandlers) handler(peer, isReachable);
  }

  onPeer(handler: (peer: BusPeer, isReachable: boolean) => void): void {
    this.#peerHandlers.push(handler);
  }

  onSignal(name: string, handler: SignalHandler): void {
    this.#handlers.set(name, handler);
  }

  signal(to: number | 'all', name: string, data: string | Uint8Array): number {
    const others = this.#bus.members.filter(
      (member) => member !== this && (to === 'all' || member.peer.serial === to),
    );
    for (const other of others) other.#handlers.get(name)?.(String(data), this.peer);
    return others.length;
  }
}

interface Hand {
  readonly session: Session;
  readonly closed: number[];
}

function sessionOf(agent: string, tab: string, joinedAt: number): Hand {
  const closed: number[] = [];
  const session = {
    person: { id: agent, name: agent, role: 'agent' },
    tab,
    joinedAt,
    disconnect: ({ code }: { code: number }) => closed.push(code),
  } as unknown as Session;
  return { session, closed };
}

function worker(bus: MemoryBus, serial: number) {
  const member = bus.join(serial);
  const neighbours = new Neighbours({ bus: member, serial });
  const sessions = new Sessions(neighbours);
  const shown: string[] = [];
  const typing = new TypingSignals({
    receivers: () => [
      {
        person: { id: `agent-${serial}`, name: 'x', role: 'agent' },
        scope: { allowsPage: () => true },
        hint: (text) => shown.push(text),
      },
    ],
    showCustomer: () => undefined,
    tellOthers: (signal) => neighbours.typing(signal),
    now: () => 0,
  });
  const attach = (): void => neighbours.attach({ sessions, typing });
  return { member, neighbours, sessions, typing, shown, attach };
}

test('an agent’s sessions are counted everywhere, also those from before', () => {
  const bus = new MemoryBus();
  const one = worker(bus, 1);
  one.attach();
  const ann = [sessionOf('ann', 'a', 1), sessionOf('ann', 'b', 2)];
  for (const { session } of ann) one.sessions.add(session);
  // It listens before its sessions are attached.
  const two = worker(bus, 2);
  bus.meet(one.member, two.member);
  two.attach();
  expect(two.sessions.countOfAgent('ann')).toBe(2);
  const third = sessionOf('ann', 'c', 3);
  two.sessions.add(third.session);
  expect([one.sessions.countOfAgent('ann'), two.sessions.countOfAgent('ann')]).toEqual([3, 3]);
  for (const { session } of ann) one.sessions.remove(session);
  expect(two.sessions.countOfAgent('ann')).toBe(1);
  one.member.met(two.member.peer, false);
  expect(one.sessions.countOfAgent('ann')).toBe(0);
});

test.each([
  ['later', 5, 9, [4409], []],
  ['at the same time, on the younger worker', 7, 7, [4409], []],
])('of two sessions of a tab the one stays that joined %s', (_name, at1, at2, closed1, closed2) => {
  const bus = new MemoryBus();
  const one = worker(bus, 1);
  const two = worker(bus, 2);
  for (const each of [one, two]) each.attach();
  const first = sessionOf('ann', 'tab', at1);
  const second = sessionOf('ann', 'tab', at2);
  one.sessions.add(first.session);
  two.sessions.add(second.session);
  // Both say so, in either order.
  two.sessions.joined(second.session);
  one.sessions.joined(first.session);
  expect([first.closed, second.closed]).toEqual([closed1, closed2]);
});

test('another tab, another agent and a session that has not joined stay', () => {
  const bus = new MemoryBus();
  const one = worker(bus, 1);
  const two = worker(bus, 2);
  for (const each of [one, two]) each.attach();
  const others = [
    sessionOf('ann', 'other', 1),
    sessionOf('bob', 'tab', 1),
    sessionOf('ann', 'tab', 0),
  ];
  for (const { session } of others) one.sessions.add(session);
  const joined = sessionOf('ann', 'tab', 9);
  two.sessions.add(joined.session);
  two.sessions.joined(joined.session);
  expect(others.map((each) => each.closed)).toEqual([[], [], []]);
});

test('typing is shown to the agents of neighbours', () => {
  const bus = new MemoryBus();
  const one = worker(bus, 1);
  const two = worker(bus, 2);
  for (const each of [one, two]) each.attach();
  one.typing.note({ id: 'agent-1', name: 'A', role: 'agent' }, 'messenger/1/7', true);
  expect([one.shown, two.shown.length]).toEqual([[], 1]);
  expect(JSON.parse(two.shown[0] ?? '')).toMatchObject({ kind: 'typing', data: { on: true } });
});
