// Reads the fields of a request; what has the wrong form is refused as bad_request, naming the field only.

import { parseConversation } from '../base/ids.ts';
import type { Refusal } from '../desk/refusal.ts';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, REQUEST_ID_CHARS_MAX } from './limits.ts';
import { RequestError } from './request-error.ts';
import type { Message, Session } from './session.ts';

/** The request's id: 1 to REQUEST_ID_CHARS_MAX characters. */
export function idOf(message: Message): string {
  const id = message['id'];
  if (typeof id === 'string' && id.length >= 1 && id.length <= REQUEST_ID_CHARS_MAX) return id;
  throw new RequestError(
    'bad_request',
    `id must be a text of 1 to ${REQUEST_ID_CHARS_MAX} characters.`,
  );
}

/** The conversation with a customer that the session may see. */
export function conversationOf(session: Session, message: Message): string {
  const text = message['conversation'];
  const name = typeof text === 'string' ? parseConversation(text) : undefined;
  if (typeof text !== 'string' || name === undefined) {
    throw new RequestError('bad_request', 'conversation must be messenger/PAGE/USER.');
  }
  if (!session.scope.allowsPage(name.page)) {
    throw new RequestError('forbidden', 'The token does not name this Page.');
  }
  return text;
}

export function textOf(message: Message, field: string, charsMax: number): string {
  const value = message[field];
  if (typeof value === 'string' && value.length >= 1 && value.length <= charsMax) return value;
  throw new RequestError('bad_request', `${field} must be a text of 1 to ${charsMax} characters.`);
}

/** A sequence number, or undefined when the field is absent (or null). */
export function seqOf(message: Message, field: string): number | undefined {
  const value = message[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RequestError('bad_request', `${field} must be a sequence number.`);
}

/** How many items are wanted: 1 to PAGE_LIMIT_MAX. */
export function limitOf(message: Message): number {
  const value = message['limit'];
  if (value === undefined || value === null) return PAGE_LIMIT_DEFAULT;
  const isWithin = typeof value === 'number' && Number.isInteger(value) && value >= 1;
  if (isWithin && value <= PAGE_LIMIT_MAX) return value;
  throw new RequestError('bad_request', `limit must be 1 to ${PAGE_LIMIT_MAX}.`);
}

/** One of the given words. */
export function wordOf<Word extends string>(
  message: Message,
  field: string,
  words: readonly Word[],
): Word {
  const found = words.find((word) => word === message[field]);
  if (found !== undefined) return found;
  throw new RequestError('bad_request', `${field} must be one of ${words.join(', ')}.`);
}

/** The desk's refusal as a reply's error. @param details instead of the refusal's own data */
export function toRequestError(refusal: Refusal, details?: string): RequestError {
  const own = refusal.data === undefined ? undefined : JSON.stringify(refusal.data);
  return new RequestError(refusal.code, refusal.message, details ?? own);
}
