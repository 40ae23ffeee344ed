// A desk over a fake network and a clock that stands: what the tests of the client begin with.

import { connect, type Desk } from '../../../lib/client/desk.ts';
import type { ConnectOptions } from '../../../lib/client/options.ts';
import type { ConversationView, EventMessage } from '../../../lib/client/protocol.ts';
import { FakeNetwork, type FakeWebSocket } from '../../support/fake-websocket.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const A = 'messenger/1/ann';
export const B = 'messenger/1/bob';
export const NOW = 1_800_000_000_000;

export interface Fixture {
  readonly desk: Desk;
  readonly clock: ManualClock;
  readonly network: FakeNetwork;
  readonly tokens: { current: string; calls: number };
  readonly probes: { status: number; urls: string[] };
  readonly seen: string[];
  /** Lets promises and due timers run. */
  settle(): Promise<void>;
  /** Opens the newest connection and welcomes it, with a snapshot unless it is recovered. */
  welcome(options?: WelcomeOptions): Promise<FakeWebSocket>;
}

interface WelcomeOptions {
  readonly seq?: number;
  readonly epoch?: string;
  readonly scope?: string;
  readonly recovered?: boolean;
  readonly conversations?: readonly ConversationView[];
}

export async function openDesk(options: Partial<ConnectOptions> = {}): Promise<Fixture> {
  const clock = new ManualClock(NOW);
  const network = new FakeNetwork();
  const tokens = { current: 'token-1', calls: 0 };
  const probes = { status: 200, urls: [] as string[] };
  const seen: string[] = [];
  const desk = connect({
    url: 'wss://desk.example/agent',
    token: async () => {
      tokens.calls++;
      return tokens.current;
    },
    webSocket: network.webSocket,
    storage: null,
    clock,
    random: () => 0.5,
    hasNetwork: () => true,
    fetch: async (url) => {
      probes.urls.push(url);
      return { status: probes.status };
    },
    ...options,
  });
  desk.on('event', (event) => seen.push(`${event.conversation.slice(-3)}${event.seq}`));
  desk.on('gap', (gap) => seen.push(`gap ${gap.after}<${gap.prev}`));
  const settle = (): Promise<void> => clock.advance(0);
  const fixture: Fixture = {
    desk,
    clock,
    network,
    tokens,
    probes,
    seen,
    settle,
    async welcome(welcome = {}) {
      await settle();
      const socket = network.last;
      socket.open();
      socket.say(welcomeMessage(welcome));
      if (welcome.recovered !== true) {
        const seq = welcome.seq ?? 100;
        socket.say(snapshotMessage(welcome.conversations ?? [], seq));
      }
      await settle();
      return socket;
    },
  };
  await settle();
  return fixture;
}

export function welcomeMessage(options: WelcomeOptions = {}): object {
  return {
    type: 'welcome',
    id: '1',
    agent: { id: 'agent-1', name: 'Eve', role: 'agent' },
    pages: ['1'],
    scope: options.scope ?? 's1',
    epoch: options.epoch ?? 'e1',
    seq: options.seq ?? 100,
    recovered: options.recovered ?? false,
    heartbeatSeconds: 25,
    expiresAt: NOW + 3_600_000,
  };
}

export function snapshotMessage(
  conversations: readonly ConversationView[],
  seq: number,
  part = 1,
  last = true,
): object {
  return { type: 'snapshot', part, last, conversations, agents: [], seq };
}

export function conversationView(
  conversation: string,
  seq: number,
  more: Partial<ConversationView> = {},
): ConversationView {
  return {
    conversation,
    page: '1',
    seq,
    state: 'open',
    customer: { id: conversation.split('/')[2] ?? '' },
    claim: null,
    thread: 'ours',
    window: { until: 0, humanAgentUntil: 0, verdict: 'allowed' },
    unread: 0,
    waitingSince: 0,
    last: { at: NOW, from: 'customer', text: 'hi' },
    ...more,
  };
}

export function event(
  conversation: string,
  seq: number,
  prev: number,
  kind = 'message.received',
  data: Record<string, unknown> = { mid: `m${seq}`, at: NOW + seq, text: `text ${seq}` },
): EventMessage {
  return { type: 'event', seq, prev, at: NOW + seq, conversation, kind, data };
}
