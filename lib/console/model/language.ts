// The words of the page in two languages. A missing word is a type error.

import { signal } from '@preact/signals';
import { ENGLISH } from './words-en.ts';
import { CHINESE } from './words-zh.ts';

export type Language = 'en' | 'zh';
export type Word = keyof typeof ENGLISH;

const STORAGE_KEY = 'sluice.language';
const DICTIONARIES: Readonly<Record<Language, Readonly<Record<Word, string>>>> = {
  en: ENGLISH,
  zh: CHINESE,
};

export const language = signal<Language>('en');

/** The stored choice, else what the browser prefers. */
export function initLanguage(): void {
  const stored = localStorage.getItem(STORAGE_KEY);
  const preferred = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
  setLanguage(stored === 'en' || stored === 'zh' ? stored : preferred, false);
}

export function setLanguage(next: Language, isChosen = true): void {
  language.value = next;
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  if (isChosen) localStorage.setItem(STORAGE_KEY, next);
}

/** The locale for times and numbers. */
export function locale(): string {
  return language.value === 'zh' ? 'zh-CN' : 'en-GB';
}

/** A word or sentence; `{name}` in it is replaced by the value of that name. */
export function t(word: Word, values: Readonly<Record<string, string | number>> = {}): string {
  const sentence = DICTIONARIES[language.value][word];
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A word that comes from data: the sentence if there is one, else undefined. */
export function tryWord(word: string): string | undefined {
  return Object.hasOwn(ENGLISH, word) ? t(word as Word) : undefined;
}
