// One row of the list.

import type { ConversationView } from '../../client/index.ts';
import type { App } from '../model/app.ts';
import { clockTime, customerName, fullTime, previewText, shortTime } from '../model/format.ts';
import { t } from '../model/language.ts';
import { Avatar } from './avatar.tsx';
import { focusNextComposer } from './focus.ts';
import { minute } from './now.ts';

interface ItemProps {
  readonly app: App;
  readonly view: ConversationView;
  readonly isSelected: boolean;
}

export function ConversationItem({ app, view, isSelected }: ItemProps) {
  const name = customerName(view);
  const { unread, last, waitingSince, state } = view;
  const draft = isSelected ? '' : app.texts.draft(view.conversation);
  return (
    <button
      type="button"
      class={`item${unread > 0 ? ' item-unread' : ''}`}
      aria-current={isSelected ? 'true' : undefined}
      data-testid="conversation-item"
      data-conversation={view.conversation}
      onClick={() => {
        app.select(view.conversation);
        focusNextComposer();
      }}
    >
      <Avatar id={view.customer.id} name={name} />
      <span class="item-name">{name}</span>
      {last.at > 0 && (
        <time
          class="item-time"
          dateTime={new Date(last.at).toISOString()}
          title={fullTime(last.at)}
        >
          {shortTime(last.at, minute.value)}
        </time>
      )}
      <span class="item-text">
        {draft !== '' ? <em class="item-draft">✎ {draft}</em> : <LastText view={view} />}
      </span>
      <span class="item-marks">
        {waitingSince > 0 && state === 'open' && (
          <span
            class="mark-waiting"
            title={t('waiting', { time: clockTime(waitingSince) })}
            data-testid="waiting"
          >
            {t('waitingShort')}
          </span>
        )}
        {state === 'closed' && <span class="mark-closed">{t('closed')}</span>}
        {unread > 0 && (
          <span class="badge" data-testid="unread">
            <span aria-hidden="true">{unread > 99 ? '99+' : unread}</span>
            <span class="visually-hidden">{t('unread', { count: unread })}</span>
          </span>
        )}
      </span>
    </button>
  );
}

function LastText({ view }: { view: ConversationView }) {
  const text = previewText(view.last.text) || t('attachment');
  return view.last.at === 0 ? null : (
    <>
      {view.last.from === 'page' && <span class="item-you">↩ </span>}
      {text}
    </>
  );
}
