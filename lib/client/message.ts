// What a conversation looks like on a screen: messages and notes, built by thread.ts. Plain readonly objects;
// an unchanged one keeps its identity from one look to the next.

import type { ReplyError } from './protocol.ts';

export type MessageStatus =
  /** Ours alone: on its way to the gateway. */
  | 'sending'
  /** Ours alone: the gateway refused it, or its answer is unknown. */
  | 'refused'
  | 'queued'
  | 'uncertain'
  | 'failed'
  | 'discarded'
  | 'sent'
  | 'delivered'
  | 'read';

export interface Attachment {
  readonly index: number;
  readonly type: string;
  readonly url?: string;
  readonly title?: string;
}

export interface Reaction {
  readonly by: 'customer' | 'page';
  readonly emoji: string;
}

export interface ChatMessage {
  readonly type: 'message';
  /** Outbox id, mid or request: stable as long as the message is shown. */
  readonly key: string;
  /** `outside`: sent for the Page, but not by this gateway. */
  readonly from: 'customer' | 'agent' | 'outside';
  readonly at: number;
  readonly seq: number;
  readonly mids: readonly string[];
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly quickReplies: readonly { readonly title: string; readonly payload: string }[];
  readonly replyTo?: string;
  readonly by?: { readonly id: string; readonly name: string };
  readonly origin?: string;
  /** Outbox id of a message of ours; what `resolve` takes. */
  readonly outbox?: string;
  readonly request?: string;
  readonly status?: MessageStatus;
  readonly error?: ReplyError;
  readonly isEdited: boolean;
  readonly isDeleted: boolean;
  /** The channel could not tell us the content. */
  readonly isUnsupported: boolean;
  readonly reactions: readonly Reaction[];
}

/** Something that happened and is no message: a postback, a handover, a closing. */
export interface ChatNote {
  readonly type: 'note';
  readonly key: string;
  readonly at: number;
  readonly seq: number;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type ChatItem = ChatMessage | ChatNote;

/** Event kinds that are shown as notes. */
export const NOTE_KINDS: ReadonlySet<string> = new Set([
  'postback',
  'referral',
  'optin',
  'handover',
  'policy',
  'feedback',
  'order',
  'coupon',
  'lead',
  'conversation.claimed',
  'conversation.released',
  'conversation.transferred',
  'conversation.closed',
  'conversation.reopened',
  'page.alarm',
]);
