// The messages of one conversation, folded from its events. The result does not depend on the order in which
// the events come: live ones, repeats and pages of history mix freely (a test shuffles them).

import { MidBook, type OutFacts, reachedSeqs, statusOf, Watermarks } from './facts.ts';
import { type ChatItem, type ChatMessage, type ChatNote, NOTE_KINDS } from './message.ts';
import type { EventMessage, OutgoingContent, ReplyError } from './protocol.ts';
import {
  byTimeThenSeq,
  errorOf,
  type InFacts,
  type LocalFacts,
  noteOf,
  numberOf,
  textOf,
  timeOf,
  viewOfIncoming,
  viewOfLocal,
  viewOfOutgoing,
} from './views.ts';

/**
 * Events of one conversation that are kept; a conversation that grows over it is loaded anew from
 * its end.
 */
export const THREAD_EVENTS_MAX = 10_000;

export interface HistoryPage {
  readonly events: readonly EventMessage[];
  readonly complete: boolean;
}

export class Thread {
  readonly conversation: string;
  readonly #seqs = new Set<number>();
  readonly #incoming = new Map<string, InFacts>();
  readonly #outgoing = new Map<string, OutFacts>();
  readonly #local = new Map<string, LocalFacts>();
  readonly #notes = new Map<number, ChatNote>();
  readonly #mids = new MidBook();
  readonly #requests = new Set<string>();
  readonly #marks = new Watermarks();
  #views = new Map<string, ChatMessage>();
  #items: readonly ChatItem[] | undefined;
  /** seq of the newest event that is folded in. */
  #head = 0;
  /** Below this seq nothing is loaded yet; undefined before the first page. */
  #before: number | undefined;
  #isComplete = false;
  #isLoaded = false;
  /** Up to which seq nothing was missing when the thread became stale. */
  #heldHead = 0;
  /** Events that came while the newest page is awaited. */
  #fresh: EventMessage[] = [];

  constructor(conversation: string) {
    this.conversation = conversation;
  }

  get head(): number {
    return this.#head;
  }

  /** Where the next page of history begins; pass it as `before`. */
  get before(): number | undefined {
    return this.#before;
  }

  /** True when the beginning of the conversation is loaded. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** False until the newest page is here, and again after a gap. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /**
   * Messages and notes in the order of (time at Meta, seq). The same array while nothing changed.
   */
  get items(): readonly ChatItem[] {
    this.#items ??= this.#build();
    return this.#items;
  }

  /** The text of a message by its mid, for the quote of an answer. */
  findByMid(mid: string): ChatMessage | undefined {
    return this.items.find(
      (item): item is ChatMessage => item.type === 'message' && item.mids.includes(mid),
    );
  }

  /** Folds one event in; false when it was already there. */
  apply(event: EventMessage): boolean {
    if (this.#seqs.has(event.seq)) return false;
    this.#seqs.add(event.seq);
    this.#head = Math.max(this.#head, event.seq);
    if (!this.#isLoaded) this.#fresh.push(event);
    this.#fold(event);
    this.#items = undefined;
    return true;
  }

  /**
   * Merges a page of history. A page of the newest that does not reach what is here replaces it.
   */
  addHistory(page: HistoryPage, isNewest: boolean): void {
    const first = page.events.reduce((seq, event) => Math.min(seq, event.seq), Infinity);
    const firstPrev = page.events.find((event) => event.seq === first)?.prev ?? 0;
    const hasHole = isNewest && this.#heldHead > 0 && firstPrev > this.#heldHead;
    if (hasHole && !page.complete) this.#restart();
    for (const event of page.events) this.apply(event);
    if (first < (this.#before ?? Infinity)) this.#before = first;
    if (page.complete) this.#isComplete = true;
    if (isNewest) {
      this.#isLoaded = true;
      this.#fresh = [];
    }
    this.#items = undefined;
  }

  /** Events may be missing: the newest page has to be loaded again. */
  markStale(): void {
    if (!this.#isLoaded) return;
    this.#isLoaded = false;
    this.#heldHead = this.#head;
  }

  /** Too much is held: it should be cleared, and the newest page loaded again. */
  get isOverfull(): boolean {
    return this.#seqs.size > THREAD_EVENTS_MAX;
  }

  /**
   * Shows a message before the gateway has it; the message.queued with the same request takes its
   * place.
   */
  addLocal(request: string, content: OutgoingContent, at: number): void {
    if (this.#requests.has(request)) return;
    // Another clock than the gateway's: never above what is already shown.
    const last = this.items.at(-1)?.at ?? 0;
    this.#local.set(request, { content, at: Math.max(at, last) });
    this.#touch(request);
  }

  /** The gateway did not take it, or we do not know. */
  refuseLocal(request: string, error: ReplyError | undefined): void {
    const local = this.#local.get(request);
    if (local === undefined) return;
    if (error === undefined) delete local.error;
    else local.error = error;
    this.#touch(request);
  }

  dropLocal(request: string): void {
    if (this.#local.delete(request)) this.#touch(request);
  }

  /** A resolve of ours was accepted; the gateway tells nobody else of it. */
  resolve(outbox: string, action: 'resend' | 'discard', seq: number): void {
    this.#noteAttempt(outbox, action === 'resend' ? 'queued' : 'discarded', seq, undefined);
    this.#items = undefined;
  }

  clear(): void {
    this.#clear();
    this.#items = undefined;
  }

  #fold(event: EventMessage): void {
    const { kind, data } = event;
    switch (kind) {
      case 'message.received':
      case 'message.outside':
        this.#foldIncoming(event, kind === 'message.received' ? 'customer' : 'outside');
        break;
      case 'message.queued':
        this.#foldQueued(event);
        break;
      case 'message.sent':
        this.#foldSent(event);
        break;
      case 'message.failed':
      case 'message.uncertain': {
        const status = kind === 'message.failed' ? 'failed' : 'uncertain';
        this.#noteAttempt(textOf(data['message']), status, event.seq, errorOf(data['error']));
        break;
      }
      case 'message.resolved': {
        const status = data['action'] === 'resend' ? 'queued' : 'discarded';
        this.#noteAttempt(textOf(data['message']), status, event.seq, undefined);
        break;
      }
      case 'message.delivered':
      case 'message.read':
        this.#foldWatermark(event, kind === 'message.read' ? 'read' : 'delivered');
        break;
      case 'message.edited':
      case 'message.deleted':
      case 'reaction':
        this.#touchMid(this.#mids.fold(event));
        break;
      default:
        if (NOTE_KINDS.has(kind)) this.#notes.set(event.seq, noteOf(event));
    }
  }

  /** The first event of a mid is the message; another with the same mid adds nothing. */
  #foldIncoming(event: EventMessage, from: 'customer' | 'outside'): void {
    const mid = textOf(event.data['mid']) || `seq:${event.seq}`;
    const known = this.#incoming.get(mid);
    if (known !== undefined && known.event.seq < event.seq) return;
    this.#incoming.set(mid, { mid, from, event });
    this.#touch(mid);
  }

  #foldQueued(event: EventMessage): void {
    const outbox = textOf(event.data['message']);
    const facts = this.#out(outbox);
    facts.queued = event;
    const request = textOf(event.data['request']);
    this.#requests.add(request);
    this.#local.delete(request);
    this.#touch(outbox);
  }

  #foldSent(event: EventMessage): void {
    const outbox = textOf(event.data['message']);
    const facts = this.#out(outbox);
    facts.sent = { at: timeOf(event), seq: event.seq };
    const mids = event.data['mids'];
    facts.mids = Array.isArray(mids) ? mids.map(textOf) : [textOf(event.data['mid'])];
    this.#touch(outbox);
  }

  #foldWatermark(event: EventMessage, status: 'delivered' | 'read'): void {
    const watermark = numberOf(event.data['watermark']);
    this.#marks.add(status, watermark, event.seq);
    const { mids, mid, message } = event.data;
    for (const each of Array.isArray(mids) ? mids : []) this.#mids.mark(textOf(each), status);
    if (typeof mid === 'string') this.#mids.mark(mid, status);
    if (typeof message === 'string') this.#out(message).marks.add(status);
  }

  #noteAttempt(
    outbox: string,
    status: 'queued' | 'failed' | 'uncertain' | 'discarded',
    seq: number,
    error: ReplyError | undefined,
  ): void {
    const facts = this.#out(outbox);
    if (facts.attempt !== undefined && facts.attempt.seq > seq) return;
    facts.attempt = { status, seq, ...(error === undefined ? {} : { error }) };
    this.#touch(outbox);
  }

  #out(outbox: string): OutFacts {
    let facts = this.#outgoing.get(outbox);
    if (facts === undefined) {
      facts = { mids: [], marks: new Set() };
      this.#outgoing.set(outbox, facts);
    }
    return facts;
  }

  #touch(key: string): void {
    this.#views.delete(key);
    this.#items = undefined;
  }

  #touchMid(mid: string): void {
    this.#touch(mid);
    for (const [outbox, facts] of this.#outgoing) if (facts.mids.includes(mid)) this.#touch(outbox);
  }

  /**
   * Forgets everything but what came in since: the page that is being added joins only with that.
   */
  #restart(): void {
    const fresh = this.#fresh;
    this.#clear();
    for (const event of fresh) this.apply(event);
  }

  #clear(): void {
    this.#seqs.clear();
    for (const map of [this.#incoming, this.#outgoing, this.#notes, this.#views]) map.clear();
    this.#mids.clear();
    this.#marks.clear();
    this.#head = 0;
    this.#before = undefined;
    this.#isComplete = false;
    this.#isLoaded = false;
    this.#heldHead = 0;
    this.#fresh = [];
  }

  #build(): readonly ChatItem[] {
    const views = new Map<string, ChatMessage>();
    const keep = (key: string, make: () => ChatMessage): void => {
      views.set(key, this.#views.get(key) ?? make());
    };
    const ours = new Set<string>();
    const reached = reachedSeqs(this.#outgoing.values(), this.#mids);
    for (const [outbox, facts] of this.#outgoing) {
      for (const mid of facts.mids) ours.add(mid);
      const { queued } = facts;
      if (queued === undefined) continue;
      const status = statusOf(facts, reached, this.#marks);
      if (this.#views.get(outbox)?.status !== status.status) this.#views.delete(outbox);
      keep(outbox, () => viewOfOutgoing(outbox, { ...facts, queued }, status, this.#mids));
    }
    for (const facts of this.#incoming.values()) {
      // An echo of a message that is ours after all.
      if (facts.from === 'outside' && ours.has(facts.mid)) continue;
      keep(facts.mid, () => viewOfIncoming(facts, this.#mids.get(facts.mid)));
    }
    for (const [request, facts] of this.#local) keep(request, () => viewOfLocal(request, facts));
    this.#views = views;
    return [...views.values(), ...this.#notes.values()].sort(byTimeThenSeq);
  }
}
