// Webhook bodies for tests: the invented examples of the fixture, and small ones built on the spot.

import { readFileSync } from 'node:fs';
import type { MessengerEvent, ParsedWebhook } from '../../lib/messenger/types.ts';
import { parseWebhook } from '../../lib/messenger/webhook.ts';

export interface ExampleBody {
  readonly name: string;
  readonly body: unknown;
}

const FILE = new URL('../fixtures/messenger-events.json', import.meta.url);

export const EXAMPLES: readonly ExampleBody[] = JSON.parse(readFileSync(FILE, 'utf8'));

export const PAGE = '112233445566778';
export const USER = '7410258963014785';
export const ENTRY_TIME = 1_791_200_000_500;
export const EVENT_TIME = 1_791_200_000_000;
export const RECEIVED_AT = 1_791_200_001_000;

/** Parses like the gateway; fails the test when the body is not JSON. */
export function parse(body: unknown): ParsedWebhook {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const parsed = parseWebhook(Buffer.from(text), RECEIVED_AT);
  if (parsed === undefined) throw new Error('The body is not JSON.');
  return parsed;
}

export function example(name: string): ParsedWebhook {
  const found = EXAMPLES.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`There is no example ${name}.`);
  return parse(found.body);
}

/** One entry of the Page with these arrays. */
export function bodyOf(arrays: Readonly<Record<string, unknown>>, object = 'page'): unknown {
  return { object, entry: [{ id: PAGE, time: ENTRY_TIME, ...arrays }] };
}

/** One event from the customer to the Page. */
export function eventOf(members: Readonly<Record<string, unknown>>): unknown {
  return { sender: { id: USER }, recipient: { id: PAGE }, timestamp: EVENT_TIME, ...members };
}

/** Parses one event of `messaging` (or another array) and returns it. */
export function parseOne(
  members: Readonly<Record<string, unknown>>,
  array = 'messaging',
): MessengerEvent {
  return first(parse(bodyOf({ [array]: [eventOf(members)] })));
}

export function first(parsed: ParsedWebhook): MessengerEvent {
  const [event] = parsed.events;
  if (event === undefined || parsed.events.length !== 1) {
    throw new Error(`Expected one event, got ${parsed.events.length}.`);
  }
  return event;
}
