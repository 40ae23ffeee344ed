// What is known of messages apart from their content: statuses, watermarks, edits, deletions, reactions. Facts
// are kept by mid whether or not the message is known yet, and joined whenever one looks.

import type { MessageStatus } from './message.ts';
import type { EventMessage, ReplyError } from './protocol.ts';

/**
 * A watermark may lie before our record of a send's success by at most the duration of the call.
 */
export const CALL_MAX_MS = 10_000;

export interface MidFacts {
  edit?: { readonly text: string; readonly edit: number };
  isDeleted: boolean;
  /** By whom; `emoji` undefined: taken back. The newest by seq stands. */
  readonly reactions: Map<
    string,
    { readonly by: 'customer' | 'page'; readonly emoji: string | undefined; readonly seq: number }
  >;
  readonly marks: Set<'delivered' | 'read'>;
}

export const EMPTY_MARK: MidFacts = { isDeleted: false, reactions: new Map(), marks: new Set() };

export interface OutFacts {
  queued?: EventMessage;
  sent?: { readonly at: number; readonly seq: number };
  mids: readonly string[];
  /** The newest of what was tried and decided, as long as it is not sent. */
  attempt?: {
    readonly status: 'queued' | 'failed' | 'uncertain' | 'discarded';
    readonly seq: number;
    readonly error?: ReplyError;
  };
  readonly marks: Set<'delivered' | 'read'>;
}

export class MidBook {
  readonly #facts = new Map<string, MidFacts>();

  get(mid: string): MidFacts | undefined {
    return this.#facts.get(mid);
  }

  clear(): void {
    this.#facts.clear();
  }

  mark(mid: string, status: 'delivered' | 'read'): void {
    this.#of(mid).marks.add(status);
  }

  /** Folds message.edited, message.deleted or reaction; the result is the mid that it concerns. */
  fold(event: EventMessage): string {
    const { kind, data, seq } = event;
    const mid = String(data['mid'] ?? '');
    const facts = this.#of(mid);
    if (kind === 'message.deleted') facts.isDeleted = true;
    else if (kind === 'message.edited') foldEdit(facts, data);
    else foldReaction(facts, data, seq);
    return mid;
  }

  #of(mid: string): MidFacts {
    let facts = this.#facts.get(mid);
    if (facts === undefined) {
      facts = { isDeleted: false, reactions: new Map(), marks: new Set() };
      this.#facts.set(mid, facts);
    }
    return facts;
  }
}

function foldEdit(facts: MidFacts, data: EventMessage['data']): void {
  const edit = typeof data['edit'] === 'number' ? data['edit'] : 0;
  if (facts.edit !== undefined && facts.edit.edit >= edit) return;
  facts.edit = { text: String(data['text'] ?? ''), edit };
}

function foldReaction(facts: MidFacts, data: EventMessage['data'], seq: number): void {
  const by = data['by'] === 'page' ? 'page' : 'customer';
  const known = facts.reactions.get(by);
  if (known !== undefined && known.seq > seq) return;
  const emoji = data['emoji'] ?? data['reaction'] ?? '👍';
  facts.reactions.set(by, {
    by,
    emoji: data['action'] === 'unreact' ? undefined : String(emoji),
    seq,
  });
}

/**
 * The furthest watermarks of each kind; one that another exceeds in both time and seq is dropped.
 */
export class Watermarks {
  #marks: { readonly status: 'delivered' | 'read'; readonly at: number; readonly seq: number }[] =
    [];

  add(status: 'delivered' | 'read', at: number, seq: number): void {
    const covers = (a: { at: number; seq: number }, b: { at: number; seq: number }): boolean =>
      a.at >= b.at && a.seq >= b.seq;
    const mark = { status, at, seq };
    const same = this.#marks.filter((other) => other.status === status);
    if (same.some((other) => covers(other, mark))) return;
    this.#marks = this.#marks.filter((other) => other.status !== status || !covers(mark, other));
    this.#marks.push(mark);
  }

  clear(): void {
    this.#marks = [];
  }

  /**
   * Whether a message is covered. Meta's time of it lies between the moments at which we queued it and knew it
   * sent; a mark between the two counts if it came after the success.
   */
  covers(
    status: 'delivered' | 'read',
    sent: { at: number; seq: number },
    queuedAt: number,
  ): boolean {
    const isQuick = sent.at - queuedAt <= CALL_MAX_MS;
    return this.#marks.some(
      (mark) =>
        mark.status === status &&
        (mark.at >= sent.at || (isQuick && mark.seq > sent.seq && mark.at >= queuedAt)),
    );
  }
}

/** How far each cumulative status reaches: the seq of the newest message that is named for it. */
export interface ReachedSeqs {
  readonly delivered: number;
  readonly read: number;
}

export function reachedSeqs(outgoing: Iterable<OutFacts>, mids: MidBook): ReachedSeqs {
  const reached = { delivered: 0, read: 0 };
  for (const facts of outgoing) {
    if (facts.queued === undefined) continue;
    // The last part's mid stands for the whole message.
    const named = mids.get(facts.mids.at(-1) ?? '')?.marks;
    for (const status of ['delivered', 'read'] as const) {
      if (!facts.marks.has(status) && named?.has(status) !== true) continue;
      reached[status] = Math.max(reached[status], facts.queued.seq);
    }
  }
  return reached;
}

export interface StatusView {
  readonly status: MessageStatus;
  readonly error?: ReplyError;
}

/** queued < uncertain, failed < sent < delivered < read: the furthest that any fact supports. */
export function statusOf(facts: OutFacts, reached: ReachedSeqs, marks: Watermarks): StatusView {
  const { queued, sent, attempt } = facts;
  const isOut = sent !== undefined && queued !== undefined;
  const has = (status: 'delivered' | 'read'): boolean =>
    facts.marks.has(status) ||
    (isOut && (queued.seq <= reached[status] || marks.covers(status, sent, queued.at)));
  if (has('read')) return { status: 'read' };
  if (has('delivered')) return { status: 'delivered' };
  if (sent !== undefined) return { status: 'sent' };
  if (attempt === undefined) return { status: 'queued' };
  return { status: attempt.status, ...(attempt.error ? { error: attempt.error } : {}) };
}
