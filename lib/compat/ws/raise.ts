// Errors that have no connection to be reported on.

/** Raises `error` as uncaught in a turn of its own, where it can interrupt nobody's work. */
export function raiseUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
