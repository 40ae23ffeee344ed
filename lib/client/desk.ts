// The agent's end of the protocol: one Desk keeps one session alive over any number of connections.
// It owns the state machine and the position; messages and conversations are the store's.
//
//      connect()
//         |            welcome
//         v         +---------------> online --+
//   +-> connecting -+                          | close, silence, gap, expired token
//   |     |         | close, no welcome        v
//   |     |         +-----------------> waiting | offline (the system has no network)
//   |     |                                |        |
//   |     |                          timer |        | network is back, or the timer
//   +-----|--------------------------------+--------+
//         v
//      stopped: close(), 1000, 4400, 4401 without a new token, 4403, 4409, session check 401/403;
//               reconnect() leaves it again

import { type CloseVerdict, delayOf, type StopReason, verdictOf } from './backoff.ts';
import { type ClientClock, clientClock } from './clock.ts';
import { Emitter } from './emitter.ts';
import { type PageEvents, takeSession, uuid } from './identity.ts';
import {
  type ConnectOptions,
  type DeskEvents,
  type DeskState,
  globalStorage,
  globalWebSocket,
  type SendOptions,
  type Sent,
  systemHasNetwork,
  type Welcome,
} from './options.ts';
import type { ConversationView, EventMessage, OutgoingContent, ServerMessage } from './protocol.ts';
import {
  DeskError,
  QUESTION_TIMEOUT_MS,
  type ReplyData,
  type Request,
  Requests,
  SEND_TIMEOUT_MS,
} from './requests.ts';
import { SeenMarks } from './seen-marks.ts';
import { probeSession, sessionUrlOf, socketUrlOf } from './session-probe.ts';
import { Line, type WebSocketConstructor } from './socket.ts';
import { Tokens } from './tokens.ts';
import { Tracker } from './tracker.ts';
import { TypingNotes } from './typing-notes.ts';

/** A connection that lasted this long ends the growth of the backoff. */
export const STABLE_MS = 10_000;

export class Desk {
  readonly #options: ConnectOptions;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #webSocket: WebSocketConstructor;
  readonly #session: string;
  readonly #emitter = new Emitter<DeskEvents>();
  readonly #tracker = new Tracker();
  readonly #requests: Requests;
  readonly #typing: TypingNotes;
  #state: DeskState = { state: 'connecting', attempt: 0 };
  #line: Line | undefined;
  /** Grows with every attempt; what belongs to an older one is ignored. */
  #connection = 0;
  #attempt = 0;
  #onlineAt = 0;
  #mustProbe = false;
  #drainMs: number | undefined;
  #retryTimer: { cancel(): void } | undefined;
  #welcome: Welcome | undefined;
  readonly #seen = new SeenMarks();
  readonly #tokens: Tokens;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#clock = options.clock ?? clientClock;
    this.#random = options.random ?? Math.random;
    this.#webSocket = options.webSocket ?? globalWebSocket();
    const storage =
      options.storage === undefined ? globalStorage() : (options.storage ?? undefined);
    this.#session = takeSession(storage, globalThis as PageEvents);
    this.#requests = new Requests(this.#clock);
    this.#typing = new TypingNotes(this.#clock);
    this.#tokens = new Tokens(options.token);
    void this.#connect();
  }

  get state(): DeskState {
    return this.#state;
  }

  /** The last welcome: who we are, which pages; undefined before the first. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  on<Name extends keyof DeskEvents>(name: Name, listener: (value: DeskEvents[Name]) => void) {
    return this.#emitter.on(name, listener);
  }

  off<Name extends keyof DeskEvents>(name: Name, listener: (value: DeskEvents[Name]) => void) {
    this.#emitter.off(name, listener);
  }

  /**
   * Sends a message to the customer. Waits for a connection when there is none.
   * @returns once the gateway has it durably; its fate follows as events
   * @throws DeskError with the protocol's code; `isUnconfirmed`: repeat with the same id only
   */
  async send(
    conversation: string,
    message: OutgoingContent,
    options: SendOptions = {},
  ): Promise<Sent> {
    const { id = uuid(), ...rest } = options;
    this.#typing.forget(conversation);
    const request: Request = { type: 'send', id, conversation, message, ...rest };
    return (await this.#ask(request, SEND_TIMEOUT_MS)) as unknown as Sent;
  }

  /** Decides on an uncertain or failed message: send it again, or let it go. */
  resolve(message: string, action: 'resend' | 'discard'): Promise<ReplyData> {
    return this.#ask({ type: 'resolve', id: uuid(), message, action }, SEND_TIMEOUT_MS);
  }

  /** Moves the team's read mark forward; a mark that is not further is not sent. */
  async seen(conversation: string, seq: number): Promise<void> {
    if (!this.#seen.isNews(conversation, seq)) return;
    try {
      await this.#ask({ type: 'seen', id: uuid(), conversation, seq }, QUESTION_TIMEOUT_MS);
    } catch (err) {
      this.#seen.undo(conversation, seq);
      throw err;
    }
  }

  /**
   * Call it on every key: it is sent when it is due, and not at all while there is no connection.
   */
  typing(conversation: string, on: boolean): void {
    if (this.#state.state !== 'online' || !this.#typing.isDue(conversation, on)) return;
    this.#line?.send({ type: 'typing', conversation, on });
  }

  /** Conversations beyond the snapshot, newest first. */
  async list(query: {
    readonly state: 'open' | 'unclaimed' | 'mine' | 'closed' | 'all';
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ conversations: readonly ConversationView[]; cursor?: string }> {
    const data = await this.#ask({ type: 'list', id: uuid(), ...query }, QUESTION_TIMEOUT_MS);
    return data as unknown as { conversations: readonly ConversationView[]; cursor?: string };
  }

  /**
   * Events of a conversation below `before` (absent: the newest); `complete`: there are none
   * below.
   */
  async history(
    conversation: string,
    query: { readonly before?: number; readonly limit?: number } = {},
  ): Promise<{ events: readonly EventMessage[]; complete: boolean }> {
    const request: Request = { type: 'history', id: uuid(), conversation, ...query };
    const data = await this.#ask(request, QUESTION_TIMEOUT_MS);
    return data as unknown as { events: readonly EventMessage[]; complete: boolean };
  }

  /**
   * Tries at once instead of waiting further; also leaves `stopped`, with a new token if there is
   * one.
   */
  reconnect(): void {
    const { state } = this.#state;
    if (state === 'connecting' || state === 'online') return;
    this.#tokens.forgive();
    this.#retryTimer?.cancel();
    void this.#connect();
  }

  /** Ends the session; requests that wait are rejected as `stopped`. */
  close(): void {
    this.#stop('closed');
  }

  async #connect(): Promise<void> {
    const connection = ++this.#connection;
    this.#drainMs = undefined;
    this.#setState({ state: 'connecting', attempt: this.#attempt });
    const answer = await this.#tokens.next();
    if (connection !== this.#connection) return;
    if (answer.outcome === 'unreachable') {
      this.#retry('jitter');
    } else if (answer.outcome === 'refused') {
      this.#stop('unauthorized');
    } else if (!this.#mustProbe || (await this.#mayOpen(connection, answer.token))) {
      this.#open(connection, answer.token);
    }
  }

  /** After a failed handshake: asks by HTTP, which does say why. */
  async #mayOpen(connection: number, token: string): Promise<boolean> {
    const { sessionUrl = sessionUrlOf(this.#options.url), fetch } = this.#options;
    if (sessionUrl === null) return true;
    const status = await probeSession(sessionUrl, token, fetch);
    if (connection !== this.#connection) return false;
    if (status === 'ok' || status === 'unknown') return true;
    if (status === 'forbidden') this.#stop('forbidden');
    else if (status === 'unauthorized') this.#renew(token);
    else this.#retry('jitter');
    return false;
  }

  #open(connection: number, token: string): void {
    this.#tokens.use(token);
    const isCurrent = (): boolean => connection === this.#connection;
    this.#line = new Line({
      url: socketUrlOf(this.#options.url),
      token,
      webSocket: this.#webSocket,
      clock: this.#clock,
      events: {
        opened: () => isCurrent() && this.#lineOnOpened(),
        message: (message) => isCurrent() && this.#lineOnMessage(message),
        closed: (code, reason, wasOpen) => isCurrent() && this.#lineOnClosed(code, reason, wasOpen),
      },
    });
  }

  #lineOnOpened(): void {
    this.#mustProbe = false;
    const since = this.#tracker.since;
    this.#line?.send({
      type: 'hello',
      id: uuid(),
      session: this.#session,
      ...(since === undefined ? {} : { since }),
    });
  }

  #lineOnMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#lineOnWelcome(message);
        break;
      case 'snapshot':
        this.#tracker.snapshot(message.conversations, message.seq, message.last);
        this.#emitter.emit('snapshot', message);
        break;
      case 'event':
        this.#lineOnEvent(message);
        break;
      case 'position':
        this.#tracker.position(message.seq);
        break;
      case 'signal':
        this.#emitter.emit('signal', message);
        break;
      case 'reply':
        this.#requests.answer(message);
        break;
      case 'expiring':
        void this.#renewOnline(message.inMs);
        break;
      case 'drain':
        this.#drainMs = message.retryInMs;
        break;
    }
  }

  #lineOnWelcome(message: Welcome): void {
    this.#tracker.welcome(message);
    if (!message.recovered) this.#seen.clear();
    this.#welcome = message;
    this.#onlineAt = this.#clock.monotonicMs();
    this.#line?.watchSilence(message.heartbeatSeconds * 2_000);
    this.#emitter.emit('welcome', message);
    this.#setState({ state: 'online', attempt: this.#attempt });
    for (const request of this.#requests.unanswered()) this.#write(request);
  }

  #lineOnEvent(event: EventMessage): void {
    const tracked = this.#tracker.event(event);
    if (tracked.outcome === 'new') {
      this.#emitter.emit('event', event);
    } else if (tracked.outcome === 'gap') {
      this.#tracker.forget();
      const { after, prev } = tracked;
      this.#emitter.emit('gap', { conversation: event.conversation, after, prev });
      this.#line?.abandon('gap');
    }
  }

  #lineOnClosed(code: number, reason: string, wasOpen: boolean): void {
    const connection = this.#connection;
    this.#line = undefined;
    this.#typing.forgetAll();
    if (this.#state.state === 'online') {
      const lasted = this.#clock.monotonicMs() - this.#onlineAt;
      if (lasted >= STABLE_MS) this.#attempt = 0;
    }
    this.#mustProbe = !wasOpen;
    this.#emitter.emit('closed', { code, reason });
    if (connection === this.#connection) this.#follow(verdictOf(code));
  }

  #follow(verdict: CloseVerdict): void {
    if (verdict.kind === 'stop') {
      this.#stop(verdict.reason);
    } else if (verdict.kind === 'renew') {
      this.#renew();
    } else {
      if (!verdict.repeats) this.#requests.rejectWrittenOn(this.#connection);
      this.#retry(verdict.delay);
    }
  }

  /** A token is refused: another is asked for, and if it is the same we stop. */
  #renew(refused?: string): void {
    this.#tokens.refuse(refused);
    this.#retry('jitter');
  }

  async #renewOnline(inMs: number): Promise<void> {
    const connection = this.#connection;
    const renewed = await this.#tokens.another();
    if (connection !== this.#connection) return;
    if (renewed === undefined) {
      this.#emitter.emit('expiring', { inMs, renewed: false });
      return;
    }
    const request: Request = { type: 'token', id: uuid(), token: renewed };
    const answer = this.#requests.add(request, inMs);
    this.#write(request);
    try {
      await answer;
      this.#tokens.use(renewed);
      this.#emitter.emit('expiring', { inMs, renewed: true });
    } catch (err) {
      const error = err as DeskError;
      this.#emitter.emit('expiring', { inMs, renewed: false, error });
    }
  }

  #retry(delay: 'jitter' | 'drain' | 'overload' | 'fault'): void {
    const ms = delayOf(delay, this.#attempt, this.#random, this.#drainMs);
    this.#attempt++;
    this.#retryTimer = this.#clock.after(ms, () => void this.#connect());
    const hasNetwork = this.#options.hasNetwork ?? systemHasNetwork;
    this.#setState({
      state: hasNetwork() ? 'waiting' : 'offline',
      attempt: this.#attempt,
      retryAt: this.#clock.now() + ms,
    });
  }

  #stop(reason: StopReason): void {
    this.#connection++;
    this.#retryTimer?.cancel();
    this.#line?.close();
    this.#line = undefined;
    this.#attempt = 0;
    this.#setState({ state: 'stopped', attempt: 0, reason });
    this.#requests.rejectAll('stopped', `The session ended: ${reason}.`);
  }

  #ask(request: Request, timeoutMs: number): Promise<ReplyData> {
    if (this.#state.state === 'stopped') {
      const error = { code: 'stopped', message: 'The session ended.', retryable: false };
      return Promise.reject(new DeskError(error));
    }
    const answer = this.#requests.add(request, timeoutMs);
    if (this.#state.state === 'online') this.#write(request);
    return answer;
  }

  #write(request: Request): void {
    this.#requests.written(request.id, this.#connection);
    this.#line?.send(request);
  }

  #setState(state: DeskState): void {
    this.#state = state;
    this.#emitter.emit('state', state);
  }
}

/** Opens a session with the gateway and keeps it open. */
export function connect(options: ConnectOptions): Desk {
  return new Desk(options);
}
