// What can be done about a message that did not get through, and why it did not.

import type { ChatMessage } from '../../client/index.ts';
import type { App } from '../model/app.ts';
import { t, tryWord } from '../model/language.ts';
import { focusComposer } from './focus.ts';

interface ActionsProps {
  readonly app: App;
  readonly conversation: string;
  readonly message: ChatMessage;
}

export function MessageActions({ app, conversation, message }: ActionsProps) {
  const { status } = message;
  if (status === 'refused') return <RefusedActions {...{ app, conversation, message }} />;
  if (status !== 'failed' && status !== 'uncertain') return null;
  const outbox = message.outbox ?? '';
  return (
    <fieldset class="problem" aria-label={t(status)}>
      <span>{status === 'uncertain' ? t('uncertainHint') : reasonOf(message)}</span>
      <button
        type="button"
        class="button"
        data-testid="resend"
        onClick={() => void app.outgoing.resolve(conversation, outbox, 'resend')}
      >
        {t('resend')}
      </button>
      <button
        type="button"
        class="button"
        data-testid="discard"
        onClick={() => void app.outgoing.resolve(conversation, outbox, 'discard')}
      >
        {t('discard')}
      </button>
    </fieldset>
  );
}

/** The gateway did not take it: the text can be sent as it is, or changed. */
function RefusedActions({ app, conversation, message }: ActionsProps) {
  const request = message.request ?? '';
  const isStale = message.error?.code === 'stale';
  const change = (): void => {
    const text = app.outgoing.withdraw(conversation, request);
    const draft = app.texts.draft(conversation);
    app.texts.setDraft(conversation, draft === '' ? text : `${text}\n${draft}`);
    app.draftVersion.value++;
    focusComposer();
  };
  return (
    <fieldset class="problem" aria-label={t('refused')}>
      <span>{reasonOf(message)}</span>
      <button
        type="button"
        class="button"
        data-testid="send-again"
        onClick={() => app.outgoing.sendAgain(request)}
      >
        {isStale ? t('sendAnyway') : t('again')}
      </button>
      <button type="button" class="button" data-testid="change" onClick={change}>
        {t('edit')}
      </button>
    </fieldset>
  );
}

function reasonOf(message: ChatMessage): string {
  const { error } = message;
  if (error === undefined) return t('failed');
  return tryWord(`error_${error.code}`) ?? error.message;
}
