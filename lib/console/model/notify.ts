// Drawing attention: a short sound, the number in the title and the icon, and a sentence for screen readers.

import { signal } from '@preact/signals';

const MUTED_KEY = 'sluice.muted';
/** Sounds closer together than this are one. */
const SOUND_GAP_MS = 1_500;

export const isMuted = signal(false);
/** What a screen reader says next. */
export const announcement = signal('');

let audio: AudioContext | undefined;
let lastSoundAt = Number.NEGATIVE_INFINITY;

/** Browsers allow sound only after a gesture: the first one prepares it. */
export function initSound(): void {
  isMuted.value = localStorage.getItem(MUTED_KEY) === 'yes';
  const prepare = (): void => {
    audio ??= new AudioContext();
    if (audio.state === 'suspended') void audio.resume();
  };
  addEventListener('pointerdown', prepare, { once: true });
  addEventListener('keydown', prepare, { once: true });
}

export function toggleMuted(): void {
  isMuted.value = !isMuted.value;
  localStorage.setItem(MUTED_KEY, isMuted.value ? 'yes' : 'no');
  if (!isMuted.value) playSound();
}

/** Two soft notes, a fifth apart. */
export function playSound(): void {
  const now = performance.now();
  if (isMuted.value || audio === undefined || now - lastSoundAt < SOUND_GAP_MS) return;
  lastSoundAt = now;
  playNote(audio, 587, audio.currentTime);
  playNote(audio, 880, audio.currentTime + 0.12);
}

function playNote(context: AudioContext, frequency: number, start: number): void {
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.type = 'sine';
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.12, start + 0.015);
  gain.gain.exponentialRampToValueAtTime(0.001, start + 0.35);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.4);
}

/** The number of conversations with something unread, in title, icon and app badge. */
export function showUnread(count: number): void {
  document.title = count === 0 ? 'Sluice' : `(${count}) Sluice`;
  const icon = document.getElementById('icon');
  const href = count === 0 ? './favicon.svg' : './favicon-unread.svg';
  if (icon?.getAttribute('href') !== href) icon?.setAttribute('href', href);
}
