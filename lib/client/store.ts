// All conversations and the threads that are open, folded from a desk's snapshot and events. What the console
// draws from; useful to any other desk. Knows nothing of drawing.

import { emptyConversation, foldConversation, UnreadMarks } from './conversation-fold.ts';
import type { Desk } from './desk.ts';
import { MidChanges } from './mid-changes.ts';
import type { ConversationView, EventMessage, OutgoingContent, ReplyError } from './protocol.ts';
import { type HistoryPage, Thread } from './thread.ts';

/** Conversations that are held; beyond it those that were quiet the longest go. */
export const CONVERSATIONS_MAX = 20_000;
/** Threads that are held; beyond it the one that was not opened for the longest goes. */
export const THREADS_MAX = 50;

export type StoreChange =
  | { readonly type: 'conversation'; readonly conversation: string }
  | { readonly type: 'thread'; readonly conversation: string }
  | { readonly type: 'alarm'; readonly page: string }
  | { readonly type: 'reset' };

/** A page.alarm that is raised. */
export interface PageAlarm {
  readonly page: string;
  readonly alarm: string;
  readonly since: number;
  readonly why: string;
}

export class Store {
  readonly #conversations = new Map<string, ConversationView>();
  readonly #unread = new Map<string, UnreadMarks>();
  /** Only of conversations in which something was edited or taken back. */
  readonly #midChanges = new Map<string, MidChanges>();
  readonly #threads = new Map<string, Thread>();
  readonly #alarms = new Map<string, PageAlarm>();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #sorted: readonly ConversationView[] | undefined;

  /** Follows a desk; the result ends it. */
  attach(desk: Desk): () => void {
    const ends = [
      desk.on('event', (event) => this.apply(event)),
      desk.on('snapshot', (part) => this.snapshot(part)),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  subscribe(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Newest message first; what is no message moves nothing. The same array while nothing changed.
   */
  get conversations(): readonly ConversationView[] {
    this.#sorted ??= [...this.#conversations.values()].sort(
      (a, b) => b.last.at - a.last.at || (a.conversation < b.conversation ? -1 : 1),
    );
    return this.#sorted;
  }

  get alarms(): readonly PageAlarm[] {
    return [...this.#alarms.values()];
  }

  conversation(name: string): ConversationView | undefined {
    return this.#conversations.get(name);
  }

  /** The thread of a conversation; begins an empty one that waits for its history. */
  thread(name: string): Thread {
    const thread = this.#threads.get(name) ?? new Thread(name);
    this.#threads.delete(name);
    this.#threads.set(name, thread);
    if (this.#threads.size > THREADS_MAX) {
      for (const oldest of this.#threads.keys()) {
        this.#threads.delete(oldest);
        break;
      }
    }
    return thread;
  }

  snapshot(part: {
    readonly part: number;
    readonly conversations: readonly ConversationView[];
  }): void {
    if (part.part === 1) this.#reset();
    this.addConversations(part.conversations);
  }

  /**
   * Conversations of a snapshot or a `list`: an object that is older than what is here is
   * ignored.
   */
  addConversations(conversations: readonly ConversationView[]): void {
    for (const view of conversations) {
      if (isOfPage(view.conversation)) continue;
      const known = this.#conversations.get(view.conversation);
      if (known !== undefined && known.seq > view.seq) continue;
      this.#unread.set(view.conversation, new UnreadMarks(view.unread, view.seq));
      this.#put(view);
    }
  }

  apply(event: EventMessage): void {
    const { conversation } = event;
    if (event.kind === 'page.alarm') this.#foldAlarm(event);
    const thread = this.#threads.get(conversation);
    if (thread?.apply(event)) {
      if (thread.isOverfull) thread.clear();
      this.#tell({ type: 'thread', conversation });
    }
    if (isOfPage(conversation)) return;
    const view = this.#conversations.get(conversation) ?? emptyConversation(event);
    if (event.seq <= view.seq) return;
    const marks = this.#unread.get(conversation) ?? new UnreadMarks(0, 0);
    this.#unread.set(conversation, marks);
    this.#put(foldConversation(view, event, marks, this.#noteChange(event)));
  }

  addHistory(conversation: string, page: HistoryPage, isNewest: boolean): void {
    this.thread(conversation).addHistory(page, isNewest);
    this.#tell({ type: 'thread', conversation });
  }

  /** Shows what is being sent before the gateway confirms it. */
  addLocal(conversation: string, request: string, content: OutgoingContent, at: number): void {
    this.thread(conversation).addLocal(request, content, at);
    this.#tell({ type: 'thread', conversation });
  }

  /** What became of it: an error, or undefined when it is tried again. */
  refuseLocal(conversation: string, request: string, error: ReplyError | undefined): void {
    this.thread(conversation).refuseLocal(request, error);
    this.#tell({ type: 'thread', conversation });
  }

  dropLocal(conversation: string, request: string): void {
    this.thread(conversation).dropLocal(request);
    this.#tell({ type: 'thread', conversation });
  }

  /** A resolve was accepted. */
  resolved(conversation: string, outbox: string, action: 'resend' | 'discard'): void {
    const thread = this.thread(conversation);
    thread.resolve(outbox, action, thread.head);
    this.#tell({ type: 'thread', conversation });
  }

  #reset(): void {
    this.#conversations.clear();
    this.#unread.clear();
    this.#midChanges.clear();
    this.#alarms.clear();
    this.#sorted = undefined;
    for (const thread of this.#threads.values()) thread.markStale();
    this.#tell({ type: 'reset' });
  }

  #put(view: ConversationView): void {
    this.#conversations.set(view.conversation, view);
    this.#sorted = undefined;
    if (this.#conversations.size > CONVERSATIONS_MAX) {
      const quietest = this.conversations.at(-1)?.conversation ?? '';
      this.#conversations.delete(quietest);
      this.#unread.delete(quietest);
      this.#midChanges.delete(quietest);
      this.#sorted = undefined;
    }
    this.#tell({ type: 'conversation', conversation: view.conversation });
  }

  #noteChange(event: EventMessage): MidChanges | undefined {
    const { conversation, kind } = event;
    let changes = this.#midChanges.get(conversation);
    if (kind !== 'message.edited' && kind !== 'message.deleted') return changes;
    changes ??= new MidChanges();
    this.#midChanges.set(conversation, changes);
    changes.note(event);
    return changes;
  }

  #foldAlarm(event: EventMessage): void {
    const page = event.conversation.split('/')[1] ?? '';
    const alarm = String(event.data['alarm'] ?? '');
    if (event.data['state'] === 'cleared') this.#alarms.delete(`${page}/${alarm}`);
    else {
      const since = typeof event.data['since'] === 'number' ? event.data['since'] : event.at;
      const why = String(event.data['why'] ?? '');
      this.#alarms.set(`${page}/${alarm}`, { page, alarm, since, why });
    }
    this.#tell({ type: 'alarm', page });
  }

  #tell(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** `messenger/PAGE`: what concerns the Page itself is no conversation. */
function isOfPage(conversation: string): boolean {
  return conversation.split('/').length < 3;
}
