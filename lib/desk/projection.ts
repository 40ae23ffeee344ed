// The live states of all conversations: folds the journal's tail, keeps what is changed since the last
// checkpoint, and writes it behind. A state is in exactly one of three places:
//
//   apply -> dirty (pinned) -- checkpoint begins --> writing (pinned) -- done --> clean (LRU) -> dropped
//               ^------------- changed meanwhile, or the checkpoint failed -----------'
//
// A state that is in none is loaded from its row, which is never behind what was dropped. Where another process
// writes the rows, this one follows: it never checkpoints, a changed state is pinned until marked() says that its row
// has it, and a row may be ahead of what was followed here.

import type { Clock, Timer } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { ConversationState } from './conversation.ts';
import { foldRecord } from './fold.ts';
import { LiveRecord } from './live-record.ts';
import type { DeskJournalRecord, ViewsPort } from './ports.ts';
import { type ListPage, type ListQuery, listStates, unsettledKeys } from './projection-list.ts';
import { fromRow, toRow } from './view.ts';

export interface ProjectionLimits {
  /** Between the end of a checkpoint and the next one; also the wait after a failed one. */
  readonly checkpointIntervalMs: number;
  /** Changed states that bring the next checkpoint forward. */
  readonly dirtyMax: number;
  /** Unchanged states that are kept in memory. */
  readonly cleanStatesMax: number;
}

export const PROJECTION_LIMITS: ProjectionLimits = {
  checkpointIntervalMs: 1000,
  dirtyMax: 4000,
  cleanStatesMax: 20_000,
};

export interface ProjectionOptions {
  readonly views: ViewsPort;
  readonly clock: Clock;
  readonly log?: Log;
  readonly limits?: Partial<ProjectionLimits>;
  /** Another process writes the rows. */
  readonly follows?: boolean;
}

export class Projection {
  readonly #views: ViewsPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: ProjectionLimits;
  readonly #dirty = new Map<string, ConversationState>();
  #writing = new Map<string, ConversationState>();
  /** Insertion order is the order of use. */
  readonly #clean = new Map<string, ConversationState>();
  #position: number;
  #running = false;
  #timer: Timer | undefined = undefined;
  #checkpointing: Promise<void> | undefined = undefined;
  #hasFailed = false;
  #damaged = 0;
  /** Of a follower: seq of the last record of each changed state, oldest first. */
  readonly #changedAt: Map<string, number> | undefined;
  /** Of a follower: rows that were read ahead of the position, and what they hold. */
  readonly #aheadTo = new Map<string, number>();
  #aheadMax = 0;

  constructor(options: ProjectionOptions) {
    this.#views = options.views;
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#limits = { ...PROJECTION_LIMITS, ...options.limits };
    this.#position = options.views.mark;
    this.#changedAt = options.follows === true ? new Map() : undefined;
  }

  /** seq of the newest record folded: tail the journal from here. */
  get position(): number {
    return this.#position;
  }

  /** Records folded but not yet in the rows. */
  get lag(): number {
    return this.#position - this.#views.mark;
  }

  /** Changed states that wait for a checkpoint, those being written included. */
  get dirtyCount(): number {
    return this.#dirty.size + this.#writing.size;
  }

  /** Records that the fold could not digest; they moved nothing but the position. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Begins to checkpoint. The caller tails the journal from `position` into `apply`. */
  start(): void {
    this.#running = true;
    this.#schedule();
  }

  /**
   * Folds the records of one commit, in order. A record that the fold cannot digest is counted.
   * @throws what the views throw when a state cannot be read: end the process, the log is replayed
   * @returns the same records with their data parsed at most once
   */
  apply(records: readonly DeskJournalRecord[]): readonly LiveRecord[] {
    const live: LiveRecord[] = [];
    for (const record of records) {
      const parsed = new LiveRecord(record);
      live.push(parsed);
      if (record.seq <= this.#position) continue;
      this.#fold(parsed);
      this.#position = record.seq;
    }
    if (this.#position >= this.#aheadMax) this.#aheadTo.clear();
    this.#schedule();
    return live;
  }

  /** The state up to the newest folded record. Read only; undefined when nothing is known of it. */
  get(conversation: string): ConversationState | undefined {
    const changed = this.#dirty.get(conversation) ?? this.#writing.get(conversation);
    if (changed !== undefined) return changed;
    const clean = this.#clean.get(conversation);
    if (clean !== undefined) {
      this.#keep(clean);
      return clean;
    }
    return this.#load(conversation);
  }

  /** Of a follower: the rows hold everything up to `mark` now, their states need not be pinned. */
  marked(mark: number): void {
    for (const [key, seq] of this.#changedAt ?? []) {
      if (seq > mark) return;
      this.#changedAt?.delete(key);
      const state = this.#dirty.get(key);
      this.#dirty.delete(key);
      if (state !== undefined) this.#keep(state);
    }
  }

  /** seqs of the conversation's last event and last fencing record, 0 when there is none. */
  heads(conversation: string): { readonly last: number; readonly fence: number } {
    const state = this.get(conversation);
    return { last: state?.seq ?? 0, fence: state?.fence ?? 0 };
  }

  /**
   * Conversations by (activityAt desc, key desc), strictly after `query.after`; never a Page's
   * own row.
   */
  list(query: ListQuery): ListPage {
    return listStates(query, this.#views, this.#overlay(), this.#clean);
  }

  /** All conversations that have messages the clerk must still work on. */
  unsettled(): readonly string[] {
    return unsettledKeys(this.#views, this.#overlay());
  }

  /**
   * Writes all changed states and the mark now (or joins the one that runs).
   * @returns true when everything folded at the call is in the rows
   */
  async checkpoint(): Promise<boolean> {
    const target = this.#position;
    while (this.#views.mark < target) {
      this.#checkpointing ??= this.#write();
      await this.#checkpointing;
      if (this.#hasFailed) return false;
    }
    return true;
  }

  /** Ends scheduling and writes a last checkpoint. @returns false when it could not be written */
  async stop(): Promise<boolean> {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#checkpointing;
    return this.checkpoint();
  }

  #load(conversation: string): ConversationState | undefined {
    const { row, mark } = this.#views.getMarked(conversation);
    if (row === undefined) return undefined;
    if (mark > this.#position) {
      this.#aheadTo.set(conversation, mark);
      this.#aheadMax = Math.max(this.#aheadMax, mark);
    }
    const loaded = fromRow(row);
    this.#keep(loaded);
    return loaded;
  }

  /** True when the state was read from a row that has the record already. */
  #holds(record: LiveRecord): boolean {
    if (this.#aheadTo.size === 0) return false;
    const heldTo = this.#aheadTo.get(record.conversation);
    if (heldTo === undefined) return false;
    if (record.seq <= heldTo) return true;
    this.#aheadTo.delete(record.conversation);
    return false;
  }

  #fold(record: LiveRecord): void {
    const key = record.conversation;
    // Outside the try: a row that cannot be read is no damaged record. Going on without the state would
    // write a wrong one over it, so the caller must end; the log has everything.
    const before = this.get(key);
    if (this.#holds(record)) return;
    try {
      const state = foldRecord(before, record);
      this.#noteChange(key, record.seq);
      if (this.#dirty.get(key) === state) return;
      this.#clean.delete(key);
      this.#dirty.set(key, state);
    } catch (error) {
      this.#damaged++;
      this.#log.error({ seq: record.seq, kind: record.kind, err: error }, 'Record not folded.');
    }
  }

  #noteChange(key: string, seq: number): void {
    const changedAt = this.#changedAt;
    if (changedAt === undefined) return;
    changedAt.delete(key);
    changedAt.set(key, seq);
  }

  #keep(state: ConversationState): void {
    this.#clean.delete(state.conversation);
    this.#clean.set(state.conversation, state);
    if (this.#clean.size <= this.#limits.cleanStatesMax) return;
    const oldest = this.#clean.keys().next().value;
    if (oldest !== undefined) this.#clean.delete(oldest);
  }

  #overlay(): ReadonlyMap<string, ConversationState> {
    if (this.#writing.size === 0) return this.#dirty;
    return new Map([...this.#writing, ...this.#dirty]);
  }

  #schedule(): void {
    if (!this.#running || this.#checkpointing !== undefined || this.#dirty.size === 0) return;
    if (this.#dirty.size >= this.#limits.dirtyMax && !this.#hasFailed) {
      this.#timer?.cancel();
      this.#startCheckpoint();
    } else {
      this.#timer ??= this.#clock.after(this.#limits.checkpointIntervalMs, () =>
        this.#startCheckpoint(),
      );
    }
  }

  #startCheckpoint(): void {
    this.#timer = undefined;
    if (!this.#running) return;
    this.#checkpointing ??= this.#write();
  }

  async #write(): Promise<void> {
    const mark = this.#position;
    const states = new Map(this.#dirty);
    this.#writing = states;
    this.#dirty.clear();
    try {
      await this.#views.checkpoint([...states.values()].map(toRow), mark);
      this.#hasFailed = false;
      this.#release(this.#clean);
    } catch (error) {
      this.#hasFailed = true;
      this.#log.warn({ err: error, rows: states.size }, 'Checkpoint failed; it is tried again.');
      this.#release(this.#dirty);
    } finally {
      this.#checkpointing = undefined;
      this.#schedule();
    }
  }

  /** Moves what was written, and not changed since, to its next place. */
  #release(place: Map<string, ConversationState>): void {
    const written = this.#writing;
    this.#writing = new Map();
    for (const [key, state] of written) {
      if (this.#dirty.has(key)) continue;
      if (place === this.#clean) this.#keep(state);
      else place.set(key, state);
    }
  }
}
