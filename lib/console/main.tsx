// The agents' page begins here: the token of the link, then the desk.

import { signal } from '@preact/signals';
import { render } from 'preact';
import { App, type LoginProblem } from './model/app.ts';
import { initLanguage } from './model/language.ts';
import { keepToken, takeToken, tokenOf } from './model/login.ts';
import { initSound } from './model/notify.ts';
import './styles/base.css';
import './styles/layout.css';
import './styles/list.css';
import './styles/thread.css';
import './styles/composer.css';
import { startClocks } from './view/now.ts';
import { Page } from './view/page.tsx';

const app = signal<App | undefined>(undefined);
const problem = signal<LoginProblem>(undefined);

function begin(token: string): void {
  problem.value = undefined;
  app.value = new App(token, (why) => {
    problem.value = why;
    app.value = undefined;
  });
}

function start(): void {
  initLanguage();
  initSound();
  startClocks();
  const token = takeToken();
  if (token !== undefined) begin(token);
  // A login link that is opened in a tab that already shows the page.
  addEventListener('hashchange', () => {
    const next = tokenOf(location.hash);
    takeToken();
    if (next === undefined) return;
    if (app.value === undefined) begin(next);
    else if (app.value.belongsTo(next)) app.value.useToken(next);
    else location.reload();
  });
  const root = document.getElementById('app');
  if (root === null) throw new Error('The page has no #app.');
  const onToken = (next: string): void => {
    keepToken(next);
    begin(next);
  };
  render(<Page app={app} problem={problem} onToken={onToken} />, root);
}

start();
