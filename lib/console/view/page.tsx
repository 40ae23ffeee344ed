// The whole page: login, or list and conversation side by side.

import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { App, LoginProblem } from '../model/app.ts';
import { announcement } from '../model/notify.ts';
import { Banners } from './banner.tsx';
import { ConversationList } from './conversation-list.tsx';
import { ConversationPane } from './conversation-pane.tsx';
import { Header } from './header.tsx';
import { listenToKeys } from './keyboard.ts';
import { LoginScreen } from './login-screen.tsx';

interface PageProps {
  readonly app: Signal<App | undefined>;
  readonly problem: Signal<LoginProblem>;
  readonly onToken: (token: string) => void;
}

export function Page({ app, problem, onToken }: PageProps) {
  const current = app.value;
  if (current === undefined) return <LoginScreen problem={problem.value} onToken={onToken} />;
  return <DeskPage app={current} />;
}

function DeskPage({ app }: { app: App }) {
  useEffect(() => listenToKeys(app), [app]);
  const classes = app.selected.value === undefined ? 'frame' : 'frame has-selection';
  return (
    <div class={classes}>
      <Banners app={app} />
      <div class="columns">
        <aside class="sidebar">
          <Header app={app} />
          <ConversationList app={app} />
        </aside>
        <main class="pane">
          <ConversationPane app={app} />
        </main>
      </div>
      <div class="visually-hidden" aria-live="polite" data-testid="announcement">
        {announcement.value}
      </div>
    </div>
  );
}
