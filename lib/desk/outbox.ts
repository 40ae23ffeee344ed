// The clerk: sends what is queued, per conversation strictly in order and one call at a time, under the
// rates and pauses of its Page. It learns of everything from the journal's tail and says everything there:
//
//   tail -> wake -> nextWork -+- record: append it
//                             +- wait: a timer
//                             '- post: line up at the Page's gate -> append message.sending, durable
//                                      -> still wanted? -> post, once -> append what the answer means
//
// A call is made at most once per message.sending. What an append could not store is tried again; a call
// whose outcome is not in the journal is awaited through its echo, then shown as uncertain.

import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { ConversationState } from './conversation.ts';
import { currentOf, findOutbox, isProven } from './fold-outbox.ts';
import { OutboxAlarms } from './outbox-alarms.ts';
import { OutboxAppender } from './outbox-appender.ts';
import {
  type Call,
  type CallContext,
  concludingRecord,
  isPending,
  nextWork,
} from './outbox-call.ts';
import { metadataOf } from './outbox-content.ts';
import { OutboxGates } from './outbox-gates.ts';
import { OUTBOX_LIMITS, type OutboxLimits } from './outbox-limits.ts';
import { OutboxPaces } from './outbox-paces.ts';
import type { PageGate, Pause } from './outbox-page.ts';
import { OUTCOME_UNKNOWN, type Split, sendingRecord } from './outbox-records.ts';
import { newThread, type Thread } from './outbox-thread.ts';
import { OutboxTimers } from './outbox-timers.ts';
import type { AppendPort, DeskNewRecord, PostOutcome, PostPort } from './ports.ts';
import type { DeskRecord, Person } from './records.ts';
import { decideResolve, type ResolveDecision } from './resolve.ts';
import type { TokenBucket } from './token-bucket.ts';

/** The live states, folded before the clerk is told of the same records (Projection). */
export interface OutboxStates {
  get(conversation: string): ConversationState | undefined;
  unsettled(): Iterable<string>;
}

export interface OutboxOptions {
  readonly append: AppendPort;
  readonly post: PostPort;
  readonly states: OutboxStates;
  readonly clock: Clock;
  /** Cuts a text into pieces that Meta takes, in order. */
  readonly split: Split;
  /** Names this process in message.sending; default random. */
  readonly sender?: string;
  readonly limits?: Partial<OutboxLimits>;
  /** 0 to 1, for jitter; default Math.random. */
  readonly random?: () => number;
  readonly log?: Log;
}

export class Outbox {
  readonly sender: string;
  readonly #options: OutboxOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: OutboxLimits;
  readonly #random: () => number;
  readonly #timers: OutboxTimers;
  readonly #threads = new Map<string, Thread>();
  readonly #gates: OutboxGates;
  readonly #paces: OutboxPaces;
  readonly #appender: OutboxAppender;
  /** Pages that have somebody in line but found all call slots taken. */
  readonly #starved = new Set<string>();
  #inFlight = 0;
  #active = 0;
  #isClosing = false;
  #onQuiet: (() => void) | undefined = undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.sender = options.sender ?? randomUUID();
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#limits = { ...OUTBOX_LIMITS, ...options.limits };
    this.#random = options.random ?? Math.random;
    this.#timers = new OutboxTimers(options.clock);
    this.#paces = new OutboxPaces(this.#limits);
    this.#appender = new OutboxAppender(options.append, this.#timers, this.#limits, this.#log);
    this.#gates = new OutboxGates({
      clock: this.#clock,
      limits: this.#limits,
      random: this.#random,
      alarms: new OutboxAlarms(options.states, (record) => this.#appendAside(record)),
      log: this.#log,
    });
  }

  /** Calls to Meta that are open. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Conversations with something to send or to wait for. */
  get waiting(): number {
    return this.#threads.size;
  }

  /** Pages that send nothing now, why, and until when. */
  get pauses(): readonly Pause[] {
    return this.#gates.pauses;
  }

  /**
   * Takes up what earlier processes left. Call once, when the states are folded to the journal's
   * head.
   */
  start(): void {
    for (const conversation of this.#options.states.unsettled()) this.#wake(conversation);
  }

  /** Told of every commit, after it was folded. */
  onRecords(records: readonly DeskRecord[]): void {
    for (const record of records) {
      switch (record.kind) {
        case 'message.queued':
        case 'message.resolved':
        case 'message.echo':
          this.#wake(record.conversation);
      }
    }
  }

  /**
   * Stores a person's decision on an uncertain or failed message; the tail then acts on it.
   * @throws what the append port rejects with
   */
  async resolve(
    conversation: string,
    message: string,
    action: 'resend' | 'discard',
    by: Person,
  ): Promise<ResolveDecision> {
    const state = this.#options.states.get(conversation);
    const decision = decideResolve(state, message, action, by, this.#clock.now());
    if (decision.ok) await this.#options.append.append([decision.record]);
    return decision;
  }

  /** Somebody mended the Page: its next message is tried at once. */
  resumePage(page: string): void {
    this.#gates.get(page)?.resume(this.#clock.now());
    this.#pump(page);
  }

  /**
   * Begins nothing new, waits for open calls and their records, then stops everything.
   * @param deadlineMs at most that long; what is open then is found by the next process
   * @returns true when nothing was left open
   */
  async shutdown(deadlineMs: number): Promise<boolean> {
    this.#isClosing = true;
    if (this.#active > 0) {
      const quiet = new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
      await Promise.race([quiet, this.#timers.sleep(deadlineMs)]);
    }
    this.#timers.stop();
    return this.#active === 0;
  }

  #wake(conversation: string): void {
    if (this.#isClosing) return;
    const known = this.#threads.get(conversation);
    if (known !== undefined) {
      if (known.isBusy) this.#confirmEarly(known);
      else this.#step(known);
      return;
    }
    const state = this.#options.states.get(conversation);
    if (state === undefined || state.user === '' || currentOf(state) === undefined) return;
    const thread = newThread(state);
    this.#threads.set(conversation, thread);
    this.#step(thread);
  }

  /** Looks at a conversation that nothing is under way for, and begins what it needs. */
  #step(thread: Thread): void {
    if (this.#isClosing || thread.isBusy) return;
    const { conversation } = thread;
    this.#timers.cancel(conversation);
    const work = this.#workOf(thread);
    if (work.kind !== 'post') this.#gates.get(thread.page)?.remove(conversation);
    switch (work.kind) {
      case 'none':
        this.#threads.delete(conversation);
        return;
      case 'record':
        void this.#record(thread);
        return;
      case 'wait':
        this.#stepLater(thread, work.until - this.#clock.now());
        return;
      case 'post':
        this.#lineUp(thread, work.call);
    }
  }

  #stepLater(thread: Thread, waitMs: number): void {
    this.#timers.set(thread.conversation, waitMs, () => this.#step(thread));
  }

  #workOf(thread: Thread): ReturnType<typeof nextWork> {
    const state = this.#options.states.get(thread.conversation);
    const open = state === undefined ? undefined : currentOf(state)?.open;
    if (open === undefined) thread.echoUntil = undefined;
    else thread.echoUntil ??= this.#clock.now() + this.#limits.echoWaitMs;
    return nextWork(state, thread.echoUntil ?? 0, this.#context());
  }

  #lineUp(thread: Thread, call: Call): void {
    const waitMs = this.#paceOf(thread).waitMs(this.#clock.monotonicMs());
    if (waitMs > 0) {
      this.#stepLater(thread, waitMs);
      return;
    }
    const gate = this.#gates.open(thread.page, this.#messageOf(thread, call.message));
    gate.add(thread.conversation, call.lane);
    this.#pump(thread.page);
  }

  /** Lets through whom the Page's gate lets through, as far as call slots are free. */
  #pump(page: string): void {
    const gate = this.#gates.get(page);
    if (gate === undefined || this.#isClosing) return;
    for (;;) {
      if (this.#inFlight >= this.#limits.inFlightMax) {
        this.#starved.add(page);
        return;
      }
      const answer = gate.next(this.#clock.now(), this.#clock.monotonicMs());
      if (answer.kind === 'wait') {
        if (!gate.isEmpty) this.#timers.set(`page:${page}`, answer.waitMs, () => this.#pump(page));
        return;
      }
      if (answer.kind === 'idle') return;
      const thread = this.#threads.get(answer.conversation);
      const work = thread === undefined ? undefined : this.#workOf(thread);
      if (thread === undefined || thread.isBusy) continue;
      if (work?.kind === 'post') void this.#send(thread, work.call, gate, answer.isProbe);
      else this.#step(thread);
    }
  }

  async #send(thread: Thread, call: Call, gate: PageGate, isProbe: boolean): Promise<void> {
    this.#enter(thread);
    this.#inFlight++;
    gate.begin(call.lane, isProbe);
    this.#paceOf(thread).take();
    let outcome: PostOutcome | undefined;
    try {
      if (await this.#begin(thread, call)) outcome = await this.#post(thread, call);
    } finally {
      this.#inFlight--;
    }
    // After the end nothing may be asked or stored: the next process finds the call open.
    if (!this.#timers.isStopped) {
      const pausedUntil = this.#gates.hear(gate, isProbe, outcome);
      if (outcome !== undefined) await this.#conclude(thread, call, outcome, pausedUntil);
    }
    this.#leave(thread);
  }

  /** Stores message.sending. @returns true when the call may be made, now and once */
  async #begin(thread: Thread, call: Call): Promise<boolean> {
    const { conversation } = thread;
    const { message, part, attempt } = call;
    const appended = await this.#appender.untilStored(() => {
      const work = this.#workOf(thread);
      const isWanted =
        work.kind === 'post' && work.call.message === message && work.call.attempt === attempt;
      if (!isWanted) return undefined;
      const data = { message, part, attempt, sender: this.sender };
      return sendingRecord(conversation, this.#clock.now(), data);
    });
    if (appended?.status !== 'appended' || this.#timers.isStopped) return false;
    const stored = this.#messageOf(thread, message);
    return stored !== undefined && isPending(stored, call) && !isProven(stored);
  }

  async #post(thread: Thread, call: Call): Promise<PostOutcome> {
    const { page, user } = thread;
    thread.call = call;
    const metadata = metadataOf(call.message, call.part);
    try {
      return await this.#options.post.post({ page, user, content: call.content, metadata });
    } catch (error) {
      this.#log.error({ err: error }, 'The post port rejected, which it must not.');
      return { outcome: 'unknown', error: OUTCOME_UNKNOWN, waitForEcho: true };
    } finally {
      thread.call = undefined;
    }
  }

  async #conclude(
    thread: Thread,
    call: Call,
    outcome: PostOutcome,
    pausedUntil: number,
  ): Promise<void> {
    await thread.confirming;
    thread.confirming = undefined;
    await this.#appender.untilStored(() => {
      const state = this.#options.states.get(thread.conversation);
      if (state === undefined) return undefined;
      return concludingRecord(state, call, outcome, pausedUntil, this.#context());
    });
  }

  /** The echo came before the answer (S12): the confirmation need not wait for it. */
  #confirmEarly(thread: Thread): void {
    const { call } = thread;
    if (call === undefined || thread.confirming !== undefined) return;
    const message = this.#messageOf(thread, call.message);
    if (message === undefined || !isProven(message)) return;
    thread.confirming = this.#appender
      .untilStored(() => this.#dueRecord(thread))
      .then(() => undefined);
  }

  /** Stores what is due for a conversation without a call. */
  async #record(thread: Thread): Promise<void> {
    this.#enter(thread);
    await this.#appender.untilStored(() => this.#dueRecord(thread));
    this.#leave(thread);
  }

  #dueRecord(thread: Thread): DeskNewRecord | undefined {
    const work = this.#workOf(thread);
    return work.kind === 'record' ? work.record : undefined;
  }

  /** A record that no conversation waits for; shutdown does. */
  async #appendAside(record: DeskNewRecord): Promise<void> {
    this.#active++;
    await this.#appender.untilStored(() => record);
    this.#active--;
    if (this.#active === 0) this.#onQuiet?.();
  }

  #enter(thread: Thread): void {
    thread.isBusy = true;
    this.#active++;
  }

  #leave(thread: Thread): void {
    thread.isBusy = false;
    this.#active--;
    if (this.#active === 0) this.#onQuiet?.();
    this.#step(thread);
    this.#pump(thread.page);
    this.#feedStarved();
  }

  #feedStarved(): void {
    for (const page of [...this.#starved]) {
      if (this.#inFlight >= this.#limits.inFlightMax) return;
      this.#starved.delete(page);
      this.#pump(page);
    }
  }

  #paceOf(thread: Thread): TokenBucket {
    return this.#paces.of(thread.conversation, this.#clock.monotonicMs());
  }

  #messageOf(thread: Thread, id: string): ReturnType<typeof findOutbox> {
    const state = this.#options.states.get(thread.conversation);
    return state === undefined ? undefined : findOutbox(state, id);
  }

  #context(): CallContext {
    return {
      now: this.#clock.now(),
      split: this.#options.split,
      limits: this.#limits,
      random: this.#random,
    };
  }
}
