// The life of what agents send, as records tell it. Statuses only go forward (S18, S19, S37):
//
//   queued -- sending -- part* -- sent -- delivered -- read
//     |          |-- deferred (again later)      ^
//     |          '-- unknown -- uncertain -------|  a late echo, or `resend`
//     '--------------------- failed -------------'

import {
  type ConversationState,
  OUTBOX_STATUS_RANK,
  type OutboxMessage,
  type OutboxStatus,
} from './conversation.ts';
import { type Data, isObject, numberAt, objectAt, textAt, textsAt } from './fields.ts';
import { previewOf, showLast, touch } from './fold-last.ts';
import { OUTBOX_KEPT_MAX } from './limits.ts';
import { contentOfQueued, parseMetadata } from './outbox-content.ts';
import type { DeskRecord, MessageError, Person } from './records.ts';

/** True while the clerk has something to do for the message. */
export function isUnsettled(message: OutboxMessage): boolean {
  return message.status === 'queued' || message.resend === true || isProven(message);
}

/** An echo proves that the part at hand went out, but no record says so yet. */
export function isProven(message: OutboxMessage): boolean {
  const isSent = OUTBOX_STATUS_RANK[message.status] >= OUTBOX_STATUS_RANK.sent;
  return !isSent && message.echo !== undefined && message.echo.part === message.mids.length;
}

/**
 * What the clerk works on next: what is proven, then the one whose call is open, then the oldest.
 */
export function currentOf(state: ConversationState): OutboxMessage | undefined {
  return (
    state.outbox.find(isProven) ??
    state.outbox.find((message) => message.open !== undefined && isUnsettled(message)) ??
    state.outbox.find(isUnsettled)
  );
}

/** The message with that id; the newest are looked at first. */
export function findOutbox(state: ConversationState, id: string): OutboxMessage | undefined {
  return state.outbox.findLast((message) => message.id === id);
}

export function foldQueued(state: ConversationState, record: DeskRecord): void {
  const id = textAt(record.data, 'message');
  if (id === undefined) return;
  const by = personAt(record.data, 'by');
  state.queuedBy = [
    { agent: by.id, seq: record.seq },
    ...state.queuedBy.filter((queued) => queued.agent !== by.id),
  ].slice(0, 2);
  const message: OutboxMessage = {
    id,
    seq: record.seq,
    request: textAt(record.data, 'request') ?? '',
    by,
    queuedAt: record.at,
    status: 'queued',
    content: contentOfQueued(record.data),
    mids: [],
    attempts: 0,
  };
  if (state.waitingSince !== 0) message.waited = state.waitingSince;
  state.waitingSince = 0;
  state.outbox.push(message);
  touch(state, record, record.at);
  showLast(state, 'page', record.at, previewOf(record.data));
}

export function foldSending(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  if (message === undefined) return;
  const attempt = numberAt(record.data, 'attempt') ?? message.attempts + 1;
  message.attempts = Math.max(message.attempts, attempt);
  message.open = {
    part: numberAt(record.data, 'part') ?? 0,
    attempt,
    sender: textAt(record.data, 'sender') ?? '',
    at: record.at,
  };
  endWait(message);
}

/** One part is out; the next one begins with fresh counters. */
export function foldPart(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  const mid = textAt(record.data, 'mid');
  if (message === undefined || mid === undefined) return;
  if (numberAt(record.data, 'part') !== message.mids.length) return;
  message.mids.push(mid);
  message.attempts = 0;
  delete message.open;
  endWait(message);
  endRound(message);
}

export function foldSent(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  const mid = textAt(record.data, 'mid');
  if (message === undefined || mid === undefined) return;
  message.mids = [...(textsAt(record.data, 'mids') ?? [mid])];
  const echo = message.echo?.part === message.mids.length - 1 ? message.echo.at : undefined;
  const begun = echo ?? numberAt(record.data, 'at') ?? message.open?.at;
  message.sentAt ??= begun ?? record.at;
  raise(message, 'sent');
  delete message.content;
  delete message.open;
  delete message.error;
  delete message.resend;
  delete message.waited;
  endWait(message);
  endRound(message);
  raiseByWatermarks(state);
  boundOutbox(state);
}

/**
 * The call was refused without effect and will be made again; a Page's pause is nobody's failure.
 */
export function foldDeferred(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  if (message === undefined) return;
  const scope = textAt(record.data, 'scope');
  message.deferred = scope === 'page' || scope === 'thread' ? scope : 'message';
  message.notBefore = numberAt(record.data, 'notBefore') ?? record.at;
  message.error = errorAt(record.data, 'error');
  delete message.open;
  if (message.deferred === 'page') return;
  message.retries = (message.retries ?? 0) + 1;
  message.retrySince ??= record.at;
}

/** `open` stays: the call may have had its effect. */
export function foldUnknownOutcome(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  if (message === undefined) return;
  message.unknownUntil = numberAt(record.data, 'until') ?? record.at;
  message.error = errorAt(record.data, 'error');
}

export function foldUncertain(state: ConversationState, record: DeskRecord): void {
  endUnsent(state, record, 'uncertain');
}

export function foldFailed(state: ConversationState, record: DeskRecord): void {
  const message = endUnsent(state, record, 'failed');
  if (message?.waited === undefined) return;
  const isAnsweredSince = state.outbox.some(
    (other) => other.seq > message.seq && other.status !== 'failed',
  );
  const isNewest = state.last.from === 'page' && state.last.at <= message.queuedAt;
  if (state.waitingSince === 0 && isNewest && !isAnsweredSince) {
    state.waitingSince = message.waited;
  }
}

/** A person's decision; it only concerns what is uncertain or failed at that time. */
export function foldResolved(state: ConversationState, record: DeskRecord): void {
  const message = messageOf(state, record);
  if (message === undefined || message.resend === true) return;
  if (message.status !== 'uncertain' && message.status !== 'failed') return;
  if (textAt(record.data, 'action') === 'discard') {
    message.discarded = true;
    delete message.content;
  } else if (message.content !== undefined && message.discarded !== true) {
    message.resend = true;
    endRound(message);
  }
}

/** Proof that a part went out, whatever the call's answer said or will say (S12, S36, S37). */
export function foldEcho(state: ConversationState, record: DeskRecord): void {
  const mid = textAt(record.data, 'mid');
  if (mid === undefined) return;
  const at = numberAt(record.data, 'at') ?? record.at;
  const named = parseMetadata(textAt(record.data, 'metadata') ?? '');
  const message = named === undefined ? undefined : findOutbox(state, named.message);
  if (named === undefined || message === undefined) {
    adoptEchoByMid(state, mid, at);
    return;
  }
  takeEcho(state, message, named.part, mid, at);
}

/** Joins an echo to one of our sent parts by its mid. @returns false when the mid is not ours */
export function adoptEchoByMid(state: ConversationState, mid: string, at: number): boolean {
  const message = state.outbox.findLast((candidate) => candidate.mids.includes(mid));
  if (message === undefined) return false;
  takeEcho(state, message, message.mids.indexOf(mid), mid, at);
  return true;
}

export function foldDelivered(state: ConversationState, record: DeskRecord): void {
  const watermark = numberAt(record.data, 'watermark') ?? 0;
  state.deliveredWatermark = Math.max(state.deliveredWatermark, watermark);
  for (const mid of midsOf(record.data)) raiseByMid(state, mid, 'delivered');
  raiseByWatermarks(state);
}

/** A read implies a delivery; Instagram names one message, which implies those before it. */
export function foldRead(state: ConversationState, record: DeskRecord): void {
  const watermark = numberAt(record.data, 'watermark') ?? 0;
  state.readWatermark = Math.max(state.readWatermark, watermark);
  for (const mid of midsOf(record.data)) raiseByMid(state, mid, 'read');
  raiseByWatermarks(state);
}

function takeEcho(
  state: ConversationState,
  message: OutboxMessage,
  part: number,
  mid: string,
  at: number,
): void {
  if (message.echo === undefined || message.echo.part <= part) message.echo = { part, mid, at };
  if (OUTBOX_STATUS_RANK[message.status] < OUTBOX_STATUS_RANK.sent) return;
  if (part === message.mids.length - 1) message.sentAt = at;
  raiseByWatermarks(state);
}

function messageOf(state: ConversationState, record: DeskRecord): OutboxMessage | undefined {
  const id = textAt(record.data, 'message');
  return id === undefined ? undefined : findOutbox(state, id);
}

function endUnsent(
  state: ConversationState,
  record: DeskRecord,
  status: 'uncertain' | 'failed',
): OutboxMessage | undefined {
  const message = messageOf(state, record);
  if (message === undefined || OUTBOX_STATUS_RANK[message.status] > OUTBOX_STATUS_RANK[status]) {
    return undefined;
  }
  message.status = status;
  message.error = errorAt(record.data, 'error');
  delete message.open;
  delete message.resend;
  endWait(message);
  boundOutbox(state);
  return message;
}

function endWait(message: OutboxMessage): void {
  delete message.notBefore;
  delete message.deferred;
  delete message.unknownUntil;
}

function endRound(message: OutboxMessage): void {
  delete message.retries;
  delete message.retrySince;
}

function raise(message: OutboxMessage, status: OutboxStatus): void {
  if (OUTBOX_STATUS_RANK[status] > OUTBOX_STATUS_RANK[message.status]) message.status = status;
}

function raiseByWatermarks(state: ConversationState): void {
  for (const message of state.outbox) {
    if (OUTBOX_STATUS_RANK[message.status] < OUTBOX_STATUS_RANK.sent) continue;
    const sentAt = message.sentAt ?? message.queuedAt;
    if (sentAt <= state.deliveredWatermark) raise(message, 'delivered');
    if (sentAt <= state.readWatermark) raise(message, 'read');
  }
}

/** The last part's mid stands for the message, and for every sent message before it. */
function raiseByMid(state: ConversationState, mid: string, status: 'delivered' | 'read'): void {
  const named = state.outbox.findLast((message) => message.mids.at(-1) === mid);
  if (named === undefined) return;
  for (const message of state.outbox) {
    if (message.seq > named.seq) break;
    if (OUTBOX_STATUS_RANK[message.status] >= OUTBOX_STATUS_RANK.sent) raise(message, status);
  }
}

/**
 * Drops the oldest settled messages above the bound; what the clerk still works on is never
 * dropped.
 */
function boundOutbox(state: ConversationState): void {
  const settled = state.outbox.filter((message) => !isUnsettled(message)).length;
  let surplus = settled - OUTBOX_KEPT_MAX;
  if (surplus <= 0) return;
  state.outbox = state.outbox.filter((message) => isUnsettled(message) || surplus-- <= 0);
}

function midsOf(data: Data): readonly string[] {
  const mid = textAt(data, 'mid');
  return [...(textsAt(data, 'mids') ?? []), ...(mid === undefined ? [] : [mid])];
}

function personAt(data: Data, key: string): Person {
  const person = objectAt(data, key);
  const role = person === undefined ? undefined : textAt(person, 'role');
  return {
    id: (person === undefined ? undefined : textAt(person, 'id')) ?? '',
    name: (person === undefined ? undefined : textAt(person, 'name')) ?? '',
    role: role === 'supervisor' || role === 'service' ? role : 'agent',
  };
}

function errorAt(data: Data, key: string): MessageError {
  const error = data[key];
  if (!isObject(error)) return { code: 'internal', message: '', retryable: false };
  const read: MessageError = {
    code: textAt(error, 'code') ?? 'internal',
    message: textAt(error, 'message') ?? '',
    retryable: error['retryable'] === true,
  };
  return error['meta'] === undefined ? read : { ...read, meta: error['meta'] };
}
