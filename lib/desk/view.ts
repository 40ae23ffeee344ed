// What others get of a conversation's state: the agents' view of it (contract.md section 4), the window's
// verdict (messenger.md 4.2), and the derived row that finds it again.

import type { ConversationState, ConversationView } from './conversation.ts';
import { isUnsettled } from './fold-outbox.ts';
import { HUMAN_AGENT_WINDOW_MS, STANDARD_WINDOW_MS, WINDOW_SAFETY_MS } from './limits.ts';
import type { DeskViewRow } from './ports.ts';

export type Window = ConversationView['window'];

export interface ViewOptions {
  /** The app has Meta's Human Agent feature; default false. */
  readonly humanAgent?: boolean;
}

/**
 * The conversation as agents see it.
 * @param now ms since the Unix epoch: the window's verdict is of that moment
 */
export function toView(
  state: ConversationState,
  now: number,
  options: ViewOptions = {},
): ConversationView {
  const { id, name, picture } = state.customer;
  const { at, from, text, mid, edit } = state.last;
  return {
    conversation: state.conversation,
    page: state.page,
    seq: state.seq,
    state: state.state,
    customer: {
      id,
      ...(name === undefined ? {} : { name }),
      ...(picture === undefined ? {} : { picture }),
    },
    claim: state.claim,
    thread: state.thread,
    window: windowOf(state, now, options),
    unread: state.unread,
    waitingSince: state.waitingSince,
    last: {
      at,
      from,
      text,
      ...(mid === undefined ? {} : { mid }),
      ...(edit === undefined ? {} : { edit }),
    },
  };
}

/**
 * Until when one may answer, and what holds now. Both ends keep a minute of safety. 'unsure': nothing of the
 * customer is held, or an ad may have opened a longer window; Meta decides.
 */
export function windowOf(state: ConversationState, now: number, options: ViewOptions = {}): Window {
  if (state.lastCustomerAt === 0) return { until: 0, humanAgentUntil: 0, verdict: 'unsure' };
  const until = state.lastCustomerAt + STANDARD_WINDOW_MS - WINDOW_SAFETY_MS;
  const humanAgentUntil = state.lastCustomerAt + HUMAN_AGENT_WINDOW_MS - WINDOW_SAFETY_MS;
  return {
    until,
    humanAgentUntil,
    verdict: verdictOf(state, now, until, humanAgentUntil, options),
  };
}

/** The state as a row: columns to list and find by, and the whole as JSON without loss. */
export function toRow(state: ConversationState): DeskViewRow {
  return {
    key: state.conversation,
    page: state.page,
    state: rowState(state),
    owner: state.claim?.agent.id ?? '',
    activityAt: state.activityAt,
    unsettled: unsettledCount(state),
    seq: state.seq,
    fence: state.fence,
    json: JSON.stringify(state),
  };
}

/** Reads back what toRow wrote. */
export function fromRow(row: DeskViewRow): ConversationState {
  return JSON.parse(row.json) as ConversationState;
}

/** 'open' | 'closed', or 'page' for the Page's own row. */
export function rowState(state: ConversationState): string {
  return state.user === '' ? 'page' : state.state;
}

/** Messages that the clerk still works on. */
export function unsettledCount(state: ConversationState): number {
  let count = 0;
  for (const message of state.outbox) if (isUnsettled(message)) count++;
  return count;
}

function verdictOf(
  state: ConversationState,
  now: number,
  until: number,
  humanAgentUntil: number,
  options: ViewOptions,
): Window['verdict'] {
  if (now < until) return 'allowed';
  if (now >= humanAgentUntil) return 'closed';
  if (state.fromAd) return 'unsure';
  return options.humanAgent === true ? 'human_agent' : 'closed';
}
