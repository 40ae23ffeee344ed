// From facts to what is shown: the view of one message or note. Pure functions of their arguments.

import {
  EMPTY_MARK,
  type MidBook,
  type MidFacts,
  type OutFacts,
  type StatusView,
} from './facts.ts';
import type { Attachment, ChatItem, ChatMessage, ChatNote } from './message.ts';
import type { EventMessage, OutgoingContent, ReplyError } from './protocol.ts';

/** A message that came in, or was sent for the Page by somebody else. */
export interface InFacts {
  readonly mid: string;
  readonly from: 'customer' | 'outside';
  readonly event: EventMessage;
}

/** A message that the gateway has not confirmed yet. */
export interface LocalFacts {
  readonly content: OutgoingContent;
  readonly at: number;
  error?: ReplyError;
}

/** `facts.queued` is there: without it there is nothing to show. */
export function viewOfOutgoing(
  outbox: string,
  facts: OutFacts & { readonly queued: EventMessage },
  { status, error }: StatusView,
  mids: MidBook,
): ChatMessage {
  const { queued } = facts;
  const { data } = queued;
  const mid = facts.mids[0];
  const marks = mid === undefined ? undefined : mids.get(mid);
  const replyTo = midOf(data['replyTo']);
  return {
    type: 'message',
    key: outbox,
    from: 'agent',
    at: timeOf(queued),
    seq: queued.seq,
    mids: facts.mids,
    ...contentOf(data, marks),
    quickReplies: listOf(data['quickReplies']),
    ...(replyTo === undefined ? {} : { replyTo }),
    by: data['by'] as { id: string; name: string },
    outbox,
    request: textOf(data['request']),
    status,
    ...(error === undefined ? {} : { error }),
  };
}

export function viewOfIncoming(facts: InFacts, marks: MidFacts | undefined): ChatMessage {
  const { event, mid, from } = facts;
  const { data } = event;
  const replyTo = midOf(data['replyTo']);
  const origin = data['origin'];
  return {
    type: 'message',
    key: mid,
    from,
    at: timeOf(event),
    seq: event.seq,
    mids: [mid],
    ...contentOf(data, marks),
    quickReplies: [],
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(typeof origin === 'string' ? { origin } : {}),
  };
}

export function viewOfLocal(request: string, facts: LocalFacts): ChatMessage {
  const { content, error } = facts;
  const attachments = content.attachment === undefined ? [] : [{ index: 0, ...content.attachment }];
  return {
    type: 'message',
    key: request,
    from: 'agent',
    at: facts.at,
    seq: Number.MAX_SAFE_INTEGER,
    mids: [],
    text: content.text ?? '',
    attachments,
    quickReplies: content.quickReplies ?? [],
    ...(content.replyTo === undefined ? {} : { replyTo: content.replyTo }),
    request,
    status: error === undefined ? 'sending' : 'refused',
    ...(error === undefined ? {} : { error }),
    isEdited: false,
    isDeleted: false,
    isUnsupported: false,
    reactions: [],
  };
}

function contentOf(data: EventMessage['data'], marks: MidFacts = EMPTY_MARK) {
  const isDeleted = marks.isDeleted;
  const text = marks.edit?.text ?? textOf(data['text']);
  const attachments = isDeleted ? [] : listOf<Attachment>(data['attachments']);
  const isEmpty = text === '' && attachments.length === 0;
  return {
    text: isDeleted ? '' : text,
    attachments,
    isEdited: marks.edit !== undefined && !isDeleted,
    isDeleted,
    isUnsupported: !isDeleted && (isEmpty || data['unsupported'] === true),
    reactions: [...marks.reactions.values()].flatMap(({ by, emoji }) =>
      emoji === undefined ? [] : [{ by, emoji }],
    ),
  };
}

export function noteOf(event: EventMessage): ChatNote {
  const { seq, kind, data } = event;
  return { type: 'note', key: `note:${seq}`, at: timeOf(event), seq, kind, data };
}

export function byTimeThenSeq(a: ChatItem, b: ChatItem): number {
  return a.at - b.at || a.seq - b.seq;
}

export function timeOf(event: EventMessage): number {
  const at = event.data['at'];
  return typeof at === 'number' ? at : event.at;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function listOf<Item>(value: unknown): readonly Item[] {
  return Array.isArray(value) ? (value as Item[]) : [];
}

function midOf(value: unknown): string | undefined {
  const mid = (value as { mid?: unknown } | undefined)?.mid;
  return typeof mid === 'string' ? mid : undefined;
}

export function errorOf(value: unknown): ReplyError | undefined {
  return typeof value === 'object' && value !== null ? (value as ReplyError) : undefined;
}
