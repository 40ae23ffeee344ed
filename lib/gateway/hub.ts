// Live fan-out: sessions that see the same Pages form a group; a record's frame is built once, and
// what a commit owes to a group is published at once. Who falls behind leaves its group and reads the
// journal instead (feed.ts). Knows no protocol beyond the frames, and no journal.

import { pageOf } from '../base/ids.ts';
import type { JournalRecord } from '../journal/types.ts';
import { eventFrame } from './event-frame.ts';
import type { Scope } from './scope.ts';

/**
 * Publishes text messages, in order, to all sockets that subscribed to the topic; a socket gets all
 * of them or none.
 */
export type Publish = (topic: string, texts: readonly string[]) => void;

/** Sessions of one set of Pages that stand at the head of the journal. */
export interface HubGroup {
  readonly topic: string;
  readonly scope: Scope;
  /** Live sessions in it. */
  members: number;
  /** When something was last published to it. */
  publishedAt: number;
  /** Frames of the chunk that is being published. */
  texts: string[];
}

const TOPIC_PREFIX = 'agents/';
/** Pages whose groups are remembered; the memory is dropped when a group comes or goes. */
const PAGES_REMEMBERED_MAX = 10_000;
/** Data of the records that are published at once: bounds what a socket gets above its queueBytes. */
export const CHUNK_CHARS_MAX = 64 * 1024;

export class Hub {
  readonly #publish: Publish;
  readonly #now: () => number;
  readonly #groups = new Map<string, HubGroup>();
  readonly #groupsOfPage = new Map<string, readonly HubGroup[]>();
  #position: number;
  #published = 0;

  /**
   * @param position seq up to which nothing needs to be published any more: the head at the start
   * @param now monotonic milliseconds
   */
  constructor(publish: Publish, position: number, now: () => number) {
    this.#publish = publish;
    this.#position = position;
    this.#now = now;
  }

  /** Everything up to this seq was published to the live sessions. */
  get position(): number {
    return this.#position;
  }

  get published(): number {
    return this.#published;
  }

  get groupCount(): number {
    return this.#groups.size;
  }

  /**
   * Adds a session that has everything up to `position`; the caller subscribes its socket to the
   * topic.
   */
  join(scope: Scope): HubGroup {
    let group = this.#groups.get(scope.group);
    if (group === undefined) {
      const topic = TOPIC_PREFIX + scope.group;
      group = { topic, scope, members: 0, publishedAt: this.#now(), texts: [] };
      this.#groups.set(scope.group, group);
      this.#groupsOfPage.clear();
    }
    group.members += 1;
    return group;
  }

  leave(group: HubGroup): void {
    group.members -= 1;
    if (group.members > 0) return;
    this.#groups.delete(group.scope.group);
    this.#groupsOfPage.clear();
  }

  /**
   * Sends the events among `records` (ascending, right after `position`) to whom they concern. While
   * a chunk is being published `position` is still the one before it: what a session that is skipped
   * has.
   */
  publish(records: readonly JournalRecord[]): void {
    const now = this.#groups.size === 0 ? 0 : this.#now();
    let next = 0;
    while (next < records.length) next = this.#publishChunk(records, next, now);
  }

  /** @returns the index of the first record after the chunk */
  #publishChunk(records: readonly JournalRecord[], from: number, now: number): number {
    const touched: HubGroup[] = [];
    let position = this.#position;
    let chars = 0;
    let index = from;
    for (; index < records.length && chars < CHUNK_CHARS_MAX; index++) {
      const record = records[index];
      if (record === undefined || record.seq <= position) continue;
      position = record.seq;
      if (record.internal) continue;
      chars += record.data.length;
      this.#collect(record, touched);
    }
    for (const group of touched) this.#publishTo(group, now);
    this.#position = position;
    return index;
  }

  #collect(record: JournalRecord, touched: HubGroup[]): void {
    const groups = this.#groupsFor(pageOf(record.conversation));
    if (groups.length === 0) return;
    const frame = eventFrame(record);
    for (const group of groups) {
      if (group.texts.length === 0) touched.push(group);
      group.texts.push(frame);
    }
  }

  #publishTo(group: HubGroup, now: number): void {
    const { texts } = group;
    group.texts = [];
    group.publishedAt = now;
    this.#published += texts.length;
    this.#publish(group.topic, texts);
  }

  #groupsFor(page: string): readonly HubGroup[] {
    const known = this.#groupsOfPage.get(page);
    if (known !== undefined) return known;
    const found = [...this.#groups.values()].filter((group) => group.scope.allowsPage(page));
    if (this.#groupsOfPage.size >= PAGES_REMEMBERED_MAX) this.#groupsOfPage.clear();
    this.#groupsOfPage.set(page, found);
    return found;
  }
}
