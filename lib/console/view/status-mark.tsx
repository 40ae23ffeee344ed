// How far a message of ours got.

import type { ChatMessage, MessageStatus } from '../../client/index.ts';
import { t } from '../model/language.ts';
import { Icon, type IconName } from './icons.tsx';

const ICONS: Readonly<Record<MessageStatus, IconName>> = {
  sending: 'clock',
  queued: 'clock',
  sent: 'tick',
  delivered: 'ticks',
  read: 'ticks',
  failed: 'alert',
  refused: 'alert',
  uncertain: 'question',
  discarded: 'close',
};
/** These are said in words too. */
const IN_WORDS: ReadonlySet<MessageStatus> = new Set([
  'failed',
  'refused',
  'uncertain',
  'discarded',
]);

export function StatusMark({ message }: { message: ChatMessage }) {
  const { status } = message;
  if (status === undefined) return null;
  const word = t(status);
  return (
    <span class={`status status-${status}`} title={word} data-testid="status">
      <Icon name={ICONS[status]} />
      <span class={IN_WORDS.has(status) ? '' : 'visually-hidden'}>{word}</span>
    </span>
  );
}
