// Above the list: who we are, whether we are connected, sound, language, the way out.

import type { App } from '../model/app.ts';
import { t } from '../model/language.ts';
import { isMuted, toggleMuted } from '../model/notify.ts';
import { Icon } from './icons.tsx';
import { LanguageSwitch } from './language-switch.tsx';

export function Header({ app }: { app: App }) {
  const agent = app.welcome.value?.agent;
  const sound = isMuted.value ? t('unmute') : t('mute');
  return (
    <header class="header">
      <img src="./favicon.svg" alt="" width="28" height="28" />
      <div class="header-names">
        <strong class="header-title">Sluice</strong>
        <span class="header-agent">
          <ConnectionDot app={app} />
          {agent === undefined ? t('connecting') : agent.name}
        </span>
      </div>
      <LanguageSwitch />
      <button
        type="button"
        class="icon-button"
        title={sound}
        aria-label={sound}
        aria-pressed={isMuted.value}
        data-testid="mute"
        onClick={toggleMuted}
      >
        <Icon name={isMuted.value ? 'bellOff' : 'bell'} />
      </button>
      <button
        type="button"
        class="icon-button"
        title={t('logOut')}
        aria-label={t('logOut')}
        data-testid="log-out"
        onClick={() => app.logOut()}
      >
        <Icon name="exit" />
      </button>
    </header>
  );
}

function ConnectionDot({ app }: { app: App }) {
  const { state } = app.connection.value;
  const text =
    state === 'online' ? t('online') : state === 'stopped' ? t('ended') : t('connecting');
  return (
    <span
      class={`dot dot-${state}`}
      data-testid="connection-state"
      data-state={state}
      role="img"
      aria-label={text}
      title={text}
    />
  );
}
