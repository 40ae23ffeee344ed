// Where the keyboard goes.

/** The answer box, once it is there. On a touch screen it would only raise the keyboard. */
export function focusComposer(): void {
  if (matchMedia('(pointer: coarse)').matches) return;
  requestAnimationFrame(() => document.getElementById('composer')?.focus());
}

export function focusSearch(): void {
  const field = document.getElementById('search');
  if (field instanceof HTMLInputElement) {
    field.focus();
    field.select();
  }
}

/** True while keys write text. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}
