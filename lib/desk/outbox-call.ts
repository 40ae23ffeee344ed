// One call to Meta as the clerk makes it: what is to be done next for a conversation, and what an answer
// means for the message. Pure decisions; outbox.ts does them.

import type { ConversationState, OutboxMessage } from './conversation.ts';
import { currentOf, findOutbox, isProven } from './fold-outbox.ts';
import { partsOf } from './outbox-content.ts';
import type { OutboxLimits } from './outbox-limits.ts';
import type { Lane, PauseReason } from './outbox-page.ts';
import {
  confirmedRecord,
  deferredRecord,
  OUTCOME_UNKNOWN,
  type Split,
  unknownRecord,
  unsentRecord,
} from './outbox-records.ts';
import type { DeskNewRecord, PostOutcome } from './ports.ts';
import type { MessageError, OutgoingContent } from './records.ts';

/** The part that is to be posted next. */
export interface Call {
  readonly message: string;
  readonly part: number;
  readonly attempt: number;
  readonly content: OutgoingContent;
  readonly lane: Lane;
}

export type Work =
  | { readonly kind: 'none' }
  /** A record is due at once: the echo came, or the wait for it is over. */
  | { readonly kind: 'record'; readonly record: DeskNewRecord }
  | { readonly kind: 'wait'; readonly until: number }
  | { readonly kind: 'post'; readonly call: Call };

export interface CallContext {
  readonly now: number;
  readonly split: Split;
  readonly limits: OutboxLimits;
  readonly random: () => number;
}

/**
 * What a conversation needs now.
 * @param echoUntil until when the echo of a call is awaited that nobody recorded an outcome of
 */
export function nextWork(
  state: ConversationState | undefined,
  echoUntil: number,
  context: CallContext,
): Work {
  const message = state === undefined ? undefined : currentOf(state);
  if (state === undefined || message === undefined) return { kind: 'none' };
  const { now, split } = context;
  if (isProven(message)) {
    const mid = message.echo?.mid ?? '';
    return {
      kind: 'record',
      record: confirmedRecord(state.conversation, now, message, mid, split),
    };
  }
  if (message.open !== undefined) {
    const until = message.unknownUntil ?? echoUntil;
    if (now < until) return { kind: 'wait', until };
    return { kind: 'record', record: uncertainRecord(state, message, now) };
  }
  const notBefore = message.notBefore ?? 0;
  if (now < notBefore && message.deferred !== 'page') {
    return { kind: 'wait', until: notBefore };
  }
  return { kind: 'post', call: callOf(message, split) };
}

/**
 * The record that an answer leads to; undefined when the part was confirmed by its echo
 * meanwhile.
 */
export function concludingRecord(
  state: ConversationState,
  call: Call,
  outcome: PostOutcome,
  pausedUntil: number,
  context: CallContext,
): DeskNewRecord | undefined {
  const message = findOutbox(state, call.message);
  if (message === undefined || !isPending(message, call)) return undefined;
  const { now, split } = context;
  const { conversation } = state;
  if (isProven(message)) {
    return confirmedRecord(conversation, now, message, message.echo?.mid ?? '', split);
  }
  switch (outcome.outcome) {
    case 'sent':
      return confirmedRecord(conversation, now, message, outcome.mid, split);
    case 'refused':
      return refusedRecord(conversation, message, call, outcome, pausedUntil, context);
    case 'unknown':
      return unknownRecord(conversation, now, {
        message: call.message,
        part: call.part,
        until: outcome.waitForEcho ? now + context.limits.echoWaitMs : now,
        error: outcome.error,
      });
  }
}

/** Is the call's part still the one at hand, neither confirmed nor given up? */
export function isPending(message: OutboxMessage, call: Call): boolean {
  return message.open?.attempt === call.attempt && message.mids.length === call.part;
}

/** Why a Page is paused, by the alarm that its refusal raised. */
export function reasonOf(outcome: PostOutcome): PauseReason {
  return outcome.outcome === 'refused' ? (outcome.alarm ?? 'limit') : 'limit';
}

function callOf(message: OutboxMessage, split: Split): Call {
  const part = message.mids.length;
  const content = partsOf(message.content ?? {}, split)[part] ?? {};
  return {
    message: message.id,
    part,
    attempt: message.attempts + 1,
    content,
    lane: content.attachment === undefined ? 'text' : 'media',
  };
}

function uncertainRecord(
  state: ConversationState,
  message: OutboxMessage,
  now: number,
): DeskNewRecord {
  const error = message.error ?? OUTCOME_UNKNOWN;
  return unsentRecord(state.conversation, now, 'uncertain', { message: message.id, error });
}

function refusedRecord(
  conversation: string,
  message: OutboxMessage,
  call: Call,
  outcome: Extract<PostOutcome, { outcome: 'refused' }>,
  pausedUntil: number,
  context: CallContext,
): DeskNewRecord {
  const { error, policy } = outcome;
  const { now } = context;
  const base = { message: call.message, part: call.part, attempt: call.attempt, error };
  if (policy === 'pausePage') {
    return deferredRecord(conversation, now, { ...base, notBefore: pausedUntil, scope: 'page' });
  }
  const waitMs = policy === 'fail' ? undefined : waitBeforeRetry(message, outcome, context);
  if (waitMs === undefined) return failedRecord(conversation, now, call.message, error);
  const scope = policy === 'pauseThread' ? 'thread' : 'message';
  return deferredRecord(conversation, now, { ...base, notBefore: now + waitMs, scope });
}

function failedRecord(
  conversation: string,
  now: number,
  message: string,
  error: MessageError,
): DeskNewRecord {
  return unsentRecord(conversation, now, 'failed', { message, error });
}

/** undefined: the round's bound is reached. */
function waitBeforeRetry(
  message: OutboxMessage,
  outcome: Extract<PostOutcome, { outcome: 'refused' }>,
  context: CallContext,
): number | undefined {
  const { limits, now, random } = context;
  const tries = (message.retries ?? 0) + 1;
  const spentMs = now - (message.retrySince ?? now);
  if (outcome.policy === 'pauseThread') {
    const waitMs = outcome.retryAfterMs ?? limits.threadPauseMs;
    return spentMs + waitMs > limits.threadPauseSpanMs ? undefined : waitMs;
  }
  const backoffMs = Math.round(limits.retryFirstMs * 2 ** (tries - 1) * (0.75 + 0.5 * random()));
  const waitMs = Math.max(backoffMs, outcome.retryAfterMs ?? 0);
  const isSpent = tries >= limits.triesMax || spentMs + waitMs > limits.retrySpanMs;
  return isSpent ? undefined : waitMs;
}
