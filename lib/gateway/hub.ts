// Live fan-out: sessions that see the same Pages form a group, and a record's frame is built once and
// published once per group. Who falls behind leaves its group and reads the journal instead (feed.ts).
// Knows no protocol beyond the frames, and no journal.

import { pageOf } from '../base/ids.ts';
import type { JournalRecord } from '../journal/types.ts';
import { eventFrame } from './event-frame.ts';
import type { Scope } from './scope.ts';

/** Publishes one text message to all sockets that subscribed to the topic. */
export type Publish = (topic: string, text: string) => void;

/** Sessions of one set of Pages that stand at the head of the journal. */
export interface HubGroup {
  readonly topic: string;
  readonly scope: Scope;
  /** Live sessions in it. */
  members: number;
  /** When something was last published to it. */
  publishedAt: number;
}

const TOPIC_PREFIX = 'agents/';
/** Pages whose groups are remembered; the memory is dropped when a group comes or goes. */
const PAGES_REMEMBERED_MAX = 10_000;

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
      group = { topic, scope, members: 0, publishedAt: this.#now() };
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
   * one is being published `position` is still the one before it: what a session that is skipped has.
   */
  publish(records: readonly JournalRecord[]): void {
    const now = this.#groups.size === 0 ? 0 : this.#now();
    for (const record of records) {
      if (record.seq <= this.#position) continue;
      if (!record.internal) this.#publishOne(record, now);
      this.#position = record.seq;
    }
  }

  #publishOne(record: JournalRecord, now: number): void {
    const groups = this.#groupsFor(pageOf(record.conversation));
    if (groups.length === 0) return;
    const frame = eventFrame(record);
    for (const group of groups) {
      group.publishedAt = now;
      this.#publish(group.topic, frame);
      this.#published += 1;
    }
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
