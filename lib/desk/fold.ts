// The fold: one record changes one conversation. A pure function of its arguments (no clock, no store), so
// the same log gives the same state; the given state is changed in place and belongs to the projection.
// Topics: fold-customer.ts (what customers and outsiders do), fold-outbox.ts, fold-conversation.ts.

import { parseConversation } from '../base/ids.ts';
import type { ConversationState } from './conversation.ts';
import {
  foldAlarm,
  foldClosed,
  foldHandover,
  foldReopened,
  foldSeen,
} from './fold-conversation.ts';
import {
  foldCustomer,
  foldDeleted,
  foldEdited,
  foldOutside,
  foldPostback,
  foldReaction,
  foldReceived,
  foldReferral,
} from './fold-customer.ts';
import { timeOf } from './fold-last.ts';
import {
  foldDeferred,
  foldDelivered,
  foldEcho,
  foldFailed,
  foldPart,
  foldQueued,
  foldRead,
  foldResolved,
  foldSending,
  foldSent,
  foldUncertain,
  foldUnknownOutcome,
} from './fold-outbox.ts';
import type { DeskRecord } from './records.ts';

type Folder = (state: ConversationState, record: DeskRecord) => void;

const FOLDERS: ReadonlyMap<string, Folder> = new Map<string, Folder>([
  ['message.received', foldReceived],
  ['message.outside', foldOutside],
  ['message.edited', foldEdited],
  ['message.deleted', foldDeleted],
  ['reaction', foldReaction],
  ['postback', foldPostback],
  ['referral', foldReferral],
  ['customer.updated', foldCustomer],
  ['message.queued', foldQueued],
  ['message.sending', foldSending],
  ['message.part', foldPart],
  ['message.sent', foldSent],
  ['message.deferred', foldDeferred],
  ['message.unknown', foldUnknownOutcome],
  ['message.failed', foldFailed],
  ['message.uncertain', foldUncertain],
  ['message.resolved', foldResolved],
  ['message.echo', foldEcho],
  ['message.delivered', foldDelivered],
  ['message.read', foldRead],
  ['handover', foldHandover],
  ['conversation.seen', foldSeen],
  ['conversation.closed', foldClosed],
  ['conversation.reopened', foldReopened],
  ['page.alarm', foldAlarm],
]);

/**
 * Folds one record into the state of its conversation.
 * @param state changed in place; undefined for the first record of the conversation
 * @returns the same state, or a new one
 * @remarks kinds that the desk does not know move only `seq` and `fence`
 */
export function foldRecord(
  state: ConversationState | undefined,
  record: DeskRecord,
): ConversationState {
  const folded = state ?? emptyState(record.conversation, Math.min(timeOf(record), record.at));
  if (!record.internal) folded.seq = record.seq;
  if (record.fences) folded.fence = record.seq;
  if (record.data['standby'] === true) folded.thread = 'other';
  FOLDERS.get(record.kind)?.(folded, record);
  return folded;
}

/**
 * The state of a conversation of which nothing is known but its name. @param activityAt ms of its
 * first record
 */
export function emptyState(conversation: string, activityAt: number): ConversationState {
  const name = parseConversation(conversation);
  const user = name?.user ?? '';
  return {
    conversation,
    page: name?.page ?? '',
    user,
    seq: 0,
    fence: 0,
    state: 'open',
    customer: { id: user },
    claim: null,
    thread: 'idle',
    lastCustomerAt: 0,
    fromAd: false,
    unread: 0,
    unreadSeqs: [],
    seenSeq: 0,
    waitingSince: 0,
    last: { at: 0, from: 'customer', text: '' },
    activityAt,
    customerSeq: 0,
    queuedBy: [],
    midChanges: [],
    alarms: [],
    deliveredWatermark: 0,
    readWatermark: 0,
    outbox: [],
  };
}
