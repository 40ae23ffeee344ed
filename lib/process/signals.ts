// What a supervisor does on signals. As process 1 of a container it must listen to them all the more: the
// kernel drops those of process 1 that have no handler.

export interface SignalActions {
  stop(graceful: boolean): void;
  reload(): void;
  /** The new version is to take the place of this program. */
  upgrade(): void;
  /** A second request to stop. */
  kill(): void;
}

/** SIGTERM and SIGINT stop, SIGQUIT gracefully, SIGHUP reloads, SIGUSR2 upgrades. @returns stops listening */
export function listenToSignals(actions: SignalActions): () => void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) actions.kill();
    else actions.stop(false);
    isStopping = true;
  };
  const handlers = {
    SIGTERM: stop,
    SIGINT: stop,
    SIGQUIT: () => actions.stop(true),
    SIGHUP: () => actions.reload(),
    SIGUSR2: () => actions.upgrade(),
  };
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler);
  return () => {
    for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
  };
}
