// The state of one conversation: what the fold produces, views keep as JSON and agents get as a summary.

import type { MessageError, OutgoingContent, Person } from './records.ts';

/** Forward only, by rank: queued < uncertain, failed < sent < delivered < read. */
export const OUTBOX_STATUS_RANK = {
  queued: 0,
  uncertain: 1,
  failed: 1,
  sent: 2,
  delivered: 3,
  read: 4,
} as const;

export type OutboxStatus = keyof typeof OUTBOX_STATUS_RANK;

/** A message on its way out, or out and not yet read. */
export interface OutboxMessage {
  readonly id: string;
  /** seq of its message.queued. */
  readonly seq: number;
  readonly request: string;
  readonly by: Person;
  readonly queuedAt: number;
  status: OutboxStatus;
  /**
   * Kept until it is sent or discarded (a failed one may be sent again); then dropped, the
   * journal has it.
   */
  content?: OutgoingContent;
  /** mids of the parts that are sent, in order. */
  mids: string[];
  /** Calls begun for the current part, over all its resends. */
  attempts: number;
  /** Refusals of this round that count against the retry bound, and since when. */
  retries?: number;
  retrySince?: number;
  /** Set while a message.sending has no outcome. */
  open?: {
    readonly part: number;
    readonly attempt: number;
    readonly sender: string;
    readonly at: number;
  };
  /**
   * Earliest time of the next attempt, and what is waited for; a Page's pause is the clerk's to
   * end.
   */
  notBefore?: number;
  deferred?: 'message' | 'thread' | 'page';
  /** Until when the echo of an unknown outcome is awaited. */
  unknownUntil?: number;
  /** The newest echo of a part: proof that it went out. */
  echo?: { readonly part: number; readonly mid: string; readonly at: number };
  /**
   * A person wants an uncertain or failed message sent again; its status stays until that has an
   * outcome.
   */
  resend?: true;
  /** A person gave it up. */
  discarded?: true;
  /** waitingSince before this answer was queued: restored when the answer fails. */
  waited?: number;
  /** Meta's time of the message (echo) or ours: watermarks are compared with it. */
  sentAt?: number;
  error?: MessageError;
}

/** Mutable inside the fold only; everybody else reads. */
export interface ConversationState {
  readonly conversation: string;
  readonly page: string;
  /** '' for the Page's own row. */
  readonly user: string;
  /** seq of the last event that is folded in. */
  seq: number;
  /** seq of the last fencing record. */
  fence: number;
  state: 'open' | 'closed';
  customer: { id: string; name?: string; picture?: string; profileAt?: number };
  /** Reserved for claims. */
  claim: {
    readonly claim: number;
    readonly agent: { readonly id: string; readonly name: string };
    readonly at: number;
  } | null;
  thread: 'ours' | 'other' | 'idle';
  /** ms of the newest customer action that opens the window; 0: none held. */
  lastCustomerAt: number;
  /** The first message of the newest window came through an ad (messenger.md 4.2). */
  fromAd: boolean;
  /** Customer messages above the team's read mark. */
  unread: number;
  /** Their seqs, ascending; the newest UNREAD_SEQS_KEPT of them at least. */
  unreadSeqs: number[];
  /** seqs and times are of events above it. */
  seenSeq: number;
  /** Since when the customer waits for an answer; 0: does not wait. */
  waitingSince: number;
  last: { at: number; from: 'customer' | 'page'; text: string; mid?: string; edit?: number };
  activityAt: number;
  /**
   * Newest message.received, postback, edited, deleted or outside: what makes anybody's `seen`
   * stale.
   */
  customerSeq: number;
  /** Newest message.queued of each of the last two senders: somebody else's makes `seen` stale. */
  queuedBy: { readonly agent: string; readonly seq: number }[];
  /**
   * Newest edits and deletions by mid; they may come before the message. Bounded by
   * MID_CHANGES_MAX.
   */
  midChanges: { readonly mid: string; edit?: number; text?: string; deleted?: true }[];
  /** Raised page.alarm records (the Page's own row only). */
  alarms: { readonly alarm: string; readonly since: number }[];
  deliveredWatermark: number;
  readWatermark: number;
  /**
   * Unsettled messages and the newest settled ones, by seq; bounded by OUTBOX_KEPT_MAX (unsettled
   * are always kept).
   */
  outbox: OutboxMessage[];
}

/** What agents see of a conversation (contract.md section 4, "Conversation object"). */
export interface ConversationView {
  readonly conversation: string;
  readonly page: string;
  readonly seq: number;
  readonly state: 'open' | 'closed';
  readonly customer: { readonly id: string; readonly name?: string; readonly picture?: string };
  readonly claim: {
    readonly claim: number;
    readonly agent: { readonly id: string; readonly name: string };
    readonly at: number;
  } | null;
  readonly thread: 'ours' | 'other' | 'idle';
  readonly window: {
    readonly until: number;
    readonly humanAgentUntil: number;
    readonly verdict: 'allowed' | 'human_agent' | 'unsure' | 'closed';
  };
  readonly unread: number;
  readonly waitingSince: number;
  readonly last: {
    readonly at: number;
    readonly from: 'customer' | 'page';
    readonly text: string;
    /** Of a customer's or an outside message, and the number of its edit that is shown. */
    readonly mid?: string;
    readonly edit?: number;
  };
}
