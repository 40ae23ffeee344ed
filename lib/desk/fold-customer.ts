// What customers, and people who answer elsewhere, do to a conversation: messages, postbacks, reactions,
// referrals, edits and deletions. Ordered by Meta's timestamps, since arrival order means nothing (S17).

import type { ConversationState } from './conversation.ts';
import { cutText, type Data, numberAt, objectAt, textAt } from './fields.ts';
import { applyChange, changeOf, previewOf, showLast, timeOf, touch } from './fold-last.ts';
import { adoptEchoByMid } from './fold-outbox.ts';
import { LAST_TEXT_MAX, STANDARD_WINDOW_MS, UNREAD_SEQS_KEPT, UNREAD_SEQS_MAX } from './limits.ts';
import type { DeskRecord } from './records.ts';

export function foldReceived(state: ConversationState, record: DeskRecord): void {
  const at = timeOf(record);
  state.customerSeq = record.seq;
  customerActs(state, record, at);
  countUnread(state, record.seq);
  customerWaits(state, at);
  showLast(state, 'customer', at, previewOf(record.data), textAt(record.data, 'mid'));
}

export function foldPostback(state: ConversationState, record: DeskRecord): void {
  const at = timeOf(record);
  state.customerSeq = record.seq;
  customerActs(state, record, at);
  countUnread(state, record.seq);
  customerWaits(state, at);
  const title = textAt(record.data, 'title') ?? '';
  showLast(state, 'customer', at, title, textAt(record.data, 'mid'));
}

export function foldReaction(state: ConversationState, record: DeskRecord): void {
  if (record.data['by'] === 'page') return;
  customerActs(state, record, timeOf(record));
}

/** S16: it may come after the message of the same click, and only completes what is known. */
export function foldReferral(state: ConversationState, record: DeskRecord): void {
  customerActs(state, record, timeOf(record));
}

/**
 * Sent from the Page inbox or another app (S14); an echo of our own that lost its metadata is not
 * that.
 */
export function foldOutside(state: ConversationState, record: DeskRecord): void {
  const at = timeOf(record);
  const mid = textAt(record.data, 'mid');
  if (mid !== undefined && adoptEchoByMid(state, mid, at)) return;
  state.customerSeq = record.seq;
  touch(state, record, at);
  state.waitingSince = 0;
  showLast(state, 'page', at, previewOf(record.data), mid);
}

/** S21: only a newer edit counts; one of an unknown mid is kept until its message comes. */
export function foldEdited(state: ConversationState, record: DeskRecord): void {
  state.customerSeq = record.seq;
  const mid = textAt(record.data, 'mid');
  if (mid === undefined) return;
  const edit = numberAt(record.data, 'edit') ?? 0;
  const change = changeOf(state, mid);
  if (change.edit !== undefined && edit <= change.edit) return;
  change.edit = edit;
  change.text = cutText(textAt(record.data, 'text') ?? '', LAST_TEXT_MAX);
  applyChange(state, mid);
}

/** S29: an update, never an insert: the text goes, the message's place stays. */
export function foldDeleted(state: ConversationState, record: DeskRecord): void {
  state.customerSeq = record.seq;
  const mid = textAt(record.data, 'mid');
  if (mid === undefined) return;
  const change = changeOf(state, mid);
  change.deleted = true;
  delete change.text;
  applyChange(state, mid);
}

export function foldCustomer(state: ConversationState, record: DeskRecord): void {
  const name = textAt(record.data, 'name') ?? fullName(record.data);
  const picture = textAt(record.data, 'picture');
  if (name !== undefined && name !== '') state.customer.name = name;
  if (picture !== undefined) state.customer.picture = picture;
  state.customer.profileAt = record.at;
}

function customerActs(state: ConversationState, record: DeskRecord, at: number): void {
  touch(state, record, at);
  state.state = 'open';
  if (record.data['standby'] !== true) state.thread = 'ours';
  if (record.data['window'] === true) openWindow(state, at);
  if (isFromAd(record.data) && at > state.lastCustomerAt - STANDARD_WINDOW_MS) state.fromAd = true;
}

function openWindow(state: ConversationState, at: number): void {
  if (at - state.lastCustomerAt > STANDARD_WINDOW_MS) state.fromAd = false;
  state.lastCustomerAt = Math.max(state.lastCustomerAt, at);
}

/** A message and a postback carry their referral inside, a referral event is one. */
function isFromAd(data: Data): boolean {
  const referral = objectAt(data, 'referral') ?? data;
  return textAt(referral, 'source') === 'ADS';
}

function countUnread(state: ConversationState, seq: number): void {
  state.unread++;
  state.unreadSeqs.push(seq);
  const { length } = state.unreadSeqs;
  if (length > UNREAD_SEQS_MAX) state.unreadSeqs.splice(0, length - UNREAD_SEQS_KEPT);
}

function customerWaits(state: ConversationState, at: number): void {
  state.waitingSince = state.waitingSince === 0 ? at : Math.min(state.waitingSince, at);
}

function fullName(data: Data): string | undefined {
  const parts = [textAt(data, 'firstName'), textAt(data, 'lastName')];
  const known = parts.filter((part) => part !== undefined && part !== '');
  return known.length === 0 ? undefined : known.join(' ');
}
