// The `send` request: idempotency first, then the desk decides, then the journal. The loop of look,
// decide, append runs again when somebody else was faster (contract.md section 4, "Sending").

import type { Clock } from '../base/clock.ts';
import { pageOf } from '../base/ids.ts';
import { checkContent } from '../desk/content.ts';
import type { ConversationState } from '../desk/conversation.ts';
import { decideSend, type SendRequest, sameContent, sendDedupeKey } from '../desk/send.ts';
import type { Journal } from '../journal/types.ts';
import { eventFrame } from './event-frame.ts';
import { SEND_ROUNDS_MAX, STALE_EVENTS_MAX } from './limits.ts';
import { RequestError } from './request-error.ts';
import { conversationOf, idOf, seqOf, toRequestError } from './request-fields.ts';
import type { Message, Session } from './session.ts';

export interface SendWorld {
  readonly journal: Pick<Journal, 'append' | 'find' | 'get' | 'history'>;
  readonly stateOf: (conversation: string) => ConversationState | undefined;
  readonly isConfigured: (page: string) => boolean;
  readonly clock: Clock;
}

/** @returns the reply's data: {"message","seq"}, with "duplicate" when it was stored before */
export async function handleSend(
  world: SendWorld,
  session: Session,
  message: Message,
): Promise<string> {
  const conversation = conversationOf(session, message);
  const claim = seqOf(message, 'claim');
  const seen = seqOf(message, 'seen');
  const request: SendRequest = {
    id: idOf(message),
    message: message['message'],
    ...(claim === undefined ? {} : { claim }),
    ...(seen === undefined ? {} : { seen }),
  };
  const key = sendDedupeKey(session.person.id, request.id);
  for (let round = 0; round < SEND_ROUNDS_MAX; round++) {
    const held = world.journal.find(key);
    if (held !== undefined) return answerHeld(world, session, conversation, request, held);
    const answer = await tryOnce(world, session, conversation, request);
    if (answer !== undefined) return answer;
  }
  throw new RequestError('unavailable', 'Too much happens in this conversation: send it again.');
}

/** undefined: somebody else was faster, look again. */
async function tryOnce(
  world: SendWorld,
  session: Session,
  conversation: string,
  request: SendRequest,
): Promise<string | undefined> {
  if (!world.isConfigured(pageOf(conversation))) {
    throw new RequestError('not_found', 'This Page is not configured.');
  }
  const state = world.stateOf(conversation);
  const decision = decideSend(state, request, session.person, world.clock.now());
  if (!decision.ok) {
    const { error } = decision;
    const details =
      error.code === 'stale' ? missedText(world, conversation, request.seen ?? 0) : undefined;
    throw toRequestError(error, details);
  }
  const [result] = await world.journal.append([decision.record]);
  if (result?.status !== 'appended') return undefined;
  return `{"message":"${decision.message}","seq":${result.seq}}`;
}

/** Same id: the first answer when the content is the same, else id_reused. */
function answerHeld(
  world: SendWorld,
  session: Session,
  conversation: string,
  request: SendRequest,
  seq: number,
): string {
  const record = world.journal.get(seq);
  const queued = record === undefined ? undefined : (JSON.parse(record.data) as QueuedFields);
  const isOwn = queued?.by?.id === session.person.id && queued.request === request.id;
  const content = checkContent(request.message);
  const isSame =
    isOwn &&
    content.ok &&
    record?.conversation === conversation &&
    sameContent(queued, content.content);
  if (!isSame) throw new RequestError('id_reused', 'The id was used for another message.');
  return `{"message":${JSON.stringify(queued.message)},"seq":${seq},"duplicate":true}`;
}

interface QueuedFields {
  readonly [field: string]: unknown;
  readonly message: string;
  readonly request: string;
  readonly by?: { readonly id: string };
}

/** The newest events above `seen`, for the agent to read before answering. */
function missedText(world: SendWorld, conversation: string, seen: number): string {
  const { records } = world.journal.history(conversation, undefined, STALE_EVENTS_MAX);
  const missed = records.filter((record) => record.seq > seen);
  const seq = records.at(-1)?.seq ?? seen;
  return `{"events":[${missed.map(eventFrame).join(',')}],"seq":${seq}}`;
}
