// `changes[]`: comments, visitor posts and labels become events; every other field is kept as unknown,
// and so is what the dashboard's Test button sends (messenger.md 3.5).

import { draft, type EventDraft } from './event-draft.ts';
import {
  boundedOf,
  defined,
  hashOf,
  idOf,
  isObject,
  type JsonObject,
  keyPart,
  nameOf,
  textOf,
  timeOf,
  userIdOf,
} from './fields.ts';

export interface ChangeDraft extends EventDraft {
  readonly user: string | undefined;
  readonly at: number;
  /** False when `at` is the fallback. */
  readonly isStamped: boolean;
}

type TypedDraft = Omit<ChangeDraft, 'isStamped'>;

/**
 * @param change one element of `changes`
 * @param asset the entry's id
 * @param fallbackAt when the change has no time of its own
 */
export function readChange(change: JsonObject, asset: string, fallbackAt: number): ChangeDraft {
  const field = nameOf(textOf(change['field']) ?? 'changes');
  const value = isObject(change['value']) ? change['value'] : undefined;
  const stamp = timeOf(value?.['created_time']) ?? timeOf(value?.['timestamp']);
  const at = stamp ?? fallbackAt;
  const isStamped = stamp !== undefined;
  if (value !== undefined && asset !== '0') {
    const typed = readTyped(field, value, asset, at);
    if (typed !== undefined) return { ...typed, isStamped };
  }
  const data = defined({ name: field, at, raw: boundedOf(change['value']) });
  return {
    ...draft('unknown', data, changeKey(field, change['value'], asset)),
    user: undefined,
    at,
    isStamped,
  };
}

function readTyped(
  field: string,
  value: JsonObject,
  asset: string,
  at: number,
): TypedDraft | undefined {
  if (field === 'inbox_labels') return readLabel(value, asset, at);
  const item = field === 'feed' ? textOf(value['item']) : 'comment';
  const isComment = field === 'feed' || field === 'comments' || field === 'live_comments';
  if (!isComment || (item !== 'comment' && item !== 'post')) return undefined;
  return readComment(field, item, value, asset, at);
}

function readComment(
  field: string,
  item: string,
  value: JsonObject,
  asset: string,
  at: number,
): TypedDraft {
  const from = isObject(value['from']) ? value['from'] : undefined;
  const author = userIdOf(from?.['id']);
  const user = author === asset ? undefined : author;
  const verb = textOf(value['verb']) ?? 'add';
  const media = isObject(value['media']) ? value['media'] : undefined;
  const data = defined({
    at,
    item,
    verb,
    commentId: idOf(value['comment_id']) ?? (field === 'feed' ? undefined : idOf(value['id'])),
    postId: idOf(value['post_id']) ?? idOf(media?.['id']),
    from: author === undefined ? undefined : defined({ id: author, name: authorName(from) }),
    text: textOf(value['message']) ?? textOf(value['text']),
  });
  const opensWindow = user !== undefined && verb === 'add';
  return { ...draft('comment', data, changeKey(field, value, asset), opensWindow), user, at };
}

function authorName(from: JsonObject | undefined): string | undefined {
  return textOf(from?.['name']) ?? textOf(from?.['username']);
}

function readLabel(value: JsonObject, asset: string, at: number): TypedDraft {
  const user = isObject(value['user']) ? userIdOf(value['user']['id']) : undefined;
  const label = isObject(value['label']) ? value['label'] : undefined;
  const data = defined({
    at,
    action: textOf(value['action']),
    label: defined({ id: idOf(label?.['id']), name: textOf(label?.['page_label_name']) }),
  });
  return { ...draft('label', data, changeKey('inbox_labels', value, asset)), user, at };
}

/** Objects have ids; a change without one is told apart by its content. */
function changeKey(field: string, value: unknown, asset: string): string {
  const members = isObject(value) ? value : undefined;
  const id = idOf(members?.['comment_id']) ?? idOf(members?.['post_id']);
  const verb = textOf(members?.['verb']) ?? '';
  const created = timeOf(members?.['created_time']) ?? '';
  return `chg:${asset}:${field}:${keyPart(id ?? hashOf(value))}:${keyPart(verb)}:${created}`;
}
