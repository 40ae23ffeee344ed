// The messages of a conversation by day and author. It stays at the end while one is there, keeps its place
// when earlier messages come in above, and loads them when one scrolls up.

import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { ChatItem, Thread } from '../../client/index.ts';
import type { App } from '../model/app.ts';
import { dayName, isSameDay } from '../model/format.ts';
import { t } from '../model/language.ts';
import { Icon } from './icons.tsx';
import { MessageBubble } from './message-bubble.tsx';
import { NoteLine } from './note-line.tsx';
import { minute } from './now.ts';

/** This close to the end counts as at the end. */
const AT_END_PX = 80;
const NEAR_TOP_PX = 300;
/** Messages of one author within this time stand together. */
const GROUP_MS = 5 * 60_000;

export function MessageList({ app, conversation }: { app: App; conversation: string }) {
  void app.threadVersion.value;
  const thread = app.store.thread(conversation);
  const { items } = thread;
  const scroll = useThreadScroll(app, conversation, items);
  return (
    <div class="thread-frame">
      <div
        class="thread"
        ref={scroll.box}
        onScroll={scroll.onScroll}
        data-testid="thread"
        role="log"
        aria-label={t('conversations')}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region has to be reachable by key.
        tabIndex={0}
      >
        <ThreadTop app={app} thread={thread} />
        {items.map((item, index) => (
          <Entry key={item.key} app={app} thread={thread} items={items} index={index} />
        ))}
      </div>
      {scroll.hasNew.value && (
        <button type="button" class="new-below" onClick={scroll.toEnd}>
          <Icon name="down" /> {t('newBelow')}
        </button>
      )}
    </div>
  );
}

function useThreadScroll(app: App, conversation: string, items: readonly ChatItem[]) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const before = useRef({ height: 0, firstKey: '', lastKey: '' });
  const hasNew = useSignal(false);
  const firstKey = items[0]?.key ?? '';
  const lastKey = items.at(-1)?.key ?? '';

  const toEnd = (): void => {
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
    hasNew.value = false;
  };

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const was = before.current;
    const last = items.at(-1);
    const isMine = last?.type === 'message' && last.status === 'sending';
    if (isAtEnd.current || (isMine && lastKey !== was.lastKey)) toEnd();
    else if (firstKey !== was.firstKey) element.scrollTop += element.scrollHeight - was.height;
    else if (lastKey !== was.lastKey) hasNew.value = true;
    before.current = { height: element.scrollHeight, firstKey, lastKey };
  }, [items]);

  // The answer box grows, the window changes: the end stays in sight.
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) toEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = (): void => {
    const element = box.current;
    if (element === null) return;
    isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    if (isAtEnd.current) hasNew.value = false;
    if (element.scrollTop < NEAR_TOP_PX) void app.loader.loadEarlier(conversation);
  };

  return { box, hasNew, onScroll, toEnd };
}

function ThreadTop({ app, thread }: { app: App; thread: Thread }) {
  void app.threadVersion.value;
  if (app.loader.failed.value === thread.conversation) {
    const retry = (): void => {
      void app.loader.loadNewest(thread.conversation);
      void app.loader.loadEarlier(thread.conversation);
    };
    return (
      <p class="thread-top">
        {t('historyFailed')}{' '}
        <button type="button" class="button" onClick={retry}>
          {t('again')}
        </button>
      </p>
    );
  }
  if (app.loader.isLoading.value || !thread.isLoaded) {
    return <p class="thread-top">{t('loading')}</p>;
  }
  if (thread.isComplete) return <p class="thread-top">{t('beginning')}</p>;
  return (
    <p class="thread-top">
      <button
        type="button"
        class="button"
        data-testid="earlier"
        onClick={() => void app.loader.loadEarlier(thread.conversation)}
      >
        {t('earlier')}
      </button>
    </p>
  );
}

interface EntryProps {
  readonly app: App;
  readonly thread: Thread;
  readonly items: readonly ChatItem[];
  readonly index: number;
}

function Entry({ app, thread, items, index }: EntryProps) {
  const item = items[index];
  if (item === undefined) return null;
  const previous = items[index - 1];
  const isNewDay = previous === undefined || !isSameDay(previous.at, item.at);
  return (
    <>
      {isNewDay && (
        <div class="day">
          <span>{dayName(item.at, minute.value)}</span>
        </div>
      )}
      {item.type === 'note' ? (
        <NoteLine note={item} />
      ) : (
        <MessageBubble
          app={app}
          thread={thread}
          message={item}
          isFirst={isNewDay || !isSameGroup(previous, item)}
          isLast={!isSameGroup(item, items[index + 1])}
        />
      )}
    </>
  );
}

function isSameGroup(a: ChatItem | undefined, b: ChatItem | undefined): boolean {
  if (a?.type !== 'message' || b?.type !== 'message') return false;
  if (a.from !== b.from || b.at - a.at > GROUP_MS || !isSameDay(a.at, b.at)) return false;
  // What is being sent has no author yet: it is ours.
  return a.by?.id === b.by?.id || a.by === undefined || b.by === undefined;
}
