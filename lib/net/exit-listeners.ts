// What must run when the process ends, without Node's warning about many listeners.

/** Each loop needs a turn at exit: many loops are no leak, so none of them counts as one. */
export function addExitListener(listener: () => void): void {
  const listenersMax = process.getMaxListeners();
  if (listenersMax > 0) process.setMaxListeners(listenersMax + 1);
  process.on('exit', listener);
}

/** Takes back what addExitListener() did. */
export function removeExitListener(listener: () => void): void {
  const listenersMax = process.getMaxListeners();
  if (listenersMax > 1) process.setMaxListeners(listenersMax - 1);
  process.off('exit', listener);
}
