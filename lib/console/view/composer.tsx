// The answer box: grows with the text, keeps a draft per conversation, Enter sends.

import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { App } from '../model/app.ts';
import { t } from '../model/language.ts';
import { focusComposer } from './focus.ts';
import { Icon } from './icons.tsx';

/** The protocol's bound of one message, in characters. */
export const TEXT_MAX = 20_000;
/** From here on the number of characters left is shown. */
const TEXT_WARN = 19_000;
const HEIGHT_MAX_PX = 220;
/** Without a key for this long one has stopped typing. */
const TYPING_IDLE_MS = 6_000;

interface ComposerProps {
  readonly app: App;
  readonly conversation: string;
}

export function Composer({ app, conversation }: ComposerProps) {
  const { text, length, change, send } = useAnswer(app, conversation);
  const canSend = text.trim() !== '' && length <= TEXT_MAX;
  const trySend = (event: Event): void => {
    event.preventDefault();
    if (canSend) send();
  };
  return (
    <form class="composer" onSubmit={trySend}>
      <AnsweringQuote app={app} />
      <div class="composer-row">
        <AnswerField text={text} onChange={change} onEnter={trySend} />
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

/** The text of the answer: kept as a draft, told as typing, sent. */
function useAnswer(app: App, conversation: string) {
  const text = useSignal(app.texts.draft(conversation));
  const typing = useTypingNotes(app, conversation);
  const draftVersion = app.draftVersion.value;

  useEffect(() => {
    text.value = app.texts.draft(conversation);
  }, [draftVersion]);

  const keep = (next: string): void => {
    text.value = next;
    app.texts.setDraft(conversation, next);
  };
  const change = (next: string): void => {
    keep(next);
    typing.note(next !== '');
  };
  const send = (): void => {
    const replyTo = app.answering.value?.mids[0];
    app.outgoing.send(conversation, {
      text: text.value.trim(),
      ...(replyTo === undefined ? {} : { replyTo }),
    });
    app.answering.value = undefined;
    typing.cancel();
    keep('');
    focusComposer();
  };
  return { text: text.value, length: [...text.value].length, change, send };
}

interface FieldProps {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly onEnter: (event: Event) => void;
}

/** Grows with its text. Enter ends it, but not while an input method composes (Chinese). */
function AnswerField({ text, onChange, onEnter }: FieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text]);
  return (
    <textarea
      id="composer"
      ref={field}
      rows={1}
      dir="auto"
      placeholder={t('write')}
      aria-label={t('write')}
      title={t('sendHint')}
      value={text}
      data-testid="composer"
      onInput={(event) => onChange(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) onEnter(event);
      }}
    />
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
