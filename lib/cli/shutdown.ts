// Ends a server command: the first SIGINT or SIGTERM stops gracefully, a second one at once.

/** Resolves with the exit code when the process was asked to end and `stop` is done. */
export function runUntilSignal(stop: () => Promise<void>): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = (): void => {
      if (isStopping) process.exit(1);
      isStopping = true;
      stop().then(
        () => resolve(0),
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          process.stderr.write(`sluice: stopping failed: ${reason}\n`);
          resolve(1);
        },
      );
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
