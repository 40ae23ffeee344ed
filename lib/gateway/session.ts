// One agent's connection: hello, then requests in order, until it ends. What leaves for it is feed.ts;
// what requests do is session-requests.ts.
//
//   hello awaited --hello--> joined --close, token over, replaced, drain--> ended
//        |                     |
//        +-- 10 s: 4008        +-- requests: one at a time, REQUESTS_WAITING_MAX wait, then the
//        +-- request: 4400         socket is not read

import type { Clock } from '../base/clock.ts';
import { isSluiceError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Person } from '../desk/records.ts';
import type { Journal } from '../journal/types.ts';
import type { ServerSocket } from '../server/types.ts';
import { type Disconnect, Disconnects } from './disconnect.ts';
import { Feed, type SnapshotPlan } from './feed.ts';
import type { Hub } from './hub.ts';
import {
  EXPIRING_MS,
  HELLO_TIMEOUT_MS,
  REQUEST_ID_CHARS_MAX,
  REQUESTS_WAITING_LOW,
  REQUESTS_WAITING_MAX,
  STALL_MAX_MS,
} from './limits.ts';
import { RateLimit } from './rate-limit.ts';
import { errorText, RequestError } from './request-error.ts';
import type { Scope } from './scope.ts';
import type { Sessions } from './sessions.ts';
import type { GatewayCounters } from './stats.ts';
import { type AgentIdentity, sessionEnd } from './tokens.ts';

export type Message = Readonly<Record<string, unknown>> & { readonly type: string };

/** Answers a request with the reply's `data` as JSON text; undefined: nothing is to be answered. */
export type RequestHandler = (
  session: Session,
  message: Message,
) => Promise<string | undefined> | string | undefined;

/** What all sessions of a gateway share. */
export interface SessionWorld {
  readonly hub: Hub;
  readonly sessions: Sessions;
  readonly journal: Journal;
  readonly handle: RequestHandler;
  readonly snapshot: (scope: Scope) => SnapshotPlan;
  readonly viewText: (conversation: string) => string | undefined;
  readonly later: (task: () => void) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: GatewayCounters;
  readonly heartbeatSeconds: number;
  readonly replayMax: number;
  readonly requestsPerSecond: number;
}

interface Waiting {
  readonly message: Message;
  /** Set when the session asked too often: how long it should wait. */
  readonly retryAfterMs: number | undefined;
}

/** What a session uses of its socket. */
export type SessionSocket = Pick<
  ServerSocket<unknown>,
  | 'request'
  | 'isOpen'
  | 'pendingBytes'
  | 'send'
  | 'close'
  | 'pause'
  | 'resume'
  | 'subscribe'
  | 'unsubscribe'
>;

export class Session {
  readonly #world: SessionWorld;
  readonly #socket: SessionSocket;
  readonly #feed: Feed;
  readonly #rate: RateLimit;
  readonly #openedAt: number;
  #identity: AgentIdentity;
  #endsAt: number;
  #isWarned = false;
  #tab = '';
  #joinedAt = 0;
  #state: 'new' | 'joined' | 'ended' = 'new';
  readonly #waiting: Waiting[] = [];
  #isHandling = false;
  #isPaused = false;
  #farewell: Disconnect | undefined;

  constructor(world: SessionWorld, socket: SessionSocket, identity: AgentIdentity) {
    const { clock, hub, journal, viewText, later } = world;
    this.#world = world;
    this.#socket = socket;
    this.#identity = identity;
    this.#openedAt = clock.monotonicMs();
    this.#endsAt = sessionEnd(identity, clock.now());
    this.#rate = new RateLimit(world.requestsPerSecond, this.#openedAt);
    this.#feed = new Feed({
      socket,
      hub,
      journal,
      viewText,
      later,
      scope: identity.scope,
      now: () => clock.monotonicMs(),
      onUnblocked: () => this.#handleNext(),
      onLost: () => this.disconnect(Disconnects.replayLost),
      onFailed: (error) => this.#feedOnFailed(error),
    });
    world.sessions.add(this);
  }

  get person(): Person {
    return this.#identity.person;
  }

  get scope(): Scope {
    return this.#identity.scope;
  }

  /** The name that the client's tab gave itself; '' before hello. */
  get tab(): string {
    return this.#tab;
  }

  /** When it said hello, in ms since the epoch; 0 before. */
  get joinedAt(): number {
    return this.#joinedAt;
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** A message of the client. */
  receive(data: string | Buffer): void {
    if (this.#state === 'ended') return;
    const message = typeof data === 'string' ? parseMessage(data) : undefined;
    if (message === undefined) {
      this.disconnect(Disconnects.badFrame);
      return;
    }
    if (this.#state === 'new') {
      if (message.type === 'hello') this.#join(message);
      else this.disconnect(Disconnects.notJoined);
      return;
    }
    const isWithin = this.#rate.take(this.#world.clock.monotonicMs());
    this.#waiting.push({ message, retryAfterMs: isWithin ? undefined : this.#rate.retryAfterMs });
    if (this.#waiting.length >= REQUESTS_WAITING_MAX && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket.pause();
    }
    this.#handleNext();
  }

  drained(): void {
    this.#feed.drained();
  }

  /** A publish skipped the socket: over queueBytes. */
  fellBehind(): void {
    if (this.#feed.isLive) this.#world.counters.sessionsSlow += 1;
    this.#feed.fellBehind();
  }

  /** Shows something that is not durable. */
  hint(text: string): void {
    if (this.#state === 'joined') this.#feed.hint(text);
  }

  /** Tells the client to come back in `retryInMs`; what it asked already is still answered. */
  drain(retryInMs: number): void {
    if (this.#state === 'joined') this.#feed.write(`{"type":"drain","retryInMs":${retryInMs}}`);
  }

  /** Requests that are not answered yet. */
  get requestsWaiting(): number {
    return this.#waiting.length + (this.#isHandling ? 1 : 0);
  }

  /** Takes a renewed token of the same agent and the same scope. */
  renew(identity: AgentIdentity): void {
    this.#identity = identity;
    this.#endsAt = sessionEnd(identity, this.#world.clock.now());
    this.#isWarned = false;
  }

  /** Ends the session after the reply to the request that is being handled. */
  disconnectSoon(reason: Disconnect): void {
    this.#farewell = reason;
  }

  disconnect(reason: Disconnect): void {
    if (this.#state === 'ended') return;
    this.closed();
    this.#socket.close(reason.code, reason.reason);
  }

  /** The socket is gone, or going. */
  closed(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#waiting.length = 0;
    this.#feed.end();
    this.#world.sessions.remove(this);
  }

  /** Looks at the clock: hello, token, stall, heartbeat. Called about once a second. */
  sweep(): void {
    const { clock, heartbeatSeconds, counters } = this.#world;
    const now = clock.monotonicMs();
    if (this.#state === 'new' && now - this.#openedAt >= HELLO_TIMEOUT_MS) {
      this.disconnect(Disconnects.helloTimeout);
      return;
    }
    if (clock.now() >= this.#endsAt) {
      this.disconnect(Disconnects.tokenExpired);
      return;
    }
    this.#feed.recheck();
    if (this.#feed.stalledMs() >= STALL_MAX_MS) {
      counters.sessionsStalled += 1;
      this.disconnect(Disconnects.slow);
      return;
    }
    if (this.#state !== 'joined') return;
    this.#warnOfEnd();
    if (now - this.#feed.sentAt >= heartbeatSeconds * 1000) this.#feed.heartbeat();
  }

  #join(message: Message): void {
    const { sessions, hub, journal, heartbeatSeconds, clock } = this.#world;
    this.#tab = textUpTo(message['session'], REQUEST_ID_CHARS_MAX);
    this.#joinedAt = clock.now();
    sessions.joined(this)?.disconnect(Disconnects.replaced);
    this.#state = 'joined';
    const since = this.#resumable(message['since']);
    const welcome = {
      type: 'welcome',
      id: textUpTo(message['id'], REQUEST_ID_CHARS_MAX),
      agent: this.person,
      pages: this.scope.pages,
      scope: this.scope.id,
      epoch: journal.epoch,
      seq: hub.position,
      recovered: since !== undefined,
      heartbeatSeconds,
      expiresAt: this.#identity.expiresAt,
    };
    this.#feed.write(JSON.stringify(welcome));
    this.#warnOfEnd();
    if (since === undefined) this.#feed.startWithSnapshot(this.#world.snapshot(this.scope));
    else this.#feed.startAt(since);
  }

  /**
   * The seq to go on from, when the client's state can be continued (contract.md section 4,
   * "Joining").
   */
  #resumable(since: unknown): number | undefined {
    if (typeof since !== 'object' || since === null) return undefined;
    const { epoch, seq, scope } = since as Record<string, unknown>;
    const { journal, hub, replayMax } = this.#world;
    if (epoch !== journal.epoch || !Number.isSafeInteger(seq)) return undefined;
    if (scope !== undefined && scope !== this.scope.id) return undefined;
    const from = seq as number;
    if (from < 0 || from > hub.position || from + 1 < journal.tailSeq) return undefined;
    return hub.position - from > replayMax ? undefined : from;
  }

  #feedOnFailed(error: unknown): void {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.log.error({ agent: this.person.id, reason }, 'A session could not be served.');
    this.disconnect(Disconnects.failed);
  }

  #warnOfEnd(): void {
    const inMs = this.#endsAt - this.#world.clock.now();
    if (this.#isWarned || inMs > EXPIRING_MS) return;
    this.#isWarned = true;
    this.#feed.write(`{"type":"expiring","inMs":${Math.max(0, inMs)}}`);
  }

  #handleNext(): void {
    if (this.#isHandling || this.#feed.isBlocked || this.#state !== 'joined') return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    if (this.#isPaused && this.#waiting.length <= REQUESTS_WAITING_LOW) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.#isHandling = true;
    this.#answer(next).then(() => {
      this.#isHandling = false;
      if (this.#farewell === undefined) this.#handleNext();
      else this.disconnect(this.#farewell);
    });
  }

  /** Never rejects. */
  async #answer({ message, retryAfterMs }: Waiting): Promise<void> {
    const id = message['id'];
    const idText = JSON.stringify(textUpTo(id, REQUEST_ID_CHARS_MAX));
    try {
      this.#world.counters.requests += 1;
      if (retryAfterMs !== undefined) {
        throw new RequestError(
          'rate_limited',
          'Too many requests.',
          `{"retryAfterMs":${retryAfterMs}}`,
        );
      }
      const data = await this.#world.handle(this, message);
      if (data !== undefined)
        this.#feed.write(`{"type":"reply","id":${idText},"ok":true,"data":${data}}`);
    } catch (error) {
      this.#world.counters.requestsRefused += 1;
      if (message.type === 'typing') return;
      const refusal = errorText(this.#toRequestError(error));
      this.#feed.write(`{"type":"reply","id":${idText},"ok":false,"error":${refusal}}`);
    }
  }

  #toRequestError(error: unknown): RequestError {
    if (error instanceof RequestError) return error;
    if (isSluiceError(error, 'ERR_JOURNAL_UNAVAILABLE') || isSluiceError(error, 'ERR_CLOSED')) {
      return new RequestError('unavailable', 'Nothing can be stored now.');
    }
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.log.error({ agent: this.person.id, reason }, 'A request failed.');
    return new RequestError('internal', 'The request failed.');
  }
}

/** A JSON object with a type; undefined when the text is anything else. */
export function parseMessage(text: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return typeof (value as Message).type === 'string' ? (value as Message) : undefined;
}

function textUpTo(value: unknown, charsMax: number): string {
  return typeof value === 'string' ? value.slice(0, charsMax) : '';
}
