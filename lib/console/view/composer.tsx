// The answer box: grows with the text, keeps a draft per conversation, Enter sends.

import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { App } from '../model/app.ts';
import { t } from '../model/language.ts';
import { Icon } from './icons.tsx';

/** The protocol's bound of one message, in characters. */
export const TEXT_MAX = 20_000;
/** From here on the number of characters left is shown. */
const TEXT_WARN = 19_000;
const HEIGHT_MAX_PX = 220;
/** Without a key for this long one has stopped typing. */
const TYPING_IDLE_MS = 6_000;

export function Composer({ app, conversation }: { app: App; conversation: string }) {
  const text = useSignal(app.texts.draft(conversation));
  const field = useRef<HTMLTextAreaElement>(null);
  const typing = useTypingNotes(app, conversation);
  const draftVersion = app.draftVersion.value;
  const length = [...text.value].length;
  const canSend = text.value.trim() !== '' && length <= TEXT_MAX;

  useEffect(() => {
    text.value = app.texts.draft(conversation);
  }, [draftVersion]);

  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text.value]);

  const change = (next: string): void => {
    text.value = next;
    app.texts.setDraft(conversation, next);
    typing.note(next !== '');
  };
  const send = (): void => {
    if (!canSend) return;
    const replyTo = app.answering.value?.mids[0];
    app.outgoing.send(conversation, {
      text: text.value.trim(),
      ...(replyTo === undefined ? {} : { replyTo }),
    });
    app.answering.value = undefined;
    typing.cancel();
    text.value = '';
    app.texts.setDraft(conversation, '');
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // While an input method composes (Chinese), Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <AnsweringQuote app={app} />
      <div class="composer-row">
        <textarea
          id="composer"
          ref={field}
          rows={1}
          dir="auto"
          placeholder={t('write')}
          aria-label={t('write')}
          title={t('sendHint')}
          value={text.value}
          data-testid="composer"
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          class="send"
          disabled={!canSend}
          aria-label={t('send')}
          title={t('send')}
          data-testid="send"
        >
          <Icon name="send" />
        </button>
      </div>
      {length > TEXT_WARN && (
        <p class={`composer-count${length > TEXT_MAX ? ' is-over' : ''}`} role="status">
          {length > TEXT_MAX
            ? t('tooLong', { count: length - TEXT_MAX })
            : t('left', { count: TEXT_MAX - length })}
        </p>
      )}
    </form>
  );
}

/** Tells the desk about keys, and about the end of them. */
function useTypingNotes(app: App, conversation: string) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const cancel = (): void => clearTimeout(timer.current);
  const note = (on: boolean): void => {
    cancel();
    app.desk.typing(conversation, on);
    if (on) timer.current = setTimeout(() => app.desk.typing(conversation, false), TYPING_IDLE_MS);
  };
  useEffect(
    () => () => {
      cancel();
      app.desk.typing(conversation, false);
    },
    [conversation],
  );
  return { note, cancel };
}

function AnsweringQuote({ app }: { app: App }) {
  const message = app.answering.value;
  if (message === undefined) return null;
  return (
    <div class="answering">
      <span class="answering-text">
        <strong>{t('answering')}</strong> {message.text || t('attachment')}
      </span>
      <button
        type="button"
        class="icon-button icon-button-small"
        aria-label={t('cancelAnswer')}
        onClick={() => {
          app.answering.value = undefined;
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
