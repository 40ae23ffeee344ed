// The alarms that sending raises for a Page: each is raised once, also over restarts, and cleared when a
// probe goes through. What is raised stands in the Page's own state.

import type { ConversationState } from './conversation.ts';
import type { PauseReason } from './outbox-page.ts';
import { alarmRecord, pageConversation } from './outbox-records.ts';
import type { DeskNewRecord } from './ports.ts';

type SendAlarm = Exclude<PauseReason, 'limit'>;

const SEND_ALARMS: readonly SendAlarm[] = ['restricted', 'token', 'permission', 'mapping', 'rate'];

interface States {
  get(conversation: string): ConversationState | undefined;
}

export class OutboxAlarms {
  readonly #states: States;
  readonly #append: (record: DeskNewRecord) => Promise<void>;
  /** `page alarm` whose raising is being stored. */
  readonly #raising = new Set<string>();

  constructor(states: States, append: (record: DeskNewRecord) => Promise<void>) {
    this.#states = states;
    this.#append = append;
  }

  /** The gravest alarm of sending that is raised for the Page, if any. */
  raisedOf(page: string): SendAlarm | undefined {
    return SEND_ALARMS.find((alarm) => this.#since(page, alarm) !== undefined);
  }

  /** Raises an alarm that is not raised yet. */
  raise(page: string, alarm: SendAlarm, why: string, now: number): void {
    const name = `${page} ${alarm}`;
    if (this.#raising.has(name) || this.#since(page, alarm) !== undefined) return;
    this.#raising.add(name);
    const record = alarmRecord(page, now, { alarm, state: 'raised', since: now, why });
    void this.#append(record).then(() => this.#raising.delete(name));
  }

  /** The Page sends again: clears what is raised. */
  clear(page: string, now: number): void {
    for (const alarm of SEND_ALARMS) {
      const since = this.#since(page, alarm);
      if (since === undefined) continue;
      const why = 'Meta takes calls of this Page again.';
      void this.#append(alarmRecord(page, now, { alarm, state: 'cleared', since, why }));
    }
  }

  #since(page: string, alarm: SendAlarm): number | undefined {
    const state = this.#states.get(pageConversation(page));
    return state?.alarms.find((raised) => raised.alarm === alarm)?.since;
  }
}
