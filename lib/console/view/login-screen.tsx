// Without a token: what to do to get in.

import { useSignal } from '@preact/signals';
import type { LoginProblem } from '../model/app.ts';
import { t } from '../model/language.ts';
import { tokenOf } from '../model/login.ts';
import { LanguageSwitch } from './language-switch.tsx';

const COMMAND = 'sluice token --agent eve --name "Eve" --pages "*"';

export function LoginScreen(props: { problem: LoginProblem; onToken: (token: string) => void }) {
  const text = useSignal('');
  const isWrong = useSignal(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = tokenOf(text.value);
    if (token === undefined) isWrong.value = true;
    else props.onToken(token);
  };
  return (
    <main class="login" data-testid="login">
      <form class="login-card" onSubmit={submit}>
        <img class="login-mark" src="./favicon.svg" alt="" width="48" height="48" />
        <h1>{t('loginTitle')}</h1>
        {props.problem !== undefined && (
          <p class="notice notice-bad" role="alert" data-testid="login-problem">
            {t(props.problem === 'forbidden' ? 'loginForbidden' : 'loginExpired')}
          </p>
        )}
        <p class="muted">{t('loginLead')}</p>
        <label class="field">
          <span>{t('loginField')}</span>
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={text.value}
            data-testid="login-field"
            aria-invalid={isWrong.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
              isWrong.value = false;
            }}
          />
        </label>
        {isWrong.value && (
          <p class="field-error" role="alert">
            {t('loginInvalid')}
          </p>
        )}
        <button type="submit" class="button button-main" data-testid="login-button">
          {t('loginButton')}
        </button>
        <details>
          <summary>{t('loginHow')}</summary>
          <p class="muted">{t('loginHowText')}</p>
          <code class="code">{COMMAND}</code>
          <code class="code">{`${location.origin}${location.pathname}#token=…`}</code>
        </details>
        <LanguageSwitch />
      </form>
    </main>
  );
}
