// Identifiers: sortable ids for outbox messages, and the conversation's name.

import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARS = 10;
const RANDOM_BYTES = 10;

/**
 * A ULID: 26 characters, sorted by time, 80 random bits.
 * @param now milliseconds since the Unix epoch
 */
export function ulid(now: number): string {
  let time = '';
  for (let i = 0, rest = now; i < TIME_CHARS; i++) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let bits = 0n;
  for (const byte of randomBytes(RANDOM_BYTES)) bits = (bits << 8n) | BigInt(byte);
  let random = '';
  for (let i = 0; i < 16; i++) {
    random = ALPHABET.charAt(Number(bits & 31n)) + random;
    bits >>= 5n;
  }
  return time + random;
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** When an id of `ulid` was made, in ms; undefined when the text is none. */
export function timeOfUlid(id: string): number | undefined {
  if (!ULID.test(id)) return undefined;
  let time = 0;
  for (const char of id.slice(0, TIME_CHARS)) time = time * 32 + ALPHABET.indexOf(char);
  return time;
}

export interface ConversationName {
  readonly channel: 'messenger';
  readonly page: string;
  /** Absent when the name stands for the Page itself. */
  readonly user?: string;
}

const NAME = /^messenger\/([0-9]{1,32})(?:\/([0-9A-Za-z_.:-]{1,128}))?$/;

/** Parses `messenger/PAGE` or `messenger/PAGE/USER`; undefined when it is neither. */
export function parseConversation(text: string): ConversationName | undefined {
  const match = NAME.exec(text);
  const page = match?.[1];
  if (page === undefined) return undefined;
  const user = match?.[2];
  return user === undefined ? { channel: 'messenger', page } : { channel: 'messenger', page, user };
}

/** Whether parseConversation knows it. */
export function isConversation(text: string): boolean {
  return NAME.test(text);
}

export function conversationOf(page: string, user: string | undefined): string {
  return user === undefined ? `messenger/${page}` : `messenger/${page}/${user}`;
}

/** The Page id in a conversation's name: what an agent's token is compared with. */
export function pageOf(conversation: string): string {
  const start = conversation.indexOf('/') + 1;
  const end = conversation.indexOf('/', start);
  return end === -1 ? conversation.slice(start) : conversation.slice(start, end);
}
