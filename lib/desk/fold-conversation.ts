// What happens to a conversation as such: the team's read mark, closing and reopening, who has the thread
// at Meta, and the alarms of a Page (which live in the Page's own row).

import type { ConversationState } from './conversation.ts';
import { numberAt, textAt } from './fields.ts';
import { ALARMS_MAX } from './limits.ts';
import type { DeskRecord } from './records.ts';

/** The mark never goes back, and never beyond what exists when it is set. */
export function foldSeen(state: ConversationState, record: DeskRecord): void {
  const seen = Math.min(numberAt(record.data, 'seq') ?? 0, record.seq);
  if (seen <= state.seenSeq) return;
  state.seenSeq = seen;
  const oldest = state.unreadSeqs[0];
  if (oldest === undefined || seen < oldest) return;
  state.unreadSeqs = state.unreadSeqs.filter((seq) => seq > seen);
  state.unread = state.unreadSeqs.length;
}

export function foldClosed(state: ConversationState): void {
  state.state = 'closed';
}

export function foldReopened(state: ConversationState): void {
  state.state = 'open';
}

/**
 * `ours` (does the new owner's app id equal ours?) decides when it is there. Without it Meta's own rule does:
 * a pass is told to the new owner, a take to the previous one (messenger.md 7.4).
 */
export function foldHandover(state: ConversationState, record: DeskRecord): void {
  const action = textAt(record.data, 'action');
  if (record.data['standby'] === true || (action !== 'pass' && action !== 'take')) return;
  const ours = record.data['ours'];
  if (typeof ours !== 'boolean') state.thread = action === 'pass' ? 'ours' : 'other';
  else if (ours) state.thread = 'ours';
  else state.thread = textAt(record.data, 'to') === undefined ? 'idle' : 'other';
}

export function foldAlarm(state: ConversationState, record: DeskRecord): void {
  const alarm = textAt(record.data, 'alarm');
  if (alarm === undefined) return;
  const others = state.alarms.filter((raised) => raised.alarm !== alarm);
  if (textAt(record.data, 'state') === 'raised') {
    others.push({ alarm, since: numberAt(record.data, 'since') ?? record.at });
  }
  state.alarms = others.slice(-ALARMS_MAX);
}
