// The right side: whose conversation it is, its messages, who is typing, the answer box.

import { useEffect } from 'preact/hooks';
import type { App } from '../model/app.ts';
import { clockTime, customerName } from '../model/format.ts';
import { t } from '../model/language.ts';
import { Avatar } from './avatar.tsx';
import { Composer } from './composer.tsx';
import { Icon } from './icons.tsx';
import { MessageList } from './message-list.tsx';

export function ConversationPane({ app }: { app: App }) {
  const name = app.selected.value;
  if (name === undefined) return <NothingChosen />;
  return (
    <>
      <PaneHeader app={app} />
      <MessageList key={name} app={app} conversation={name} />
      <TypingLine app={app} conversation={name} />
      <Composer key={`composer ${name}`} app={app} conversation={name} />
    </>
  );
}

function NothingChosen() {
  return (
    <div class="nothing">
      <Icon name="chat" class="nothing-icon" />
      <h2>{t('choose')}</h2>
      <p class="muted">{t('chooseHint')}</p>
    </div>
  );
}

function PaneHeader({ app }: { app: App }) {
  // Components with equal props are not drawn again: each reads the version it depends on.
  void app.listVersion.value;
  const view = app.selectedView;
  const customer = view === undefined ? '' : customerName(view);
  const isWaiting = view !== undefined && view.waitingSince > 0 && view.state === 'open';
  const pages = app.welcome.value?.pages ?? [];
  const showsPage = view !== undefined && (pages.length > 1 || pages[0] === '*');
  useEffect(() => app.markSeen());
  return (
    <header class="pane-header">
      <button
        type="button"
        class="icon-button pane-back"
        aria-label={t('back')}
        data-testid="back"
        onClick={() => app.select(undefined)}
      >
        <Icon name="back" />
      </button>
      {view !== undefined && <Avatar id={view.customer.id} name={customer} />}
      <div class="pane-names">
        <h2 data-testid="conversation-title">{customer}</h2>
        <span class="muted">
          Messenger
          {showsPage && ` · ${t('page', { id: view.page })}`}
          {view?.state === 'closed' && ` · ${t('closed')}`}
        </span>
      </div>
      {isWaiting && (
        <span class="mark-waiting" data-testid="waiting-since">
          {t('waiting', { time: clockTime(view.waitingSince) })}
        </span>
      )}
    </header>
  );
}

function TypingLine({ app, conversation }: { app: App; conversation: string }) {
  void app.listVersion.value;
  const me = app.welcome.value?.agent.id;
  const person = app.typing.people.value.find(
    (each) => each.conversation === conversation && each.agent?.id !== me,
  );
  const view = app.selectedView;
  if (person === undefined || view === undefined) return <div class="typing" aria-hidden="true" />;
  const { agent } = person;
  return (
    <div class="typing" role="status" data-testid="typing">
      <span class="typing-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {agent === undefined
        ? t('customerTyping', { name: customerName(view) })
        : t('agentTyping', { name: agent.name })}
    </div>
  );
}
