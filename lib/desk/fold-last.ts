// What a list shows of a conversation: its newest message by Meta's time, with the edits and deletions that
// concern it (which may come before it), and when something last happened.

import type { ConversationState } from './conversation.ts';
import { cutText, type Data, isObject, numberAt, textAt } from './fields.ts';
import { LAST_TEXT_MAX, MID_CHANGES_MAX } from './limits.ts';
import type { DeskRecord } from './records.ts';

type MidChange = ConversationState['midChanges'][number];

/** Shows a message in the list when none newer is shown; ties go to the later record. */
export function showLast(
  state: ConversationState,
  from: 'customer' | 'page',
  at: number,
  text: string,
  mid?: string,
): void {
  if (at < state.last.at) return;
  state.last = { at, from, text: cutText(text, LAST_TEXT_MAX) };
  if (mid === undefined) return;
  state.last.mid = mid;
  applyChange(state, mid);
}

/** Moves the conversation up in lists; a timestamp of the future cannot pin it there. */
export function touch(state: ConversationState, record: DeskRecord, at: number): void {
  state.activityAt = Math.max(state.activityAt, Math.min(at, record.at));
}

/** Meta's time of the event, else when it was recorded. */
export function timeOf(record: DeskRecord): number {
  return numberAt(record.data, 'at') ?? record.at;
}

/** The text, else `[type]` of the first attachment, which consoles translate. */
export function previewOf(data: Data): string {
  const text = textAt(data, 'text');
  if (text !== undefined && text !== '') return text;
  const attachments = data['attachments'];
  const first: unknown = Array.isArray(attachments) ? attachments[0] : undefined;
  if (isObject(first)) return `[${textAt(first, 'type') ?? 'attachment'}]`;
  return data['unsupported'] === true ? '[unsupported]' : '';
}

/** The remembered change of that mid, added when there is none. */
export function changeOf(state: ConversationState, mid: string): MidChange {
  const known = state.midChanges.find((change) => change.mid === mid);
  if (known !== undefined) return known;
  const added: MidChange = { mid };
  state.midChanges.push(added);
  if (state.midChanges.length > MID_CHANGES_MAX) state.midChanges.shift();
  return added;
}

/** Applies what is remembered of a mid to the message shown, if it is that one. */
export function applyChange(state: ConversationState, mid: string): void {
  if (state.last.mid !== mid) return;
  const change = state.midChanges.find((candidate) => candidate.mid === mid);
  if (change === undefined) return;
  if (change.edit !== undefined) state.last.edit = change.edit;
  if (change.deleted === true) state.last.text = '';
  else if (change.text !== undefined) state.last.text = change.text;
}
