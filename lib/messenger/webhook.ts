// A webhook's body becomes typed events: every entry, every array, every element, whatever stands in
// them. One bad event never harms its neighbours, and no input makes this throw.

import { readChange } from './event-change.ts';
import type { EventDraft, EventReader, EventSource } from './event-draft.ts';
import {
  readDelivery,
  readEdit,
  readMessage,
  readPostback,
  readReaction,
  readRead,
} from './event-message.ts';
import {
  readAccountLinking,
  readCoupon,
  readFeedback,
  readForm,
  readOptin,
  readOrder,
  readPass,
  readPolicy,
  readRating,
  readReferral,
  readRequest,
  readRoles,
  readTake,
} from './event-other.ts';
import {
  assetIdOf,
  boundedOf,
  defined,
  hashOf,
  isObject,
  type JsonObject,
  nameOf,
  textOf,
  timeOf,
  userIdOf,
} from './fields.ts';
import { parseJson } from './json.ts';
import type { MessengerEvent, ParsedWebhook } from './types.ts';

/** Meta's order (messenger.md 3.2): the first member that is present names the event. */
const READERS: readonly (readonly [name: string, read: EventReader])[] = [
  ['message', readMessage],
  ['postback', readPostback],
  ['reaction', readReaction],
  ['message_edit', readEdit],
  ['delivery', readDelivery],
  ['read', readRead],
  ['referral', readReferral],
  ['optin', readOptin],
  ['account_linking', readAccountLinking],
  ['pass_thread_control', readPass],
  ['take_thread_control', readTake],
  ['request_thread_control', readRequest],
  ['app_roles', readRoles],
  ['policy_enforcement', readPolicy],
  ['messaging_feedback', readFeedback],
  ['response_feedback', readRating],
  ['order', readOrder],
  ['template', readCoupon],
  ['form', readForm],
];

/** Members that surround an event and never name it. */
const SURROUNDINGS: readonly string[] = ['sender', 'recipient', 'timestamp', 'hop_context', 'lead'];

const OBJECTS: readonly string[] = ['page', 'instagram'];

/** For events of no asset that we could name; the dashboard's test events carry it themselves. */
const NO_ASSET = '0';

interface Collector {
  readonly events: MessengerEvent[];
  damaged: number;
}

/** The entry that is being read. */
interface EntrySource {
  readonly asset: string;
  readonly time: number;
}

/**
 * @param body the raw bytes of the POST, its signature already checked
 * @param receivedAt ms; for events that have no time at all
 * @returns undefined when the body is not JSON; never throws
 */
export function parseWebhook(body: Buffer, receivedAt = Date.now()): ParsedWebhook | undefined {
  let root: unknown;
  try {
    root = parseJson(body.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
  const collector: Collector = { events: [], damaged: 0 };
  const object = isObject(root) ? (textOf(root['object']) ?? '') : '';
  const entries = isObject(root) ? root['entry'] : undefined;
  if (Array.isArray(entries)) {
    for (const entry of entries) readEntry(object, entry, receivedAt, collector);
  } else {
    keepDamaged('body', root, { asset: NO_ASSET, time: receivedAt }, false, collector);
  }
  return { object: nameOf(object), events: collector.events, damaged: collector.damaged };
}

function readEntry(object: string, entry: unknown, receivedAt: number, collector: Collector): void {
  if (!isObject(entry)) {
    keepDamaged('entry', entry, { asset: NO_ASSET, time: receivedAt }, false, collector);
    return;
  }
  const source: EntrySource = {
    asset: assetIdOf(entry['id']) ?? NO_ASSET,
    time: timeOf(entry['time']) ?? receivedAt,
  };
  if (!OBJECTS.includes(object)) {
    collector.events.push(unknownEvent(`object:${object}`, entry, source, false));
    return;
  }
  const { messaging, standby, changes } = entry;
  if (messaging === undefined && standby === undefined && changes === undefined) {
    collector.events.push(unknownEvent('entry', entry, source, false));
  }
  readList('messaging', messaging, source, collector, readMessaging);
  readList('standby', standby, source, collector, readMessaging);
  readList('changes', changes, source, collector, readOneChange);
}

type ListReader = (
  event: JsonObject,
  source: EntrySource,
  standby: boolean,
) => MessengerEvent | undefined;

/** The catch is the promise of this file: whatever a reader does, the neighbours are read. */
function readList(
  name: string,
  list: unknown,
  source: EntrySource,
  collector: Collector,
  read: ListReader,
): void {
  if (list === undefined) return;
  const standby = name === 'standby';
  if (!Array.isArray(list)) {
    keepDamaged(name, list, source, standby, collector);
    return;
  }
  for (const event of list) {
    let result: MessengerEvent | undefined;
    try {
      result = isObject(event) ? read(event, source, standby) : undefined;
    } catch {
      result = undefined;
    }
    if (result === undefined) keepDamaged(nameOfEvent(event), event, source, standby, collector);
    else collector.events.push(result);
  }
}

/** @returns undefined when the event lacks what it must have */
function readMessaging(
  event: JsonObject,
  source: EntrySource,
  standby: boolean,
): MessengerEvent | undefined {
  for (const [name, read] of READERS) {
    const value = event[name];
    if (value === undefined) continue;
    if (!isObject(value)) return undefined;
    const where = locate(event, source);
    const result = read(value, where);
    if (result === undefined) return undefined;
    const finished = finish(result, source, where.user, where.at, standby);
    return where.stamp === 0 ? unstamped(finished) : finished;
  }
  return unknownEvent(nameOfEvent(event), event, source, standby);
}

function readOneChange(event: JsonObject, source: EntrySource): MessengerEvent {
  const result = readChange(event, source.asset, source.time);
  const finished = finish(result, source, result.user, result.at, false);
  return result.isStamped ? finished : unstamped(finished);
}

/** Who and when. The user is the side that is not the asset: the recipient in echoes. */
function locate(event: JsonObject, source: EntrySource): EventSource {
  const sender = isObject(event['sender']) ? event['sender'] : undefined;
  const recipient = isObject(event['recipient']) ? event['recipient'] : undefined;
  const message = event['message'];
  const isEcho = isObject(message) && message['is_echo'] === true;
  const senderId = userIdOf(sender?.['id']);
  const byAsset = isEcho || senderId === source.asset;
  const user = byAsset ? userIdOf(recipient?.['id']) : senderId;
  const stamp = timeOf(event['timestamp']);
  return {
    asset: source.asset,
    user: user === source.asset ? undefined : user,
    at: stamp ?? source.time,
    stamp: stamp ?? 0,
    byAsset,
    userRef: textOf(sender?.['user_ref']),
    event,
  };
}

/** Written out per case: this runs for every event, and spreading costs more than it saves. */
function finish(
  result: EventDraft,
  { asset }: EntrySource,
  user: string | undefined,
  at: number,
  standby: boolean,
): MessengerEvent {
  const { kind, data, key: dedupeKey, opensWindow } = result;
  if (user === undefined) {
    if (dedupeKey === undefined) return { asset, kind, at, standby, opensWindow, data };
    return { asset, kind, at, dedupeKey, standby, opensWindow, data };
  }
  if (dedupeKey === undefined) return { asset, user, kind, at, standby, opensWindow, data };
  return { asset, user, kind, at, dedupeKey, standby, opensWindow, data };
}

function keepDamaged(
  name: string,
  value: unknown,
  source: EntrySource,
  standby: boolean,
  collector: Collector,
): void {
  collector.damaged++;
  collector.events.push(unknownEvent(name, value, source, standby));
}

function unknownEvent(
  name: string,
  value: unknown,
  source: EntrySource,
  standby: boolean,
): MessengerEvent {
  const where = isObject(value) ? locate(value, source) : undefined;
  const raw = boundedOf(value);
  const at = where?.at ?? source.time;
  const short = nameOf(name);
  // What cannot be stored cannot be hashed either: its name and time must do.
  const content = raw === undefined ? '' : hashOf(withoutDelivery(raw));
  const user = where?.user;
  const key = `unk:${source.asset}:${user ?? ''}:${short}:${where?.stamp ?? 0}:${content}`;
  const data = defined({ name: short, at, raw });
  const opensWindow = false;
  const finished = finish({ kind: 'unknown', data, key, opensWindow }, source, user, at, standby);
  return (where?.stamp ?? 0) === 0 ? unstamped(finished) : finished;
}

/** Its key must not be filed under a time that changes from delivery to delivery. */
function unstamped(event: MessengerEvent): MessengerEvent {
  return event.dedupeKey === undefined ? event : { ...event, isUnstamped: true };
}

/** `time` of an entry changes from delivery to delivery. */
function withoutDelivery(raw: unknown): unknown {
  if (!isObject(raw)) return raw;
  const { time: _time, ...rest } = raw;
  return rest;
}

function nameOfEvent(event: unknown): string {
  if (!isObject(event)) return 'event';
  for (const [name] of READERS) if (event[name] !== undefined) return name;
  return Object.keys(event).find((name) => !SURROUNDINGS.includes(name)) ?? 'event';
}

/** Names of Meta's events that are understood, in dispatch order. For documents and tests. */
export const EVENT_NAMES: readonly string[] = READERS.map(([name]) => name);
