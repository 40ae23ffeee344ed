// English or Chinese.

import { type Language, language, setLanguage, t } from '../model/language.ts';

const NAMES: readonly [Language, string, string][] = [
  ['en', 'EN', 'English'],
  ['zh', '中', '中文'],
];

export function LanguageSwitch() {
  return (
    <fieldset class="segments segments-small" aria-label={t('language')}>
      {NAMES.map(([code, short, name]) => (
        <button
          key={code}
          type="button"
          lang={code}
          title={name}
          aria-pressed={language.value === code}
          data-testid={`language-${code}`}
          onClick={() => setLanguage(code)}
        >
          {short}
        </button>
      ))}
    </fieldset>
  );
}
