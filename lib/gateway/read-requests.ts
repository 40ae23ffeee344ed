// The requests that only read: `list` and `history`, and the plan of a snapshot. Bounded answers, and
// never a Page that the token does not name.

import type { Clock } from '../base/clock.ts';
import type { ConversationState } from '../desk/conversation.ts';
import type { ListPage, ListQuery } from '../desk/projection-list.ts';
import { decodeCursor, encodeCursor } from '../desk/projection-list.ts';
import { toView } from '../desk/view.ts';
import type { Journal } from '../journal/types.ts';
import { eventFrame } from './event-frame.ts';
import type { SnapshotPlan } from './feed.ts';
import { HISTORY_CHARS_MAX } from './limits.ts';
import { RequestError } from './request-error.ts';
import { conversationOf, limitOf, seqOf, wordOf } from './request-fields.ts';
import type { Scope } from './scope.ts';
import type { Message, Session } from './session.ts';

export interface ReadWorld {
  readonly journal: Pick<Journal, 'history'>;
  readonly stateOf: (conversation: string) => ConversationState | undefined;
  readonly list: (query: ListQuery) => ListPage;
  readonly clock: Clock;
  readonly humanAgent: boolean;
  readonly snapshotMax: number;
}

const LISTS = ['open', 'unclaimed', 'mine', 'closed', 'all'] as const;

/** {"conversations","cursor"}; without a cursor there is no more. */
export function handleList(world: ReadWorld, session: Session, message: Message): string {
  const which = wordOf(message, 'state', LISTS);
  const cursor = message['cursor'];
  const after = typeof cursor === 'string' ? decodeCursor(cursor) : undefined;
  if (cursor !== undefined && cursor !== null && after === undefined) {
    throw new RequestError('bad_request', 'cursor is none of ours.');
  }
  const page = world.list({
    ...pagesOf(session.scope),
    ...listFilter(which, session.person.id),
    ...(after === undefined ? {} : { after }),
    limit: limitOf(message),
  });
  const views = page.states.map((state) => textOfView(world, state)).join(',');
  const next = page.next === undefined ? '' : `,"cursor":"${encodeCursor(page.next)}"`;
  return `{"conversations":[${views}]${next}}`;
}

/** {"events","complete"}: the newest events below `before`, ascending. */
export function handleHistory(world: ReadWorld, session: Session, message: Message): string {
  const conversation = conversationOf(session, message);
  const before = seqOf(message, 'before');
  const { records, complete } = world.journal.history(conversation, before, limitOf(message));
  const frames: string[] = [];
  let chars = 0;
  for (const record of records.toReversed()) {
    const frame = eventFrame(record);
    chars += frame.length;
    if (frames.length > 0 && chars > HISTORY_CHARS_MAX) break;
    frames.push(frame);
  }
  const isWhole = complete && frames.length === records.length;
  return `{"events":[${frames.reverse().join(',')}],"complete":${isWhole}}`;
}

/** The newest open conversations of a scope, as of `seq`. */
export function planSnapshot(world: ReadWorld, scope: Scope, seq: number): SnapshotPlan {
  const { states } = world.list({ ...pagesOf(scope), state: 'open', limit: world.snapshotMax });
  return { seq, conversations: states.map((state) => state.conversation) };
}

/** The conversation object as JSON text. */
export function viewTextOf(world: ReadWorld, conversation: string): string | undefined {
  const state = world.stateOf(conversation);
  return state === undefined ? undefined : textOfView(world, state);
}

function textOfView(world: ReadWorld, state: ConversationState): string {
  return JSON.stringify(toView(state, world.clock.now(), { humanAgent: world.humanAgent }));
}

function pagesOf(scope: Scope): { readonly pages?: readonly string[] } {
  return scope.filter === undefined ? {} : { pages: scope.filter };
}

function listFilter(
  which: (typeof LISTS)[number],
  agent: string,
): Pick<ListQuery, 'state' | 'owner'> {
  if (which === 'all') return {};
  if (which === 'closed') return { state: 'closed' };
  if (which === 'mine') return { state: 'open', owner: agent };
  return which === 'unclaimed' ? { state: 'open', owner: '' } : { state: 'open' };
}
