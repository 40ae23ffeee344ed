// What a person has to know about the connection, the login and the Pages, above everything else.

import type { App } from '../model/app.ts';
import { t } from '../model/language.ts';
import { second } from './now.ts';

export function Banners({ app }: { app: App }) {
  return (
    <div class="banners">
      <ConnectionBanner app={app} />
      <ExpiryBanner app={app} />
      <AlarmBanners app={app} />
    </div>
  );
}

function ConnectionBanner({ app }: { app: App }) {
  const { state, retryAt, reason, attempt } = app.connection.value;
  if (state === 'online' || (state === 'connecting' && attempt === 0)) return null;
  if (state === 'stopped') return <StoppedBanner app={app} reason={reason} />;
  const seconds = retryAt === undefined ? 0 : Math.ceil((retryAt - second.value) / 1_000);
  const text =
    state === 'offline' ? t('offline') : seconds > 0 ? t('lost', { seconds }) : t('lostNow');
  return (
    <div class="banner banner-warn" role="status" data-testid="connection-banner">
      <span class="spinner" aria-hidden="true" />
      <span class="banner-text">{text}</span>
      {state !== 'connecting' && (
        <button type="button" class="button" onClick={() => app.desk.reconnect()}>
          {t('tryNow')}
        </button>
      )}
    </div>
  );
}

function StoppedBanner({ app, reason }: { app: App; reason: string | undefined }) {
  const isReplaced = reason === 'replaced';
  const text = isReplaced ? t('replaced') : reason === 'protocol' ? t('protocol') : t('ended');
  return (
    <div class="banner banner-bad" role="alert" data-testid="connection-banner">
      <span class="banner-text">{text}</span>
      <button
        type="button"
        class="button"
        onClick={() => (isReplaced ? app.desk.reconnect() : location.reload())}
      >
        {isReplaced ? t('useHere') : t('reload')}
      </button>
    </div>
  );
}

function ExpiryBanner({ app }: { app: App }) {
  const expiresAt = app.expiresAt.value;
  if (expiresAt === undefined) return null;
  const minutes = Math.max(1, Math.ceil((expiresAt - second.value) / 60_000));
  return (
    <div class="banner banner-warn" role="status">
      <span class="banner-text">{t('expiring', { minutes })}</span>
    </div>
  );
}

function AlarmBanners({ app }: { app: App }) {
  void app.listVersion.value;
  return (
    <>
      {app.store.alarms.map(({ page, alarm, why }) => (
        <div key={`${page}/${alarm}`} class="banner banner-bad" role="status">
          <span class="banner-text">{t('alarm', { page, why: why || alarm })}</span>
        </div>
      ))}
    </>
  );
}
