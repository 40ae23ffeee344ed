// Meta's events become records of the journal, one to one. Pure: no state is looked up on this path.

import { conversationOf, parseConversation } from '../base/ids.ts';
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

/** Kinds that only the house reads. */
const INTERNAL: ReadonlySet<string> = new Set(['message.echo']);

/**
 * The record that stores `event`.
 * @param now ms since the Unix epoch: when it is recorded
 */
export function toRecord(event: MessengerEvent, now: number): NewRecord {
  const named = conversationOf(event.asset, event.user);
  const isNamed = parseConversation(named) !== undefined;
  const text = dataText(event);
  const isKept = isNamed && text.length <= EVENT_CHARS_MAX;
  const kind = isKept ? event.kind : 'unknown';
  return {
    conversation: isNamed ? named : conversationOf(event.asset, undefined),
    kind,
    at: now,
    data: isKept ? text : JSON.stringify({ name: event.kind }),
    ...(event.dedupeKey === undefined ? {} : { dedupeKey: event.dedupeKey }),
    ...(event.dedupeKey !== undefined && isTime(event.at) ? { dedupeAt: event.at } : {}),
    ...(FENCING.has(kind) ? { fences: true } : {}),
    ...(INTERNAL.has(kind) ? { internal: true } : {}),
  };
}

/** The event's data with the two marks that belong to the event and not to its kind. */
function dataText(event: MessengerEvent): string {
  let text = JSON.stringify(event.data);
  if (event.opensWindow) text = withMember(text, ',"window":true}');
  if (event.standby) text = withMember(text, STANDBY_SUFFIX);
  return text;
}

function isTime(at: number): boolean {
  return Number.isSafeInteger(at) && at > 0;
}

function withMember(text: string, suffix: string): string {
  return text === '{}' ? `{${suffix.slice(1)}` : text.slice(0, -1) + suffix;
}
