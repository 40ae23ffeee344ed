// The state of the page: one desk, one store, and what the person chose. Views read signals and call methods;
// nothing here knows how it is drawn.

import { computed, type ReadonlySignal, signal } from '@preact/signals';
import {
  type ChatMessage,
  type ConversationView,
  connect,
  type Desk,
  type DeskState,
  type EventMessage,
  Store,
  type Welcome,
} from '../../client/index.ts';
import { customerName, previewText } from './format.ts';
import { t } from './language.ts';
import { ListPager } from './list-pager.ts';
import { dropToken, keepToken, subjectOf } from './login.ts';
import { announcement, playSound, showUnread } from './notify.ts';
import { Outgoing } from './outgoing.ts';
import { ThreadLoader } from './thread-loader.ts';
import { TypingPeople } from './typing-people.ts';
import { UnsentTexts } from './unsent.ts';

/** Why the login screen is shown; undefined: no reason but the wish to. */
export type LoginProblem = 'unauthorized' | 'forbidden' | undefined;
export type Filter = 'open' | 'all' | 'closed';

const SELECTED_KEY = 'sluice.selected';
/** A replayed message older than this makes no sound. */
const FRESH_MS = 60_000;

export class App {
  readonly store = new Store();
  readonly desk: Desk;
  readonly texts: UnsentTexts;
  readonly outgoing: Outgoing;
  readonly loader: ThreadLoader;
  readonly pager: ListPager;
  readonly typing = new TypingPeople();
  readonly connection = signal<DeskState>({ state: 'connecting', attempt: 0 });
  readonly welcome = signal<Welcome | undefined>(undefined);
  readonly hasBeenOnline = signal(false);
  /** When the login ends, if there is no other token. */
  readonly expiresAt = signal<number | undefined>(undefined);
  readonly filter = signal<Filter>('open');
  readonly query = signal('');
  readonly selected = signal<string | undefined>(undefined);
  /** Grows when a draft was changed from outside of the answer box. */
  readonly draftVersion = signal(0);
  readonly answering = signal<ChatMessage | undefined>(undefined);
  /** Grow whenever the store's list or the selected thread changed. */
  readonly listVersion = signal(0);
  readonly threadVersion = signal(0);
  readonly visible: ReadonlySignal<readonly ConversationView[]>;
  readonly #onEnd: (problem: LoginProblem) => void;
  readonly #ended = new AbortController();
  #token: string;
  #lastView: ConversationView | undefined;
  #isDrawn = true;

  constructor(token: string, onEnd: (problem: LoginProblem) => void) {
    this.#token = token;
    this.#onEnd = onEnd;
    this.texts = new UnsentTexts(subjectOf(token));
    this.selected.value = sessionStorage.getItem(SELECTED_KEY) ?? undefined;
    this.desk = connect({ url: agentsUrl(), token: () => this.#token });
    this.store.attach(this.desk);
    this.outgoing = new Outgoing(this.desk, this.store, this.texts);
    this.loader = new ThreadLoader(this.desk, this.store);
    this.pager = new ListPager(this.desk, this.store);
    this.visible = computed(() => this.#findVisible());
    this.#listen();
    this.outgoing.resume();
  }

  get selectedView(): ConversationView | undefined {
    const name = this.selected.value;
    if (name === undefined) return undefined;
    const view = this.store.conversation(name);
    if (view !== undefined) this.#lastView = view;
    return view ?? (this.#lastView?.conversation === name ? this.#lastView : undefined);
  }

  select(conversation: string | undefined): void {
    if (this.selected.value === conversation) return;
    this.selected.value = conversation;
    this.answering.value = undefined;
    if (conversation === undefined) sessionStorage.removeItem(SELECTED_KEY);
    else sessionStorage.setItem(SELECTED_KEY, conversation);
    this.loadSelected();
  }

  /** Moves the selection in the visible list; at an end it stays. */
  move(step: 1 | -1): void {
    const list = this.visible.value;
    const at = list.findIndex((view) => view.conversation === this.selected.value);
    const next = at === -1 ? (step === 1 ? 0 : list.length - 1) : at + step;
    const view = list[Math.max(0, Math.min(list.length - 1, next))];
    if (view !== undefined) this.select(view.conversation);
  }

  setFilter(filter: Filter): void {
    this.filter.value = filter;
    if (filter !== 'open') void this.pager.more(filter);
  }

  loadSelected(): void {
    const name = this.selected.value;
    if (name !== undefined && this.connection.value.state === 'online') {
      void this.loader.loadNewest(name);
    }
  }

  /** The person sees the end of the selected conversation. */
  markSeen(): void {
    const view = this.selectedView;
    if (view === undefined || view.unread === 0 || document.visibilityState !== 'visible') return;
    if (this.connection.value.state !== 'online') return;
    this.desk.seen(view.conversation, view.seq).catch((err: unknown) => {
      console.warn('sluice: the read mark was not taken', err);
    });
  }

  /** Whether a token is of the person who is logged in. */
  belongsTo(token: string): boolean {
    return subjectOf(token) === subjectOf(this.#token);
  }

  /** A new link for the same tab. */
  useToken(token: string): void {
    this.#token = token;
    keepToken(token);
    this.desk.reconnect();
  }

  logOut(): void {
    dropToken();
    sessionStorage.removeItem(SELECTED_KEY);
    this.desk.close();
    this.#end(undefined);
  }

  #listen(): void {
    const { desk } = this;
    desk.on('state', (state) => this.#deskOnState(state));
    desk.on('welcome', (welcome) => {
      this.welcome.value = welcome;
      this.hasBeenOnline.value = true;
      this.expiresAt.value = undefined;
    });
    desk.on('event', (event) => this.#deskOnEvent(event));
    desk.on('snapshot', (part) => {
      if (part.part === 1) this.pager.reset();
      if (part.last) this.loadSelected();
    });
    desk.on('signal', (signal) => this.typing.take(signal));
    desk.on('expiring', ({ inMs, renewed }) => {
      this.expiresAt.value = renewed ? undefined : Date.now() + inMs;
    });
    this.store.subscribe(() => this.#draw());
    const { signal: ended } = this.#ended;
    addEventListener('online', () => desk.reconnect(), { signal: ended });
    addEventListener('visibilitychange', () => this.#pageOnVisible(), { signal: ended });
    addEventListener('focus', () => this.markSeen(), { signal: ended });
  }

  #deskOnState(state: DeskState): void {
    this.connection.value = state;
    if (state.state === 'online') this.loadSelected();
    if (state.reason !== 'unauthorized' && state.reason !== 'forbidden') return;
    dropToken();
    this.#end(state.reason);
  }

  /** The page goes back to the login screen; this app is not used any more. */
  #end(problem: LoginProblem): void {
    this.#ended.abort();
    showUnread(0);
    this.#onEnd(problem);
  }

  #deskOnEvent(event: EventMessage): void {
    if (event.kind !== 'message.received' && event.kind !== 'postback') return;
    this.typing.end(event.conversation, undefined);
    const isOpen = this.selected.value === event.conversation;
    if (isOpen && document.visibilityState === 'visible' && document.hasFocus()) return;
    if (Date.now() - event.at > FRESH_MS) return;
    playSound();
    const view = this.store.conversation(event.conversation);
    if (view === undefined) return;
    const text = previewText(view.last.text);
    announcement.value = t('newMessage', { name: customerName(view), text });
  }

  #pageOnVisible(): void {
    if (document.visibilityState !== 'visible') return;
    if (this.connection.value.state === 'waiting') this.desk.reconnect();
    this.markSeen();
  }

  /** Many changes of one moment are drawn once. */
  #draw(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    queueMicrotask(() => {
      this.#isDrawn = true;
      this.listVersion.value++;
      this.threadVersion.value++;
      showUnread(this.store.conversations.filter((view) => view.unread > 0).length);
    });
  }

  #findVisible(): readonly ConversationView[] {
    void this.listVersion.value;
    const filter = this.filter.value;
    const query = this.query.value.trim().toLocaleLowerCase();
    return this.store.conversations.filter((view) => {
      if (filter !== 'all' && view.state !== filter) return false;
      if (query === '') return true;
      const haystack = `${customerName(view)} ${view.last.text} ${view.customer.id}`;
      return haystack.toLocaleLowerCase().includes(query);
    });
  }
}

/** The agents' WebSocket of the host that served this page. */
function agentsUrl(): string {
  const path = document.querySelector('meta[name="sluice-agents-path"]')?.getAttribute('content');
  return new URL(path ?? '/agent', location.origin).href;
}
