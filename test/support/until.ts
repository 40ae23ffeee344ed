// Waiting for what has no event of its own.

const WAIT_MS = 10_000;

/**
 * Looks again after each turn of the loop until `look` finds something.
 * @param ms how long at most
 * @returns what was found
 * @throws Error that names `what` after that time
 */
export async function until<Found>(
  what: string,
  look: () => Found | undefined | false,
  ms = WAIT_MS,
): Promise<Found> {
  const latest = performance.now() + ms;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > latest) throw new Error(`Waited ${ms} ms in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
