// The records that the clerk writes about a message, and their dedupe keys: one message.sending per attempt
// and one message.sent per message, whatever happens around them.

import { timeOfUlid } from '../base/ids.ts';
import type { OutboxMessage } from './conversation.ts';
import { partsOf } from './outbox-content.ts';
import type { DeskNewRecord } from './ports.ts';
import type {
  DeferredData,
  MessageError,
  PageAlarmData,
  PartData,
  SendingData,
  SentData,
  UnknownOutcomeData,
  UnsentData,
} from './records.ts';

export type Split = (text: string) => readonly string[];

/** Filed under it: the one call of that attempt, and through it the message's conversation. */
export function sendingKey(message: string, part: number, attempt: number): string {
  return `sending:${message}:${part}:${attempt}`;
}

export function sendingRecord(conversation: string, at: number, data: SendingData): DeskNewRecord {
  const dedupeKey = sendingKey(data.message, data.part, data.attempt);
  // Under the message's own time, so that it is found for as long as the journal holds it.
  const dedupeAt = timeOfUlid(data.message);
  return {
    ...base(conversation, 'message.sending', at, data),
    dedupeKey,
    ...(dedupeAt === undefined ? {} : { dedupeAt }),
    internal: true,
  };
}

/** message.part while more parts follow, message.sent for the last one. */
export function confirmedRecord(
  conversation: string,
  at: number,
  message: OutboxMessage,
  mid: string,
  split: Split,
): DeskNewRecord {
  const part = message.mids.length;
  if (part + 1 < partCount(message, split)) {
    const data: PartData = { message: message.id, part, mid };
    const dedupeKey = `part:${message.id}:${part}`;
    return { ...base(conversation, 'message.part', at, data), dedupeKey, internal: true };
  }
  const mids = [...message.mids, mid];
  const echoAt = message.echo?.part === part ? message.echo.at : undefined;
  const data: SentData = {
    message: message.id,
    mid: mids[0] ?? mid,
    ...(mids.length > 1 ? { mids } : {}),
    at: echoAt ?? message.open?.at ?? at,
  };
  return { ...base(conversation, 'message.sent', at, data), dedupeKey: `sent:${message.id}` };
}

export function deferredRecord(
  conversation: string,
  at: number,
  data: DeferredData,
): DeskNewRecord {
  return { ...base(conversation, 'message.deferred', at, data), internal: true };
}

export function unknownRecord(
  conversation: string,
  at: number,
  data: UnknownOutcomeData,
): DeskNewRecord {
  return { ...base(conversation, 'message.unknown', at, data), internal: true };
}

export function unsentRecord(
  conversation: string,
  at: number,
  status: 'failed' | 'uncertain',
  data: UnsentData,
): DeskNewRecord {
  return base(conversation, `message.${status}`, at, data);
}

export function alarmRecord(page: string, at: number, data: PageAlarmData): DeskNewRecord {
  return base(pageConversation(page), 'page.alarm', at, data);
}

/** The name of the Page's own row. */
export function pageConversation(page: string): string {
  return `messenger/${page}`;
}

export const OUTCOME_UNKNOWN: MessageError = {
  code: 'unavailable',
  message: 'The call to Meta had no answer and no echo came: it may have been delivered.',
  retryable: true,
};

/** Without content (given up) nothing more will be sent: the part at hand is the last one. */
function partCount(message: OutboxMessage, split: Split): number {
  return message.content === undefined ? 0 : partsOf(message.content, split).length;
}

function base(conversation: string, kind: string, at: number, data: object): DeskNewRecord {
  return { conversation, kind, at, data: JSON.stringify(data) };
}
