// What leaves for one session, in order, as fast as it is taken: one cursor over the journal.
//
//   start -> snapshot parts ---+
//     |                        v
//     +------------------> replay (journal.read from the cursor) -> position -> live (the hub's topic)
//                              ^                                                   |
//                              +---- a publish skipped it: queueBytes unsent ------+
//
// A text that is not accepted is not queued: the cursor stands still until the socket drained. Only
// replies wait, and no request is handled while one does.

import type { Journal, JournalRecord } from '../journal/types.ts';
import type { ServerSocket } from '../server/types.ts';
import { eventFrame } from './event-frame.ts';
import type { Hub, HubGroup } from './hub.ts';
import { CATCH_UP_RECORDS_MAX, SNAPSHOT_PART_MAX, UNBLOCK_BYTES } from './limits.ts';
import type { Scope } from './scope.ts';

export type FeedSocket = Pick<
  ServerSocket,
  'send' | 'isOpen' | 'pendingBytes' | 'subscribe' | 'unsubscribe'
>;

/**
 * The open conversations that a snapshot will show: their names now, their state when a part is
 * sent.
 */
export interface SnapshotPlan {
  readonly seq: number;
  readonly conversations: readonly string[];
}

export interface FeedOptions {
  readonly socket: FeedSocket;
  readonly hub: Hub;
  readonly journal: Pick<Journal, 'read' | 'tailSeq'>;
  readonly scope: Scope;
  /** The conversation object as JSON text; undefined when there is none (any more). */
  readonly viewText: (conversation: string) => string | undefined;
  /** Runs a task in a later turn of the loop: long replays do not hold it. */
  readonly later: (task: () => void) => void;
  readonly now: () => number;
  /** The socket takes text again. */
  readonly onUnblocked: () => void;
  /** The records after the cursor are no longer held. */
  readonly onLost: () => void;
  /** Something could not be read; the feed has ended. */
  readonly onFailed: (error: unknown) => void;
}

type Phase = 'idle' | 'snapshot' | 'replay' | 'live' | 'ended';

export class Feed {
  readonly #options: FeedOptions;
  #phase: Phase = 'idle';
  #cursor = 0;
  #plan: SnapshotPlan = { seq: 0, conversations: [] };
  #partsSent = 0;
  #group: HubGroup | undefined;
  /** Texts that were promised and not accepted: replies. */
  #waiting: string[] = [];
  #isBlocked = false;
  #isRunning = false;
  #isScheduled = false;
  #sentAt: number;
  #pendingSeen = 0;
  #progressAt = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#sentAt = options.now();
  }

  /** The socket is above its high mark: nothing is offered to it until it drained. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get isLive(): boolean {
    return this.#phase === 'live';
  }

  /** When something last left for the session. */
  get sentAt(): number {
    return this.#group === undefined
      ? this.#sentAt
      : Math.max(this.#sentAt, this.#group.publishedAt);
  }

  /** Begins with a snapshot; the events after `plan.seq` follow. */
  startWithSnapshot(plan: SnapshotPlan): void {
    this.#plan = plan;
    this.#cursor = plan.seq;
    this.#phase = 'snapshot';
    this.#run();
  }

  /** Begins with the events after `seq`. */
  startAt(seq: number): void {
    this.#cursor = seq;
    this.#phase = 'replay';
    this.#run();
  }

  /** Sends a text that must arrive, after those that wait already. */
  write(text: string): void {
    if (this.#phase === 'ended') return;
    if (this.#isBlocked || this.#waiting.length > 0 || !this.#offer(text)) this.#waiting.push(text);
  }

  /** Sends a text that nobody misses: only to a live session that is not slow. */
  hint(text: string): void {
    if (this.#phase === 'live' && !this.#isBlocked) this.#offer(text);
  }

  /** Says how far the session is, when nothing else was sent for a while. */
  heartbeat(): void {
    if (this.#phase === 'live' && !this.#isBlocked) this.#offer(this.#positionText());
  }

  /** Goes on when the socket is nearly empty: what a flush took at once may never have drained. */
  recheck(): void {
    if (this.#isBlocked && this.#options.socket.pendingBytes <= UNBLOCK_BYTES) this.drained();
  }

  /** The socket fell below its low mark. */
  drained(): void {
    if (!this.#isBlocked || this.#phase === 'ended') return;
    this.#isBlocked = false;
    this.#run();
    if (!this.#isBlocked) this.#options.onUnblocked();
  }

  /** A publish skipped the socket: what follows is read from the journal when it has drained. */
  fellBehind(): void {
    if (this.#phase !== 'live') return;
    this.#leaveGroup();
    this.#cursor = this.#options.hub.position;
    this.#phase = 'replay';
    this.#block();
  }

  /** How long the socket has taken nothing although something waits; 0 when it takes bytes. */
  stalledMs(): number {
    if (!this.#isBlocked) return 0;
    const pending = this.#options.socket.pendingBytes;
    const now = this.#options.now();
    if (pending < this.#pendingSeen) this.#progressAt = now;
    this.#pendingSeen = pending;
    return now - this.#progressAt;
  }

  end(): void {
    this.#leaveGroup();
    this.#phase = 'ended';
    this.#waiting = [];
  }

  #run(): void {
    if (this.#isRunning || this.#isScheduled) return;
    this.#isRunning = true;
    try {
      this.#flushWaiting();
      while (!this.#isBlocked && this.#step());
    } catch (error) {
      // It may be a turn of the loop in which nobody else would catch it.
      this.end();
      this.#options.onFailed(error);
    } finally {
      this.#isRunning = false;
    }
  }

  #flushWaiting(): void {
    let sent = 0;
    for (const text of this.#waiting) {
      if (this.#isBlocked || !this.#offer(text)) break;
      sent += 1;
    }
    this.#waiting.splice(0, sent);
  }

  /** One piece of work; false when there is nothing more to do in this turn. */
  #step(): boolean {
    if (this.#phase === 'snapshot') return this.#sendPart();
    if (this.#phase !== 'replay') return false;
    const { hub, journal } = this.#options;
    if (this.#cursor >= hub.position) {
      if (this.#offer(this.#positionText())) this.#goLive();
      return false;
    }
    if (this.#cursor + 1 < journal.tailSeq) {
      this.#options.onLost();
      return false;
    }
    const records = journal.read(this.#cursor + 1, CATCH_UP_RECORDS_MAX);
    if (records.length === 0) this.#cursor = hub.position;
    this.#replay(records);
    if (this.#cursor < hub.position) {
      this.#continueLater();
      return false;
    }
    return true;
  }

  #replay(records: readonly JournalRecord[]): void {
    const { scope, hub } = this.#options;
    for (const record of records) {
      if (record.seq > hub.position) return;
      const concerns = !record.internal && scope.allows(record.conversation);
      if (concerns && !this.#offer(eventFrame(record))) return;
      this.#cursor = record.seq;
      if (this.#isBlocked) return;
    }
  }

  #sendPart(): boolean {
    const { seq, conversations } = this.#plan;
    const start = this.#partsSent * SNAPSHOT_PART_MAX;
    const end = start + SNAPSHOT_PART_MAX;
    const isLast = end >= conversations.length;
    const views: string[] = [];
    for (const name of conversations.slice(start, end)) {
      const view = this.#options.viewText(name);
      if (view !== undefined) views.push(view);
    }
    const head = `{"type":"snapshot","part":${this.#partsSent + 1},"last":${isLast}`;
    const text = `${head},"conversations":[${views.join(',')}],"agents":[],"seq":${seq}}`;
    if (!this.#offer(text)) return false;
    this.#partsSent += 1;
    if (isLast) this.#phase = 'replay';
    return true;
  }

  #goLive(): void {
    const group = this.#options.hub.join(this.#options.scope);
    this.#group = group;
    this.#phase = 'live';
    this.#options.socket.subscribe(group.topic);
  }

  #leaveGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    this.#options.socket.unsubscribe(group.topic);
    this.#options.hub.leave(group);
  }

  #continueLater(): void {
    if (this.#isBlocked) return;
    this.#isScheduled = true;
    this.#options.later(() => {
      this.#isScheduled = false;
      if (!this.#isBlocked) this.#run();
    });
  }

  /** True when the socket accepted the text. */
  #offer(text: string): boolean {
    const outcome = this.#options.socket.send(text);
    if (outcome !== 'sent') this.#block();
    if (outcome === 'dropped') return false;
    this.#sentAt = this.#options.now();
    return true;
  }

  #block(): void {
    if (this.#isBlocked) return;
    this.#isBlocked = true;
    this.#pendingSeen = this.#options.socket.pendingBytes;
    this.#progressAt = this.#options.now();
    this.#options.later(() => this.recheck());
  }

  #positionText(): string {
    return `{"type":"position","seq":${this.#options.hub.position}}`;
  }
}
