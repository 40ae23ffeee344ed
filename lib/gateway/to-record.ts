// Meta's events become records of the journal, one to one. Pure: no state is looked up on this path.

import { conversationOf, isConversation } from '../base/ids.ts';
import type { NewRecord } from '../journal/types.ts';
import type { MessengerEvent } from '../messenger/types.ts';
import { STANDBY_SUFFIX } from './event-frame.ts';
import { EVENT_CHARS_MAX } from './limits.ts';

/** Kinds that an agent must have seen before answering (contract.md section 4, "Sending"). */
const FENCING: ReadonlySet<string> = new Set([
  'message.received',
  'postback',
  'message.edited',
  'message.deleted',
  'message.outside',
]);

/** How the data of an event ends, by whether it opens a window. */
const MARKS = { none: '}', window: ',"window":true}' };
const MARKS_ON_STANDBY = {
  none: STANDBY_SUFFIX,
  window: `,"window":true${STANDBY_SUFFIX}`,
};

/** Kinds that only the house reads. */
const INTERNAL: ReadonlySet<string> = new Set(['message.echo']);

/**
 * The record that stores `event`.
 * @param now ms since the Unix epoch: when it is recorded
 */
export function toRecord(event: MessengerEvent, now: number): NewRecord {
  const named = conversationOf(event.asset, event.user);
  const isNamed = isConversation(named);
  const text = dataText(event);
  const isKept = isNamed && text.length <= EVENT_CHARS_MAX;
  const kind = isKept ? event.kind : 'unknown';
  const conversation = isNamed ? named : conversationOf(event.asset, undefined);
  const data = isKept ? text : JSON.stringify({ name: event.kind });
  const fences = FENCING.has(kind);
  const internal = INTERNAL.has(kind);
  const { dedupeKey, at: dedupeAt } = event;
  // Written out per case: this runs for every event, and spreading costs more than it saves.
  if (dedupeKey === undefined) return { conversation, kind, at: now, data, fences, internal };
  if (!isTime(dedupeAt) || event.isUnstamped === true) {
    return { conversation, kind, at: now, data, dedupeKey, fences, internal };
  }
  return { conversation, kind, at: now, data, dedupeKey, dedupeAt, fences, internal };
}

/** The event's data with the two marks that belong to the event and not to its kind. */
function dataText(event: MessengerEvent): string {
  const text = JSON.stringify(event.data);
  const marks = event.standby ? MARKS_ON_STANDBY : MARKS;
  const suffix = event.opensWindow ? marks.window : marks.none;
  if (suffix === '}') return text;
  return text === '{}' ? `{${suffix.slice(1)}` : text.slice(0, -1) + suffix;
}

function isTime(at: number): boolean {
  return Number.isSafeInteger(at) && at > 0;
}
