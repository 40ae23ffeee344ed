// The left side: search, filter, conversations. Rows are drawn as far as one has scrolled.

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { App, Filter } from '../model/app.ts';
import { t } from '../model/language.ts';
import { ConversationItem } from './conversation-item.tsx';
import { Icon } from './icons.tsx';

const ROWS_STEP = 60;
const NEAR_END_PX = 400;
const FILTERS: readonly [Filter, 'filterOpen' | 'filterAll' | 'filterClosed'][] = [
  ['open', 'filterOpen'],
  ['all', 'filterAll'],
  ['closed', 'filterClosed'],
];

export function ConversationList({ app }: { app: App }) {
  const rows = useSignal(ROWS_STEP);
  const list = useRef<HTMLDivElement>(null);
  const views = app.visible.value;
  const selected = app.selected.value;

  useEffect(() => {
    list.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [selected]);

  const onScroll = (): void => {
    const box = list.current;
    if (box === null || box.scrollHeight - box.scrollTop - box.clientHeight > NEAR_END_PX) return;
    if (rows.value < views.length) rows.value += ROWS_STEP;
    else void app.pager.more(app.filter.value);
  };

  return (
    <>
      <SearchField app={app} />
      <Filters app={app} />
      {/* biome-ignore lint/a11y/useSemanticElements: rows are buttons, and a nav names the region. */}
      <div
        class="list"
        ref={list}
        onScroll={onScroll}
        role="navigation"
        aria-label={t('conversations')}
        data-testid="conversation-list"
      >
        {views.slice(0, rows.value).map((view) => (
          <ConversationItem
            key={view.conversation}
            app={app}
            view={view}
            isSelected={view.conversation === selected}
          />
        ))}
        {views.length === 0 && <EmptyList app={app} />}
        {app.pager.isLoading.value && <p class="list-note">{t('loadingMore')}</p>}
      </div>
    </>
  );
}

function SearchField({ app }: { app: App }) {
  return (
    <div class="search">
      <Icon name="search" />
      <input
        id="search"
        type="search"
        placeholder={t('search')}
        aria-label={t('search')}
        value={app.query.value}
        data-testid="search"
        onInput={(event) => {
          app.query.value = event.currentTarget.value;
        }}
      />
      {app.query.value === '' ? (
        <kbd>/</kbd>
      ) : (
        <button
          type="button"
          class="icon-button icon-button-small"
          aria-label={t('clearSearch')}
          onClick={() => {
            app.query.value = '';
          }}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

function Filters({ app }: { app: App }) {
  return (
    <fieldset class="segments" aria-label={t('conversations')}>
      {FILTERS.map(([filter, word]) => (
        <button
          key={filter}
          type="button"
          aria-pressed={app.filter.value === filter}
          data-testid={`filter-${filter}`}
          onClick={() => app.setFilter(filter)}
        >
          {t(word)}
        </button>
      ))}
    </fieldset>
  );
}

function EmptyList({ app }: { app: App }) {
  if (!app.hasBeenOnline.value) {
    return (
      <div class="skeletons" aria-hidden="true">
        {[0, 1, 2, 3, 4].map((row) => (
          <div key={row} class="skeleton" />
        ))}
      </div>
    );
  }
  const query = app.query.value.trim();
  const words = { open: 'emptyOpen', all: 'emptyAll', closed: 'emptyClosed' } as const;
  return (
    <p class="list-note">
      {query === '' ? t(words[app.filter.value]) : t('emptySearch', { query })}
    </p>
  );
}
