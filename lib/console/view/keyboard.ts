// Keys that work anywhere on the page: up and down through the list, / to search, Enter to
// answer, Esc to leave.

import type { App } from '../model/app.ts';
import { focusComposer, focusNextComposer, focusSearch, isTyping } from './focus.ts';

/** Listens until the result is called. */
export function listenToKeys(app: App): () => void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (handleKey(app, event)) event.preventDefault();
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}

function handleKey(app: App, event: KeyboardEvent): boolean {
  if (event.key === 'Escape') return handleEscape(app, event.target);
  if (isTyping(event.target)) return handleInSearch(app, event);
  switch (event.key) {
    case 'ArrowDown':
    case 'j':
      app.move(1);
      return true;
    case 'ArrowUp':
    case 'k':
      app.move(-1);
      return true;
    case '/':
      focusSearch();
      return true;
    case 'Enter':
      if (event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement) {
        return false;
      }
      focusComposer();
      return app.selected.value !== undefined;
    default:
      return false;
  }
}

function handleInSearch(app: App, event: KeyboardEvent): boolean {
  if (!(event.target instanceof HTMLInputElement) || event.target.id !== 'search') return false;
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    app.move(event.key === 'ArrowDown' ? 1 : -1);
    return true;
  }
  if (event.key !== 'Enter') return false;
  if (app.visible.value.every((view) => view.conversation !== app.selected.value)) app.move(1);
  focusNextComposer();
  return true;
}

/** Inside out: the quote, the search, the field's focus, at last the conversation. */
function handleEscape(app: App, target: EventTarget | null): boolean {
  if (app.answering.value !== undefined) app.answering.value = undefined;
  else if (target instanceof HTMLInputElement && app.query.value !== '') app.query.value = '';
  else if (isTyping(target) && target instanceof HTMLElement) target.blur();
  else if (app.selected.value !== undefined) app.select(undefined);
  else return false;
  return true;
}
