// May this agent send this, now? Decides a send and builds its message.queued, or refuses (contract.md,
// "Sending"). Idempotency was looked at before (sendDedupeKey, sameContent); then, in this order:
// taken, stale, window, limits. Pure but for the random id of the message.

import { ulid } from '../base/ids.ts';
import { checkContent } from './content.ts';
import type { ConversationState } from './conversation.ts';
import { QUEUE_FULL_RETRY_MS, QUEUED_MAX } from './limits.ts';
import { queuedContent } from './outbox-content.ts';
import type { DeskNewRecord } from './ports.ts';
import type { Person, QueuedData } from './records.ts';
import { type Refusal, refuse } from './refusal.ts';
import { unsettledCount } from './view.ts';

export { sameContent } from './outbox-content.ts';

export interface SendRequest {
  /** The request's id, which is its idempotency key. */
  readonly id: string;
  /** As it came; checked here. */
  readonly message: unknown;
  readonly claim?: number;
  readonly seen?: number;
}

export type SendDecision =
  | { readonly ok: true; readonly message: string; readonly record: DeskNewRecord }
  | { readonly ok: false; readonly error: Refusal };

/** The key under which an agent's send is stored once. */
export function sendDedupeKey(agentId: string, requestId: string): string {
  return `send:${agentId}:${requestId}`;
}

/**
 * Decides a send on the state as folded up to now.
 * @param state undefined: nothing is known of the conversation, which refuses as not_found
 * @returns the record to append. It carries `expectSeq` when the answer depends on what was seen: on 'conflict'
 *   fold on and decide again. `stale` has data {seq}; the caller adds the missed `events`.
 */
export function decideSend(
  state: ConversationState | undefined,
  request: SendRequest,
  agent: Person,
  now: number,
): SendDecision {
  if (state === undefined || state.user === '') {
    return refused(refuse('not_found', 'There is no such conversation.'));
  }
  const refusal =
    checkClaim(state, request, agent) ??
    checkSeen(state, request, agent) ??
    checkWindow(state, now);
  if (refusal !== undefined) return refused(refusal);
  const checked = checkContent(request.message);
  if (!checked.ok) return refused(checked.error);
  if (unsettledCount(state) >= QUEUED_MAX) {
    return refused(
      refuse('rate_limited', `${QUEUED_MAX} messages of this conversation wait to be sent.`, {
        retryAfterMs: QUEUE_FULL_RETRY_MS,
      }),
    );
  }
  const message = ulid(now);
  const data: QueuedData = {
    message,
    request: request.id,
    by: { id: agent.id, name: agent.name, role: agent.role },
    ...queuedContent(checked.content),
  };
  const isFenced = request.seen !== undefined || state.claim !== null;
  const record: DeskNewRecord = {
    conversation: state.conversation,
    kind: 'message.queued',
    at: now,
    data: JSON.stringify(data),
    dedupeKey: sendDedupeKey(agent.id, request.id),
    fences: true,
    ...(isFenced ? { expectSeq: state.fence } : {}),
  };
  return { ok: true, message, record };
}

/**
 * The newest seq that makes the agent's `seen` stale: a customer's doing, or a send of somebody
 * else.
 */
export function newestForeignSeq(state: ConversationState, agentId: string): number {
  const queued = state.queuedBy.find((sender) => sender.agent !== agentId);
  return Math.max(state.customerSeq, queued?.seq ?? 0);
}

function checkClaim(
  state: ConversationState,
  request: SendRequest,
  agent: Person,
): Refusal | undefined {
  const { claim } = state;
  const isOthers = claim !== null && claim.agent.id !== agent.id;
  const isOld = request.claim !== undefined && request.claim !== claim?.claim;
  if (!isOthers && !isOld) return undefined;
  return refuse('taken', 'The conversation is claimed otherwise.', {
    owner: claim?.agent ?? null,
    claim: claim?.claim ?? 0,
  });
}

function checkSeen(
  state: ConversationState,
  request: SendRequest,
  agent: Person,
): Refusal | undefined {
  if (request.seen === undefined) return undefined;
  const seq = newestForeignSeq(state, agent.id);
  if (seq <= request.seen) return undefined;
  return refuse('stale', 'Something happened that was not seen.', { seq });
}

/**
 * The window's place in the order of checks; its rules refuse nothing yet, Meta's answer decides.
 */
function checkWindow(_state: ConversationState, _now: number): Refusal | undefined {
  return undefined;
}

function refused(error: Refusal): SendDecision {
  return { ok: false, error };
}
