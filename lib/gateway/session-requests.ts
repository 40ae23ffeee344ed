// What an agent may ask (contract.md section 4): one table from a request's type to its handler. Each
// handler reads its fields, asks the desk, appends, and returns the reply's data as JSON text.

import { parseConversation } from '../base/ids.ts';
import { conversationKeyOf, decideResolve } from '../desk/resolve.ts';
import type { SenderAction } from '../messenger/types.ts';
import { Disconnects } from './disconnect.ts';
import { TOKEN_CHARS_MAX } from './limits.ts';
import { handleHistory, handleList, type ReadWorld } from './read-requests.ts';
import { RequestError } from './request-error.ts';
import { conversationOf, idOf, seqOf, textOf, toRequestError, wordOf } from './request-fields.ts';
import { handleSend, type SendWorld } from './send-request.ts';
import type { Message, RequestHandler, Session } from './session.ts';
import type { TokenVerifier } from './tokens.ts';
import type { TypingSignals } from './typing-signals.ts';

export interface RequestWorld extends ReadWorld, SendWorld {
  readonly journal: ReadWorld['journal'] & SendWorld['journal'];
  readonly tokens: TokenVerifier;
  readonly typing: TypingSignals;
  /** Tells Meta, best effort, never waits. */
  readonly act: (conversation: string, action: SenderAction) => void;
}

type Handler = (
  world: RequestWorld,
  session: Session,
  message: Message,
) => Promise<string | undefined> | string | undefined;

const OUTBOX_ID_CHARS_MAX = 64;

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['send', sendAndForgetTyping],
  ['resolve', handleResolve],
  ['typing', handleTyping],
  ['seen', handleSeen],
  ['list', handleList],
  ['history', handleHistory],
  ['token', handleToken],
  ['hello', refuseSecondHello],
]);

/** Requests of the protocol that are built later. */
const RESERVED: ReadonlySet<string> = new Set([
  'claim',
  'release',
  'close',
  'reopen',
  'transfer',
  'thread',
  'react',
  'agents',
  'presence',
]);

/** The handler of all requests. */
export function createRequestHandler(world: RequestWorld): RequestHandler {
  return (session, message) => {
    const handler = HANDLERS.get(message.type);
    if (handler === undefined) return refuseUnknown(message);
    if (message.type !== 'typing') idOf(message);
    return handler(world, session, message);
  };
}

/** Without an id nobody waits for an answer: messages of a newer protocol are ignored. */
function refuseUnknown(message: Message): undefined {
  if (message['id'] === undefined && !RESERVED.has(message.type)) return undefined;
  idOf(message);
  throw new RequestError('unsupported', 'This request is not supported.');
}

function refuseSecondHello(): never {
  throw new RequestError('bad_request', 'The session has said hello already.');
}

async function handleResolve(
  world: RequestWorld,
  session: Session,
  message: Message,
): Promise<string> {
  const outboxId = textOf(message, 'message', OUTBOX_ID_CHARS_MAX);
  const action = wordOf(message, 'action', ['resend', 'discard']);
  const seq = world.journal.find(...conversationKeyOf(outboxId));
  const record = seq === undefined ? undefined : world.journal.get(seq);
  // Who may not see the Page learns nothing, not even that the message exists.
  const isVisible = record !== undefined && session.scope.allows(record.conversation);
  const state = isVisible ? world.stateOf(record.conversation) : undefined;
  const decision = decideResolve(state, outboxId, action, session.person, world.clock.now());
  if (!decision.ok) throw toRequestError(decision.error);
  const [result] = await world.journal.append([decision.record]);
  return `{"message":${JSON.stringify(outboxId)},"seq":${result?.seq ?? 0}}`;
}

/** A message that is stored ends the typing that led to it; the next key is a new beginning. */
async function sendAndForgetTyping(
  world: RequestWorld,
  session: Session,
  message: Message,
): Promise<string> {
  const answer = await handleSend(world, session, message);
  world.typing.sent(session.person, conversationOf(session, message));
  return answer;
}

function handleTyping(world: RequestWorld, session: Session, message: Message): undefined {
  const conversation = conversationOf(session, message);
  if (typeof message['on'] !== 'boolean') {
    throw new RequestError('bad_request', 'on must be true or false.');
  }
  if (world.stateOf(conversation) === undefined) return undefined;
  world.typing.note(session.person, conversation, message['on']);
  return undefined;
}

async function handleSeen(
  world: RequestWorld,
  session: Session,
  message: Message,
): Promise<string> {
  const conversation = conversationOf(session, message);
  const asked = seqOf(message, 'seq');
  if (asked === undefined) throw new RequestError('bad_request', 'seq is missing.');
  const state = world.stateOf(conversation);
  if (state === undefined || parseConversation(conversation)?.user === undefined) {
    throw new RequestError('not_found', 'There is no such conversation.');
  }
  const seq = Math.min(asked, state.seq);
  if (seq <= state.seenSeq) return `{"seq":${state.seenSeq}}`;
  const { id, name, role } = session.person;
  const { claim, unread } = state;
  await world.journal.append([
    {
      conversation,
      kind: 'conversation.seen',
      at: world.clock.now(),
      data: JSON.stringify({ seq, by: { id, name, role } }),
    },
  ]);
  if (unread > 0 && (claim === null || claim.agent.id === id)) world.act(conversation, 'mark_seen');
  return `{"seq":${seq}}`;
}

/** A renewed token of the same agent. With other Pages the client joins anew with it. */
async function handleToken(
  world: RequestWorld,
  session: Session,
  message: Message,
): Promise<string> {
  const result = await world.tokens.verify(textOf(message, 'token', TOKEN_CHARS_MAX));
  if (!result.ok) {
    throw new RequestError(result.status === 401 ? 'unauthorized' : 'unavailable', result.reason);
  }
  const { identity } = result;
  if (identity.person.id !== session.person.id) {
    throw new RequestError('forbidden', 'The token is of another agent.');
  }
  if (identity.scope.id !== session.scope.id) session.disconnectSoon(Disconnects.scopeChanged);
  else session.renew(identity);
  return `{"expiresAt":${identity.expiresAt}}`;
}
