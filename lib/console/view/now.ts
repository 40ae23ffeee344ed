// The time as a signal, for what changes by itself: countdowns and "yesterday".

import { signal } from '@preact/signals';

export const second = signal(Date.now());
export const minute = signal(Date.now());

/** Starts the clocks of the page; once, for its life. */
export function startClocks(): void {
  setInterval(() => {
    second.value = Date.now();
  }, 1_000);
  setInterval(() => {
    minute.value = Date.now();
  }, 60_000);
}
