// How an event changes what the list shows of a conversation: the client's half of the desk's fold, for the
// fields of the conversation object (contract.md section 4). Pure but for the unread marks it is given.

import { cutLine, type MidChanges } from './mid-changes.ts';
import type { ConversationView, EventMessage } from './protocol.ts';

/** Unread messages above the snapshot that are counted one by one; more only raise the number. */
export const UNREAD_SEQS_MAX = 1_000;

/** Which messages are unread: a number from the snapshot, and the seqs of those that came since. */
export class UnreadMarks {
  #base: number;
  readonly #baseSeq: number;
  #seqs: number[] = [];
  /** Since when the customer waited before the newest answer: it counts again if that one fails. */
  #answered: { readonly message: unknown; readonly since: number } | undefined;

  constructor(unread: number, seq: number) {
    this.#base = unread;
    this.#baseSeq = seq;
  }

  get count(): number {
    return this.#base + this.#seqs.length;
  }

  add(seq: number): void {
    this.#seqs.push(seq);
    if (this.#seqs.length > UNREAD_SEQS_MAX) {
      this.#seqs.shift();
      this.#base++;
    }
  }

  /**
   * A mark inside of what the snapshot summed up leaves its number as it is: it may only be too
   * high.
   */
  seen(seq: number): void {
    this.#seqs = this.#seqs.filter((each) => each > seq);
    if (seq >= this.#baseSeq) this.#base = 0;
  }

  answered(message: unknown, since: number): void {
    if (since > 0) this.#answered = { message, since };
  }

  /** Since when the customer waits after all, if this answer was the one that ended it. */
  unanswered(message: unknown): number | undefined {
    return this.#answered?.message === message ? this.#answered?.since : undefined;
  }
}

type Changes = { -readonly [Key in keyof ConversationView]?: ConversationView[Key] };

/** @param midChanges edits and deletions known of the conversation, the event's own included */
export function foldConversation(
  view: ConversationView,
  event: EventMessage,
  marks: UnreadMarks,
  midChanges?: MidChanges,
): ConversationView {
  const changes = changesOf(view, event, marks);
  const folded = { ...view, ...changes, unread: marks.count, seq: event.seq };
  return midChanges === undefined ? folded : { ...folded, last: midChanges.applied(folded.last) };
}

function changesOf(view: ConversationView, event: EventMessage, marks: UnreadMarks): Changes {
  const { data } = event;
  switch (event.kind) {
    case 'message.received':
    case 'postback': {
      marks.add(event.seq);
      const at = timeOf(event);
      return {
        state: 'open',
        waitingSince: view.waitingSince === 0 ? at : Math.min(view.waitingSince, at),
        last: lastOf(view, at, 'customer', data),
      };
    }
    case 'message.failed': {
      const since = view.waitingSince || marks.unanswered(data['message']);
      return since === undefined || view.last.from !== 'page' ? {} : { waitingSince: since };
    }
    case 'message.queued':
    case 'message.outside':
      marks.answered(data['message'], view.waitingSince);
      return { waitingSince: 0, last: lastOf(view, timeOf(event), 'page', data) };
    case 'conversation.seen':
      marks.seen(Number(data['seq'] ?? 0));
      return {};
    case 'conversation.closed':
      return { state: 'closed' };
    case 'conversation.reopened':
      return { state: 'open' };
    case 'customer.updated':
      return { customer: customerOf(view, data) };
    case 'conversation.claimed':
    case 'conversation.released':
      return { claim: claimOf(event) };
    default:
      return {};
  }
}

/** A conversation of which nothing but this event is known yet. */
export function emptyConversation(event: EventMessage): ConversationView {
  const [, page = '', user = ''] = event.conversation.split('/');
  return {
    conversation: event.conversation,
    page,
    seq: 0,
    state: 'open',
    customer: { id: user },
    claim: null,
    thread: 'idle',
    window: { until: 0, humanAgentUntil: 0, verdict: 'unsure' },
    unread: 0,
    waitingSince: 0,
    last: { at: 0, from: 'customer', text: '' },
  };
}

function lastOf(
  view: ConversationView,
  at: number,
  from: 'customer' | 'page',
  data: EventMessage['data'],
): ConversationView['last'] {
  if (at < view.last.at) return view.last;
  const { mid } = data;
  const last = { at, from, text: previewOf(data) };
  return typeof mid === 'string' ? { ...last, mid } : last;
}

/** The text, or what stands for it in the list: `[image]`, `[unsupported]`. */
function previewOf(data: EventMessage['data']): string {
  const text = data['text'] ?? data['title'];
  if (typeof text === 'string' && text !== '') return cutLine(text);
  const attachments = data['attachments'];
  const first: unknown = Array.isArray(attachments) ? attachments[0] : undefined;
  const type = (first as { type?: unknown } | undefined)?.type;
  if (typeof type === 'string') return `[${type}]`;
  return data['unsupported'] === true ? '[unsupported]' : '';
}

function customerOf(view: ConversationView, data: EventMessage['data']) {
  const { name, firstName, lastName, picture } = data;
  const joined = [firstName, lastName].filter((part) => typeof part === 'string').join(' ');
  const full = typeof name === 'string' && name !== '' ? name : joined;
  return {
    ...view.customer,
    ...(full === '' ? {} : { name: full }),
    ...(typeof picture === 'string' ? { picture } : {}),
  };
}

function claimOf(event: EventMessage): ConversationView['claim'] {
  if (event.kind === 'conversation.released') return null;
  const agent = event.data['agent'] as { id: string; name: string };
  return { claim: Number(event.data['claim']), agent, at: event.at };
}

function timeOf(event: EventMessage): number {
  const at = event.data['at'];
  return typeof at === 'number' ? at : event.at;
}
