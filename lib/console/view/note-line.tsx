// What happened and is no message, as one quiet line.

import type { ChatNote } from '../../client/index.ts';
import { clockTime } from '../model/format.ts';
import { t } from '../model/language.ts';

export function NoteLine({ note }: { note: ChatNote }) {
  return (
    <div class="note" data-testid="note">
      <span>{textOf(note)}</span> <time>{clockTime(note.at)}</time>
    </div>
  );
}

function textOf({ kind, data }: ChatNote): string {
  const value = (key: string): string => String(data[key] ?? '');
  const nameOf = (key: string): string => {
    const person = data[key] as { name?: string; id?: string } | undefined;
    return person?.name ?? person?.id ?? '';
  };
  switch (kind) {
    case 'postback':
      return t('postback', { title: value('title') });
    case 'referral':
    case 'optin':
    case 'order':
    case 'feedback':
      return t(kind);
    case 'handover':
    case 'policy':
      return t(kind, { action: value('action') });
    case 'conversation.closed':
      return t('noteClosed', { name: nameOf('by') });
    case 'conversation.reopened':
      return t('noteReopened');
    case 'conversation.claimed':
      return t('noteClaimed', { name: nameOf('agent') });
    case 'conversation.released':
      return t('noteReleased');
    default:
      return t('noteOther', { kind });
  }
}
