// What GET requests of the Graph API show: profiles and conversations (messenger.md 7.1, 7.3). Pure.

import type { PhoneMessage, SimulatedCustomer, SimulatedPage } from './types.ts';
import type { Thread, World } from './world.ts';

const PROFILE_FIELDS: readonly string[] = ['name', 'first_name', 'last_name', 'profile_pic'];
/** Details of older messages are "deleted" for the API. */
const MESSAGES_MAX = 20;
const LIMIT_DEFAULT = 25;
const LIMIT_MAX = 100;

/** @param fields the `fields` parameter; null shows names only */
export function profileView(
  customer: SimulatedCustomer,
  fields: string | null,
  pictureUrl: string,
): unknown {
  const wanted = fields?.split(',').map((field) => field.trim()) ?? ['first_name', 'last_name'];
  const [first = '', ...others] = customer.name.split(' ');
  const all: Readonly<Record<string, string>> = {
    name: customer.name,
    first_name: first,
    last_name: others.join(' '),
    profile_pic: pictureUrl,
  };
  const shown = PROFILE_FIELDS.filter((field) => wanted.includes(field) && all[field]);
  return { ...Object.fromEntries(shown.map((field) => [field, all[field]])), id: customer.id };
}

/** Newest first, of one person when `user_id` is given. */
export function conversationList(
  world: World,
  page: SimulatedPage,
  query: URLSearchParams,
): unknown {
  const user = query.get('user_id');
  const limit = Math.min(Number(query.get('limit') ?? LIMIT_DEFAULT) || LIMIT_DEFAULT, LIMIT_MAX);
  const threads = world
    .threadsOf(page.id)
    .filter((thread) => thread.messages.length > 0 && (user === null || thread.user === user))
    .sort((a, b) => b.lastAt - a.lastAt)
    .slice(0, limit);
  return { data: threads.map((thread) => conversationView(world, page, thread)) };
}

function conversationView(world: World, page: SimulatedPage, thread: Thread): unknown {
  const person = (id: string): unknown => ({
    name: id === page.id ? page.name : (world.customer(id)?.name ?? ''),
    email: `${id}@facebook.com`,
    id,
  });
  const messageView = (message: PhoneMessage): unknown => {
    const isCustomer = message.from === 'customer';
    return {
      id: message.mid,
      created_time: graphTime(message.at),
      from: person(isCustomer ? thread.user : page.id),
      to: { data: [person(isCustomer ? page.id : thread.user)] },
      message: message.text ?? '',
    };
  };
  return {
    id: `t_${thread.user}`,
    updated_time: graphTime(thread.lastAt),
    participants: { data: [person(thread.user), person(page.id)] },
    messages: { data: thread.messages.slice(-MESSAGES_MAX).reverse().map(messageView) },
  };
}

/** `2022-07-12T19:11:07+0000`: seconds only, zone without colon. */
export function graphTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, '+0000');
}
