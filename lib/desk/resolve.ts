// A person's decision on an uncertain or failed message: send it again, or give it up. The request names
// the message only; its first message.sending, filed under a key, tells the conversation.

import { timeOfUlid } from '../base/ids.ts';
import type { ConversationState } from './conversation.ts';
import { findOutbox } from './fold-outbox.ts';
import { sendingKey } from './outbox-records.ts';
import type { DeskNewRecord } from './ports.ts';
import type { Person, ResolvedData } from './records.ts';
import { type Refusal, refuse } from './refusal.ts';

export type ResolveDecision =
  | { readonly ok: true; readonly record: DeskNewRecord }
  | { readonly ok: false; readonly error: Refusal };

/** The dedupe key, and its time, under which the journal finds a record of the message's conversation. */
export function conversationKeyOf(message: string): readonly [key: string, at: number | undefined] {
  return [sendingKey(message, 0, 1), timeOfUlid(message)];
}

/**
 * Decides a `resolve`.
 * @returns not_found when the message is not held (any more), bad_request when there is nothing to resolve
 */
export function decideResolve(
  state: ConversationState | undefined,
  messageId: string,
  action: 'resend' | 'discard',
  by: Person,
  now: number,
): ResolveDecision {
  const message = state === undefined ? undefined : findOutbox(state, messageId);
  if (state === undefined || message === undefined) {
    return { ok: false, error: refuse('not_found', 'There is no such message.') };
  }
  const isUnsent = message.status === 'uncertain' || message.status === 'failed';
  if (!isUnsent || message.resend === true || message.discarded === true) {
    const error = refuse('bad_request', 'Only an uncertain or failed message can be resolved.');
    return { ok: false, error };
  }
  const data: ResolvedData = {
    message: messageId,
    action,
    by: { id: by.id, name: by.name, role: by.role },
  };
  return {
    ok: true,
    record: {
      conversation: state.conversation,
      kind: 'message.resolved',
      at: now,
      data: JSON.stringify(data),
    },
  };
}
