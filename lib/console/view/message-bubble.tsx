// One message: quote, text, files, reactions, and below it its time and status.

import type { ChatMessage, Thread } from '../../client/index.ts';
import type { App } from '../model/app.ts';
import { clockTime, fullTime } from '../model/format.ts';
import { t } from '../model/language.ts';
import { AttachmentLink } from './attachment-link.tsx';
import { focusComposer } from './focus.ts';
import { Icon } from './icons.tsx';
import { MessageActions } from './message-actions.tsx';
import { MessageText } from './message-text.tsx';
import { StatusMark } from './status-mark.tsx';

interface BubbleProps {
  readonly app: App;
  readonly thread: Thread;
  readonly message: ChatMessage;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export function MessageBubble({ app, thread, message, isFirst, isLast }: BubbleProps) {
  const isIn = message.from === 'customer';
  const classes = ['message', isIn ? 'message-in' : 'message-out', `message-${message.from}`];
  if (isFirst) classes.push('message-first');
  if (isLast) classes.push('message-last');
  if (message.status !== undefined) classes.push(`is-${message.status}`);
  return (
    <article
      class={classes.join(' ')}
      data-testid={
        isIn ? 'message-in' : message.from === 'agent' ? 'message-out' : 'message-outside'
      }
      data-key={message.key}
      data-status={message.status}
    >
      {isFirst && !isIn && <AuthorLine app={app} message={message} />}
      <div class="bubble-row">
        <Bubble app={app} thread={thread} message={message} />
        {message.mids.length > 0 && !message.isDeleted && (
          <AnswerButton app={app} message={message} />
        )}
      </div>
      <Reactions message={message} />
      <MessageActions app={app} conversation={thread.conversation} message={message} />
      {(isLast || needsStatus(message)) && (
        <div class="message-foot">
          {message.isEdited && <span>{t('edited')} · </span>}
          <time dateTime={new Date(message.at).toISOString()} title={fullTime(message.at)}>
            {clockTime(message.at)}
          </time>
          <StatusMark message={message} />
        </div>
      )}
    </article>
  );
}

/** A status that somebody has to see is shown in the middle of a group too. */
function needsStatus(message: ChatMessage): boolean {
  return (
    message.isEdited ||
    (message.status !== undefined && !['sent', 'delivered', 'read'].includes(message.status))
  );
}

function Bubble({ app, thread, message }: Pick<BubbleProps, 'app' | 'thread' | 'message'>) {
  return (
    <div class="bubble" dir="auto">
      {message.replyTo !== undefined && <Quote app={app} thread={thread} mid={message.replyTo} />}
      {message.text !== '' && <MessageText text={message.text} />}
      {message.attachments.map((attachment) => (
        <AttachmentLink key={attachment.index} attachment={attachment} />
      ))}
      {message.isDeleted && <em class="bubble-absent">{t('deleted')}</em>}
      {message.isUnsupported && <em class="bubble-absent">{t('unsupported')}</em>}
      {message.quickReplies.length > 0 && (
        <div class="quick-replies">
          {message.quickReplies.map((reply) => (
            <span key={reply.payload}>{reply.title}</span>
          ))}
        </div>
      )}
    </div>
  );
}

function Quote({ app, thread, mid }: { app: App; thread: Thread; mid: string }) {
  void app.threadVersion.value;
  const quoted = thread.findByMid(mid);
  const text = quoted?.text || (quoted?.attachments[0] ? t('attachment') : t('unknownQuote'));
  return <blockquote class="quote">{text}</blockquote>;
}

function AuthorLine({ app, message }: { app: App; message: ChatMessage }) {
  if (message.from === 'outside') {
    return <div class="author">{t(message.origin === 'app' ? 'outsideApp' : 'outsidePage')}</div>;
  }
  const me = app.welcome.value?.agent.id;
  const isMine = message.by === undefined || message.by.id === me;
  return <div class="author">{isMine ? t('you') : message.by?.name}</div>;
}

function Reactions({ message }: { message: ChatMessage }) {
  if (message.reactions.length === 0) return null;
  return (
    <div class="reactions" data-testid="reactions">
      {message.reactions.map((reaction) => (
        <span key={reaction.by}>{reaction.emoji}</span>
      ))}
    </div>
  );
}

function AnswerButton({ app, message }: { app: App; message: ChatMessage }) {
  return (
    <button
      type="button"
      class="icon-button icon-button-small answer-button"
      aria-label={t('answer')}
      title={t('answer')}
      onClick={() => {
        app.answering.value = message;
        focusComposer();
      }}
    >
      <Icon name="reply" />
    </button>
  );
}
