// Where the keyboard goes.

/** The answer box of the conversation that is shown. */
export function focusComposer(): void {
  document.getElementById('composer')?.focus();
}

/**
 * The answer box of a conversation that is about to be drawn. On touch it would only raise the
 * keyboard.
 */
export function focusNextComposer(): void {
  if (!matchMedia('(pointer: coarse)').matches) requestAnimationFrame(focusComposer);
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
