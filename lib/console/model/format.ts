// Times, names and sizes as people read them, in the language of the page.

import type { ConversationView } from '../../client/index.ts';
import { locale, t, tryWord } from './language.ts';

const DAY_MS = 86_400_000;

export function clockTime(at: number): string {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(at);
}

export function fullTime(at: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'full', timeStyle: 'medium' }).format(at);
}

/** Time today, `Yesterday`, a weekday within a week, else the date. */
export function shortTime(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days <= 0) return clockTime(at);
  if (days === 1) return t('yesterday');
  if (days < 7) return new Intl.DateTimeFormat(locale(), { weekday: 'short' }).format(at);
  return new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short' }).format(at);
}

/** The line between two days. */
export function dayName(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale(), {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(isThisYear ? {} : { year: 'numeric' }),
  }).format(at);
}

export function isSameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

export function customerName(view: ConversationView): string {
  const { id, name } = view.customer;
  return name === undefined || name === '' ? t('guest', { id: id.slice(-4) }) : name;
}

/** One or two letters for the avatar. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return (
    letters
      .map((word) => [...(word ?? '')][0] ?? '')
      .join('')
      .toUpperCase() || '?'
  );
}

/** One of eight colours, always the same for the same id. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % 8;
}

/** `[image]` of a preview in words. */
export function previewText(text: string): string {
  const match = /^\[(\w+)\]$/.exec(text);
  const type = match?.[1];
  return type === undefined ? text : attachmentName(type);
}

export function attachmentName(type: string): string {
  return tryWord(type) ?? t('attachment');
}

function daysBetween(at: number, now: number): number {
  const start = (time: number): number => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((start(now) - start(at)) / DAY_MS);
}
